"""From an image file's bytes to uint8 RGB, shape (height, width, 3): what every reader agrees on.

The rules, for all formats: EXIF and XMP orientation applied; first frame of animations and of
multi-picture files; 16-bit values scaled by dropping the low byte; CMYK, Lab, grey and palettes
converted to sRGB primaries, embedded colour profiles ignored; alpha flattened on white. The size
is checked in the header before memory is taken. Damaged files are refused, never half decoded.

JPEGs in RGB or grey go through libjpeg-turbo (`simplejpeg`), which gives Pillow's pixels in less
time and can decode at 1/2, 1/4 or 1/8 of the size; all others, and those it refuses, go through
Pillow.
"""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from augcli.augment.config import DEFAULT_MAX_MEGAPIXELS

Pixels = npt.NDArray[np.uint8]

# Named, because Pillow would try all that it knows: an EPS runs Ghostscript, whatever its name.
# Pillow opens MPO (several JPEGs in one file) as JPEG.
PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")
ORIENTATION_TAG = 0x0112
_JPEG_START = b"\xff\xd8\xff"
_JPEG_SCAN = b"\xff\xda"
MAX_SCANS = 1000  # each costs a pass over all pixels, in some 20 bytes; cameras write 1 to 12
_HEAD_BYTES = 1 << 17  # where cameras put EXIF and XMP: before the first scan
_TIFF_TILE = (322, 323)  # tags: width and height of a tile
MAX_KEPT_BYTES = 1 << 26
_BAND_PIXELS = 1 << 16
_PILLOW_GUARD = threading.Lock()

# Pillow warns of odd but readable metadata; a view must not depend on the warning settings.
warnings.filterwarnings("ignore", module=r"PIL\.")


class DecodeError(Exception):
    """An image that can't be used; the message is the reason, without the path."""


def decode(
    data: bytes, *, min_side: int = 0, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> Pixels:
    """Decode an image file, upright, to uint8 RGB of shape (height, width, 3).

    C-contiguous and writable.

    Args:
        data: the whole file.
        min_side: a large JPEG may come at 1/2, 1/4 or 1/8 of its size, but never with a side
            shorter than this many pixels; 0 asks for the full size.
        max_megapixels: the limit on width times height, in millions of pixels.

    Raises:
        DecodeError: not an image, damaged, of an unsupported type or too large.
        MemoryError: there is no room for the pixels; that says nothing about the file.
    """
    return _decode(data, "RGB", min_side, max_megapixels)


class Workspace:
    """Memory to decode into again and again: fresh memory costs a third of a decoding.

    Not safe for threads.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def of(self, size: int) -> Pixels | None:
        """`size` bytes or more, the same as before if they suffice; None beyond what is kept."""
        if size > MAX_KEPT_BYTES:
            return None
        if size > len(self._memory):
            self._memory = np.empty(size, np.uint8)
        return self._memory

    def holds(self, pixels: Pixels) -> bool:
        """Whether these pixels will be overwritten by the next decoding."""
        return bool(np.may_share_memory(pixels, self._memory))


def decode_rgbx(
    data: bytes,
    *,
    min_side: int = 0,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    workspace: Workspace | None = None,
) -> Pixels:
    """The same as RGBX, shape (height, width, 4): the last channel has no meaning.

    Arguments and errors are those of `decode`; the pixels may lie in `workspace`.
    """
    return _decode(data, "RGBX", min_side, max_megapixels, workspace)


def _decode(
    data: bytes,
    colorspace: str,
    min_side: int,
    max_megapixels: float,
    workspace: Workspace | None = None,
) -> Pixels:
    if not data:
        raise DecodeError("the file is empty")
    if data.startswith(_JPEG_START):
        pixels = _decode_jpeg(data, colorspace, min_side, max_megapixels, workspace)
        if pixels is not None:
            return pixels
    rgb = _decode_with_pillow(data, max_megapixels)
    if colorspace == "RGB":
        return rgb
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)


def _decode_jpeg(
    data: bytes,
    into: str,
    min_side: int,
    max_megapixels: float,
    workspace: Workspace | None,
) -> Pixels | None:
    """The fast way for a sound RGB or grey JPEG; None leaves the verdict to Pillow."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _check_size(width, height, max_megapixels)
    if data.count(_JPEG_SCAN) > MAX_SCANS:
        raise DecodeError(f"over {MAX_SCANS} scans, which would take minutes to decode")
    if colorspace not in ("YCbCr", "RGB", "Gray"):
        _decode_with_turbo(data, "CMYK", 0)  # only to see whether it is whole
        return None
    memory = workspace.of(width * height * len(into)) if workspace else None
    pixels = _decode_with_turbo(data, into, min_side, memory)
    if pixels is None:
        return None
    return np.ascontiguousarray(_UPRIGHT[_jpeg_orientation(data)](pixels))


def _decode_with_turbo(
    data: bytes, into: str, min_side: int, memory: Pixels | None = None
) -> Pixels | None:
    """Pixels as stored, not turned; None when Pillow may know better.

    Raises:
        DecodeError: the data end early; Pillow would fill the rest with grey.
        MemoryError: libjpeg had no room.
    """
    factor = 2 if min_side else 1
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, into, buffer=memory, min_height=min_side, min_width=min_side, min_factor=factor
        )
    except ValueError as error:
        raise_if_out_of_memory(error)
        if "premature end" in str(error).lower():
            raise DecodeError(f"damaged: {error}") from error
        return None
    return pixels


def _jpeg_orientation(data: bytes) -> int:
    """The EXIF or XMP orientation, 1 to 8. Pillow is asked only when there may be one."""
    if data.find(b"Exif\0", 0, _HEAD_BYTES) < 0 and data.find(b"tiff:", 0, _HEAD_BYTES) < 0:
        return 1
    try:
        return _orientation(_open(data))
    except MemoryError:
        raise
    except Exception:  # Pillow can't read the header: the pixels may be sound
        return 1


def _decode_with_pillow(data: bytes, max_megapixels: float) -> Pixels:
    try:
        _check_webp(data, max_megapixels)
        image = _open(data, max_megapixels)
        _check_size(image.width, image.height, max_megapixels)
        _check_tile(image, max_megapixels)
        image.load()
        orientation = _orientation(image)
        pixels = _to_rgb(image)
    except (DecodeError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DecodeError("not an image in a format that augcli reads") from None
    except Exception as error:  # Pillow's plugins raise whatever a damaged file makes them raise
        raise DecodeError(f"damaged: {error or type(error).__name__}") from error
    return np.require(_UPRIGHT[orientation](pixels), requirements=["C", "W"])


def _open(data: bytes, max_megapixels: float = math.inf) -> Image.Image:
    """Pillow's header reader, with our limit on the size instead of its own.

    Only for a GIF it must be told: it takes memory for the first frame at once. Of all others the
    size is checked after this.
    """
    known = data.startswith(b"GIF8") and math.isfinite(max_megapixels)
    with _PILLOW_GUARD:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6 / 2) if known else None  # it allows twice
        try:
            return Image.open(io.BytesIO(data), formats=PILLOW_FORMATS)
        except Image.DecompressionBombError:
            raise DecodeError(f"over the limit of {max_megapixels:g} megapixels") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before


def raise_if_out_of_memory(error: ValueError) -> None:
    """simplejpeg reports a failed allocation as it reports damage: by a text.

    Whether a file is usable must not depend on the memory that happened to be free.

    Raises:
        MemoryError: `error` is such a report.
    """
    text = str(error).lower()
    if "insufficient memory" in text or "memory allocation" in text:
        raise MemoryError(str(error)) from error


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        raise DecodeError(
            f"{width} x {height} pixels are over the limit of {max_megapixels:g} megapixels"
        )


def _check_webp(data: bytes, max_megapixels: float) -> None:
    """An animation's canvas, for which memory is taken as soon as the file is opened."""
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        _check_size(width, height, max_megapixels)


def _check_tile(image: Image.Image, max_megapixels: float) -> None:
    """A TIFF's tiles are decoded whole, however little of them the picture has."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in _TIFF_TILE)
    if isinstance(width, int) and isinstance(height, int):
        _check_size(width, height, max_megapixels)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except MemoryError:
        raise
    except Exception:  # damaged metadata: the pixels may be sound
        return 1
    return value if value in _UPRIGHT else 1


# EXIF 2.32, tag 0x0112: how the stored picture must be turned to stand upright
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: p.transpose(1, 0, 2)[::-1],
}


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        return _wide_grey_to_rgb(image)
    if image.mode == "F":
        raise DecodeError("floating-point pixels have no stated range; convert the file to 8 bit")
    if image.mode == "LAB":
        return _array(_lab_to_rgb(image))
    if image.has_transparency_data:
        return _flatten(_array(image.convert("RGBA")))
    return _array(image.convert("RGB"))


def _array(image: Image.Image) -> Pixels:
    return np.asarray(image, np.uint8)


def _wide_grey_to_rgb(image: Image.Image) -> Pixels:
    """16-bit grey, in whichever of Pillow's modes I;16, I;16B or I it comes."""
    wide = np.asarray(image)
    if wide.min(initial=0) < 0 or wide.max(initial=0) > 0xFFFF:
        raise DecodeError("32-bit pixels have no stated range; convert the file to 8 bit")
    transparent: Any = image.info.get("transparency")
    rgb = np.empty((*wide.shape, 3), np.uint8)
    for rows in _bands(wide.shape):
        grey = (wide[rows] >> 8).astype(np.uint8)
        if isinstance(transparent, int):
            grey[wide[rows] == transparent] = 255
        rgb[rows] = grey[:, :, None]
    return rgb


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows to convert at a time, so that what is in between takes little memory."""
    height = max(1, _BAND_PIXELS // max(1, shape[1]))
    return (slice(top, top + height) for top in range(0, shape[0], height))


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise DecodeError("Lab colours could not be converted")
    return converted


def _flatten(rgba: Pixels) -> Pixels:
    """Lay RGBA pixels on white, rounding to nearest."""
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    for rows in _bands(rgba.shape):
        alpha = rgba[rows, :, 3:].astype(np.uint16)
        color = rgba[rows, :, :3].astype(np.uint16)
        rgb[rows] = (color * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb
