"""Decoding: upright RGB from whatever people have, and a reason for what can't be used."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import EpsImagePlugin, Image, ImageFile, ImageOps

from augcli.augment import decode as decode_module
from augcli.augment.decode import MAX_SCANS, DecodeError, Pixels, decode

RNG = np.random.default_rng(1)


def photo(height: int = 60, width: int = 84) -> Pixels:
    """Smooth, with texture, and different under every turn and flip."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    colors = np.stack([x * 255 / width, y * 255 / height, 60 + 90 * (x > y)], axis=2)
    return np.clip(colors + RNG.normal(0, 4, colors.shape), 0, 255).astype(np.uint8)


def saved(image: Image.Image | Pixels, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def difference(one: Pixels, other: Pixels) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def assert_plain(pixels: Pixels) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3 and pixels.shape[2] == 3
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


PHOTO = photo()
JPEG = saved(PHOTO, "JPEG", quality=92)
PNG = saved(PHOTO, "PNG")


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats(format: str) -> None:
    pixels = decode(saved(PHOTO, format, **({"lossless": True} if format == "WEBP" else {})))
    assert_plain(pixels)
    assert np.array_equal(pixels, PHOTO)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
@pytest.mark.parametrize("shape", [(60, 84), (1, 1), (17, 33)])
def test_jpegs_are_pillows_pixels(
    mode: str, options: dict[str, Any], shape: tuple[int, int]
) -> None:
    data = saved(Image.fromarray(photo(*shape)).convert(mode), "JPEG", quality=88, **options)
    pixels = decode(data)
    assert_plain(pixels)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(PHOTO, format, exif=exif)
    pixels = decode(data)
    assert_plain(pixels)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert difference(pixels, np.asarray(expected)) == 0
    assert pixels.shape[:2] == ((60, 84) if orientation < 5 else (84, 60))


@pytest.mark.parametrize("orientation", [0, 9, 255])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_unknown_orientation_is_none(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(saved(PHOTO, format, exif=exif)), decode(saved(PHOTO, format)))


@pytest.mark.parametrize("exif", [b"", b"junk", b"Exif\0\0", b"Exif\0\0junkjunkjunk"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_damaged_metadata_leaves_the_pixels(format: str, exif: bytes) -> None:
    """Was: a PNG or WebP with it was refused, a JPEG was not."""
    data = saved(PHOTO, format, exif=exif)
    assert np.array_equal(decode(data), decode(saved(PHOTO, format)))


def test_large_jpeg_is_turned_after_reduced_decoding() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(photo(400, 600), "JPEG", exif=exif)
    assert decode(data, min_side=100).shape == (150, 100, 3)


def test_cmyk_jpeg() -> None:
    data = saved(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=95)
    assert_plain(decode(data))
    assert difference(decode(data), PHOTO) < 12


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_the_high_byte(format: str) -> None:
    wide = RNG.integers(0, 1 << 16, (9, 11), dtype=np.uint16)
    wide[0, :3] = [0, 255, 65535]
    pixels = decode(saved(Image.fromarray(wide), format))
    assert_plain(pixels)
    assert all(np.array_equal(pixels[:, :, band], wide >> 8) for band in range(3))


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit_rgb_keeps_the_high_byte(extension: str) -> None:
    wide = RNG.integers(0, 1 << 16, (9, 11, 3), dtype=np.uint16)
    data = cv2.imencode(extension, wide[:, :, ::-1])[1].tobytes()
    assert np.array_equal(decode(data), wide >> 8)


def test_alpha_is_flattened_on_white() -> None:
    rgba = RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    rgba[0, :3, 3] = [0, 255, 128]
    pixels = decode(saved(Image.fromarray(rgba), "PNG"))
    alpha = rgba[:, :, 3:] / 255
    expected = np.rint(rgba[:, :, :3] * alpha + 255 * (1 - alpha))
    assert np.abs(pixels - expected).max() <= 0.5
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert np.array_equal(pixels[0, 1], rgba[0, 1, :3])


def test_grey_with_alpha() -> None:
    values = RNG.integers(0, 256, (8, 8, 2), dtype=np.uint8)
    values[0, 0] = 0
    pixels = decode(saved(Image.fromarray(values, "LA"), "PNG"))
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])


def palette() -> Image.Image:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    return image


@pytest.mark.parametrize(
    ("image", "transparency", "first", "second"),
    [
        (palette(), None, (0, 255, 0), (255, 0, 0)),
        (palette(), 0, (0, 255, 0), (255, 255, 255)),
        (palette(), b"\x80\xff", (0, 255, 0), (255, 127, 127)),
        (Image.new("RGB", (4, 4), (1, 2, 3)), (1, 2, 3), (255,) * 3, (255,) * 3),
        (Image.new("RGB", (4, 4), (1, 2, 3)), (1, 2, 4), (1, 2, 3), (1, 2, 3)),
        (Image.new("L", (4, 4), 7), 7, (255,) * 3, (255,) * 3),
        (Image.new("I;16", (4, 4), 513), 513, (255,) * 3, (255,) * 3),
        (Image.new("I;16", (4, 4), 513), 514, (2,) * 3, (2,) * 3),
        (Image.new("1", (4, 4), 1), None, (255,) * 3, (255,) * 3),
        (Image.new("1", (4, 4), 0), None, (0,) * 3, (0,) * 3),
    ],
)
def test_palettes_and_single_transparent_values(
    image: Image.Image, transparency: object, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    options = {} if transparency is None else {"transparency": transparency}
    pixels = decode(saved(image, "PNG", **options))
    assert_plain(pixels)
    assert tuple(pixels[0, 0]) == first
    assert tuple(pixels[2, 2]) == second


def test_gif_palette_with_transparency() -> None:
    pixels = decode(saved(palette(), "GIF", transparency=0))
    assert tuple(pixels[2, 2]) == (255, 255, 255)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_first_frame_counts(format: str) -> None:
    frames = [Image.new("RGB", (8, 6), (value,) * 3) for value in (10, 200, 90)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    pixels = decode(data)
    assert_plain(pixels)
    assert pixels.shape == (6, 8, 3)
    assert np.abs(pixels.astype(int) - 10).max() <= 2


@pytest.mark.parametrize("value", ["F", "I"])
def test_ranges_that_nobody_states(value: str) -> None:
    image = Image.new(value, (4, 4), 1 << 17)
    with pytest.raises(DecodeError, match="no stated range"):
        decode(saved(image, "TIFF"))


def test_lab_tiff() -> None:
    pixels = decode(saved(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"))
    assert np.abs(pixels.astype(int) - 255).max() <= 2


# ---- what can't be used


CMYK = saved(Image.fromarray(photo(200, 200)).convert("CMYK"), "JPEG", quality=95)
DAMAGED = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "zeros": bytes(5000),
    "text": b"ok\n" * 100,
    "jpeg start": b"\xff\xd8\xff",
    "jpeg head": JPEG[:200],
    "jpeg half": JPEG[: len(JPEG) // 2],
    "jpeg ended early": JPEG[: len(JPEG) // 2] + b"\xff\xd9",
    "jpeg ended late": JPEG[: len(JPEG) * 9 // 10] + b"\xff\xd9",
    "cmyk half": CMYK[: len(CMYK) // 2],
    "cmyk ended early": CMYK[: len(CMYK) // 2] + b"\xff\xd9",
    "png start": PNG[:8],
    "png head": PNG[:33],
    "png half": PNG[: len(PNG) // 2],
    "png flipped": PNG[:3000] + bytes([PNG[3000] ^ 1]) + PNG[3001:],
    "gif half": saved(PHOTO, "GIF")[:2000],
    "webp half": saved(PHOTO, "WEBP")[:400],
    "tiff half": saved(PHOTO, "TIFF")[:2000],
    "bmp half": saved(PHOTO, "BMP")[:2000],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("min_side", [0, 16])
def test_damaged_is_refused_never_half_decoded(data: bytes, min_side: int) -> None:
    with pytest.raises(DecodeError) as error:
        decode(data, min_side=min_side)
    assert str(error.value)


@pytest.mark.parametrize("extra", [b"\0", b"junk" * 500, JPEG[:300]])
@pytest.mark.parametrize("whole", [JPEG, PNG], ids=["jpeg", "png"])
def test_what_follows_the_image_does_not_matter(whole: bytes, extra: bytes) -> None:
    assert np.array_equal(decode(whole + extra), decode(whole))


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))


def jpeg_claiming(width: int, height: int) -> bytes:
    frame = JPEG.index(b"\xff\xc0")
    return JPEG[: frame + 5] + struct.pack(">HH", height, width) + JPEG[frame + 9 :]


@pytest.mark.parametrize(
    "data",
    [
        png_claiming(65536, 65536),
        png_claiming(2**31 - 1, 1),
        jpeg_claiming(65500, 65500),
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 999, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, *[0] * 5),
    ],
    ids=["png", "wide png", "jpeg", "bmp"],
)
def test_bombs_are_refused_by_their_header(data: bytes) -> None:
    with pytest.raises(DecodeError, match="megapixels"):
        decode(data)


@pytest.mark.parametrize("data", [JPEG, PNG, CMYK], ids=["jpeg", "png", "cmyk"])
def test_the_limit_is_an_argument(data: bytes) -> None:
    height, width = decode(data).shape[:2]
    limit = height * width / 1e6
    assert decode(data, max_megapixels=limit).shape == (height, width, 3)
    with pytest.raises(DecodeError, match=f"{width} x {height} pixels"):
        decode(data, max_megapixels=limit * 0.999)


def test_pillows_own_limit_is_left_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    decode(PNG)
    with pytest.raises(DecodeError):
        decode(png_claiming(65536, 65536))
    assert before == Image.MAX_IMAGE_PIXELS is not None


# ---- reduced decoding


@pytest.mark.parametrize("shape", [(600, 800), (601, 799), (240, 1000), (64, 64)])
@pytest.mark.parametrize("min_side", [1, 30, 64, 100, 150, 240, 299, 301, 5000])
def test_reduced_decoding_keeps_the_shortest_side(shape: tuple[int, int], min_side: int) -> None:
    full = photo(*shape)
    data = saved(cv2.GaussianBlur(full, (0, 0), 2), "JPEG", quality=95)
    whole, reduced = decode(data), decode(data, min_side=min_side)
    assert_plain(reduced)
    assert min(reduced.shape[:2]) >= min(min_side, *shape)
    height, width = reduced.shape[:2]
    assert height == shape[0] or height <= -(-shape[0] // 2)
    resized = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    assert difference(reduced, np.asarray(resized, np.uint8)) < 2


def test_other_formats_come_whole() -> None:
    assert decode(PNG, min_side=10).shape == PHOTO.shape


def test_pillow_decides_where_turbo_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("Corrupt JPEG data: 3 extraneous bytes before marker 0xd9")

    expected = decode(JPEG)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", refuse)
    assert np.array_equal(decode(JPEG), expected)


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
showpage
%%EOF
"""


def test_nothing_is_run_for_an_eps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was: Pillow ran Ghostscript for an EPS, whatever the file's name."""
    marker = tmp_path / "ran"
    for name in ("gs", "gswin32c", "gswin64c"):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\ntouch {marker}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # what an earlier search found
    with pytest.raises(DecodeError, match="not an image in a format that augcli reads"):
        decode(EPS)
    assert not marker.exists()
    with pytest.raises(OSError):  # the trap works: Pillow by itself steps into it
        Image.open(io.BytesIO(EPS)).load()
    assert marker.exists()


@pytest.mark.parametrize("format", ["ICO", "TGA", "PCX", "JPEG2000", "ICNS"])
def test_formats_that_are_not_named_are_refused(format: str) -> None:
    data = saved(Image.new("RGB", (32, 32)), format)
    with pytest.raises(DecodeError, match="not an image in a format"):
        decode(data)


@pytest.mark.parametrize(
    ("target", "name", "format"),
    [
        (Image.Image, "convert", "PNG"),
        (ImageFile.ImageFile, "load", "PNG"),
        (Image, "open", "PNG"),
        (Image.Image, "getexif", "PNG"),
        (Image.Image, "getexif", "JPEG"),
    ],
)
def test_no_room_is_no_damage(
    monkeypatch: pytest.MonkeyPatch, target: object, name: str, format: str
) -> None:
    """Was: "damaged: ", so that the dataset depended on the memory that was free."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(PHOTO, format, exif=exif)

    def no_room(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(target, name, no_room)
    with pytest.raises(MemoryError):
        decode(data)


@pytest.mark.parametrize("text", ["Insufficient memory (case 4)", "Memory allocation failure"])
def test_no_room_in_libjpeg_is_no_damage(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def no_room(*arguments: object, **options: object) -> None:
        raise ValueError(text)

    monkeypatch.setattr("simplejpeg.decode_jpeg", no_room)
    with pytest.raises(MemoryError):
        decode(JPEG)


# ---- what takes memory or time beyond the picture's size


def webp_claiming(width: int, height: int) -> bytes:
    frames = [Image.new("RGB", (8, 6), (value,) * 3) for value in (10, 200)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    at = data.index(b"VP8X") + 12
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return data[:at] + sides + data[at + 6 :]


@pytest.mark.parametrize("side", [16_000, 65_535])
def test_a_gif_whose_frame_is_a_bomb(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """Was: Pillow took memory for it when it was opened, before its size was looked at."""
    frames = [Image.new("P", (8, 6), value) for value in (0, 1)]
    data = bytearray(saved(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2))
    frame = data.index(b",\0\0\0\0")
    assert decode(bytes(data)).shape == (6, 8, 3)
    data[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    monkeypatch.setattr(Image.core, "fill", lambda *given: pytest.fail("memory was taken"))
    with pytest.raises(DecodeError, match="over the limit of 200 megapixels"):
        decode(bytes(data))


def test_an_animation_whose_canvas_is_a_bomb() -> None:
    """libwebp takes memory for it as soon as it is opened."""
    with pytest.raises(DecodeError, match="16383 x 16384 pixels are over the limit"):
        decode(webp_claiming(16383, 16384))


def test_a_tile_that_is_a_bomb() -> None:
    """A picture of 8 x 8 pixels whose one tile has a gigapixel."""
    strip = zlib.compress(bytes(3 * 64))
    tags = [
        (256, 3, 8), (257, 3, 8), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, 32768), (323, 4, 32768), (324, 4, 8), (325, 4, len(strip)),
    ]  # fmt: skip
    place = 8 + len(strip) + len(strip) % 2
    folder = struct.pack("<H", len(tags))
    folder += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = b"II*\0" + struct.pack("<I", place) + strip.ljust(place - 8, b"\0") + folder + bytes(4)
    with pytest.raises(DecodeError, match="32768 x 32768 pixels are over the limit"):
        decode(data)


def test_a_jpeg_with_thousands_of_scans() -> None:
    """Each costs a pass over all pixels, and some 20 bytes."""
    whole = saved(photo(200, 300), "JPEG", progressive=True)
    scans = whole.count(b"\xff\xda")
    assert 5 < scans < 20
    decode(whole)
    last = whole.rindex(b"\xff\xda")
    again = whole[:-2] + whole[last:-2] * MAX_SCANS + whole[-2:]
    with pytest.raises(DecodeError, match="over 1000 scans"):
        decode(again)


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_conversions_are_the_same_band_by_band(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    rng = np.random.default_rng(5)
    if mode == "RGBA":
        image = Image.fromarray(rng.integers(0, 256, (37, 23, 4), np.uint8))
    else:
        image = Image.fromarray(rng.integers(0, 1 << 16, (37, 23), np.uint16))
    data = saved(image, "PNG")
    whole = decode(data)
    for pixels in (1, 50, 23 * 36):
        monkeypatch.setattr(decode_module, "_BAND_PIXELS", pixels)
        assert np.array_equal(decode(data), whole)
