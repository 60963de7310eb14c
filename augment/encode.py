"""Codecs of stored views: a registry of extension, encoder and decoder.

What is encoded is uint8 RGBX of shape (height, width, 4), as views are made; what is decoded is
uint8 RGB of shape (height, width, 3), as training needs it. `png`, `webp` and `npy` are lossless.
`npy` is NumPy's own format, read without pickle and without any decoding.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import simplejpeg
from numpy.lib import format as npy_format

from augcli.augment.decode import DecodeError, Pixels, decode, raise_if_out_of_memory
from augcli.augment.frame import rgb_of
from augcli.manifests.errors import unknown_name

Encoder = Callable[[Pixels, int], bytes]
Decoder = Callable[[bytes | memoryview], Pixels]
DecoderInto = Callable[[bytes | memoryview, Pixels], None]

PNG_COMPRESSION = 1  # zlib level: photographs hardly shrink further, and time triples
# Matched, not parsed: NumPy's reader evaluates the header, and takes the memory that it claims.
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '\|u1', 'fortran_order': False, "
    rb"'shape': \((\d{1,5}), (\d{1,5}), 3\), \} *\n",
    re.DOTALL,
)
WEBP_LOSSLESS = 101  # OpenCV's code for lossless WebP: a quality above 100


@dataclass(frozen=True)
class Codec:
    """How stored views are written and read; `extension` is the member's in the shard.

    `encode` takes pixels and a quality, 1 to 100; lossless codecs ignore the quality.
    `decode_into` decodes into C-contiguous memory of the image's shape. Both decoders raise
    DecodeError, that one also for an image of another shape. Where pixels of a shape are stored
    as they are, `pixels_at` says how many bytes come before them.
    """

    name: str
    extension: str
    lossless: bool
    encode: Encoder
    decode: Decoder
    decode_into: DecoderInto
    pixels_at: Callable[[tuple[int, ...]], int] | None = None


def _encode_jpeg(image: Pixels, quality: int) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(
        image, quality=quality, colorspace="RGBX", colorsubsampling="420"
    )
    return data


def _encode_png(image: Pixels, quality: int) -> bytes:
    return _encode_with_opencv(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])


def _encode_webp(image: Pixels, quality: int) -> bytes:
    return _encode_with_opencv(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, WEBP_LOSSLESS])


def _encode_with_opencv(extension: str, image: Pixels, options: list[int]) -> bytes:
    _, data = cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGBA2BGR), options)
    return bytes(data)


def _encode_npy(image: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    npy_format.write_array(buffer, rgb_of(image), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _decode_jpeg(data: bytes | memoryview) -> Pixels:
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        raise_if_out_of_memory(error)
        raise DecodeError(f"damaged: {error}") from error
    return pixels


def _decode_jpeg_into(data: bytes | memoryview, memory: Pixels) -> None:
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", buffer=memory)
    except ValueError as error:
        raise_if_out_of_memory(error)
        if "buffer" in str(error):  # too small for it
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            _check_shape((height, width, 3), memory)
        raise DecodeError(f"damaged: {error}") from error
    _check_shape(pixels.shape, memory)


def _check_shape(shape: tuple[int, ...], memory: Pixels) -> None:
    if shape != memory.shape:
        raise DecodeError(f"has shape {shape}, expected {memory.shape}")


def _decode_file(data: bytes | memoryview) -> Pixels:
    return decode(bytes(data))


def _decode_file_into(data: bytes | memoryview, memory: Pixels) -> None:
    """An image that claims to be larger is refused before memory is taken for it."""
    height, width, _ = memory.shape
    pixels = decode(bytes(data), max_megapixels=(height * width + 0.5) / 1e6)
    _check_shape(pixels.shape, memory)
    np.copyto(memory, pixels)


def _decode_npy(data: bytes | memoryview) -> Pixels:
    return _view_npy(data).copy()  # one's own and writable, as from the other codecs


def _decode_npy_into(data: bytes | memoryview, memory: Pixels) -> None:
    head = _npy_head(memory.shape)
    if len(data) == len(head) + memory.size and data[: len(head)] == head:
        np.copyto(memory, np.frombuffer(data, np.uint8, offset=len(head)).reshape(memory.shape))
        return
    pixels = _view_npy(data)
    _check_shape(pixels.shape, memory)
    np.copyto(memory, pixels)


@lru_cache(maxsize=8)
def _npy_head(shape: tuple[int, ...]) -> bytes:
    """What NumPy writes before the pixels: by comparing, the header need not be parsed."""
    buffer = io.BytesIO()
    npy_format.write_array(buffer, np.empty(shape, np.uint8), version=(1, 0))
    return buffer.getvalue()[: -math.prod(shape)]


def _npy_start(shape: tuple[int, ...]) -> int:
    return len(_npy_head(shape))


def _view_npy(data: bytes | memoryview) -> Pixels:
    header = _NPY_HEADER.match(data)
    if header is None:
        raise DecodeError("damaged: not a .npy file of uint8 (height, width, 3)")
    height, width = int(header[1]), int(header[2])
    if len(data) != header.end() + height * width * 3:
        raise DecodeError(f"damaged: {len(data)} bytes can't hold ({height}, {width}, 3)")
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, 3)


CODECS = {
    codec.name: codec
    for codec in (
        Codec("jpeg", "jpg", False, _encode_jpeg, _decode_jpeg, _decode_jpeg_into),
        Codec("png", "png", True, _encode_png, _decode_file, _decode_file_into),
        Codec("webp", "webp", True, _encode_webp, _decode_file, _decode_file_into),
        Codec("npy", "npy", True, _encode_npy, _decode_npy, _decode_npy_into, _npy_start),
    )
}


def codec_named(name: str) -> Codec:
    """The codec `name`.

    Raises:
        UsageError: an unknown name; the message lists the choices.
    """
    if name not in CODECS:
        raise unknown_name("codec", name, CODECS)
    return CODECS[name]
