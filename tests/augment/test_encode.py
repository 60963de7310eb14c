"""Codecs: lossless ones are; all refuse what they didn't write, and run nothing from data."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy_format
from PIL import Image

from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.encode import CODECS, Codec, codec_named
from augcli.manifests.errors import UsageError

RNG = np.random.default_rng(2)
LOSSLESS = [codec for codec in CODECS.values() if codec.lossless]
SHAPES = [(32, 32), (1, 1), (1, 7), (9, 1), (17, 33)]


def rgbx(image: Pixels) -> Pixels:
    """With a fourth channel of noise, which must not show."""
    rest = RNG.integers(0, 256, (*image.shape[:2], 1), dtype=np.uint8)
    return np.concatenate([image, rest], axis=2)


def smooth(height: int = 48, width: int = 64) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 3, y * 4, x + y], axis=2).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", LOSSLESS, ids=lambda codec: codec.name)
def test_lossless_codecs_give_the_pixels_back(codec: Codec, shape: tuple[int, int]) -> None:
    for image in (
        RNG.integers(0, 256, (*shape, 3), dtype=np.uint8),
        np.zeros((*shape, 3), np.uint8),
        np.full((*shape, 3), (255, 0, 7), np.uint8),
    ):
        decoded = codec.decode(codec.encode(rgbx(image), 50))
        assert decoded.dtype == np.uint8
        assert np.array_equal(decoded, image)


@pytest.mark.parametrize(("quality", "limit"), [(100, 2), (90, 4), (50, 8)])
def test_jpeg_is_close(quality: int, limit: float) -> None:
    decoded = CODECS["jpeg"].decode(CODECS["jpeg"].encode(rgbx(smooth()), quality))
    assert decoded.shape == smooth().shape
    assert np.abs(decoded.astype(int) - smooth()).mean() < limit


def test_quality_matters_to_jpeg_alone() -> None:
    image = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for codec in CODECS.values():
        sizes = [len(codec.encode(rgbx(image), quality)) for quality in (30, 95)]
        assert (sizes[0] < sizes[1]) == (codec.name == "jpeg")


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_same_pixels_same_bytes_and_input_unchanged(codec: Codec) -> None:
    image = rgbx(smooth())
    before = image.copy()
    first = codec.encode(image, 90)
    assert codec.encode(rgbx(smooth()), 90) == first
    assert np.array_equal(image, before)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_decoded_views_are_writable_and_read_from_views_of_memory(codec: Codec) -> None:
    data = codec.encode(rgbx(smooth()), 90)
    decoded = codec.decode(memoryview(b"before" + data)[6:])
    assert np.array_equal(decoded, codec.decode(data))
    assert decoded.flags.writeable
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize(
    "codec", [c for c in CODECS.values() if c.name != "npy"], ids=lambda codec: codec.name
)
def test_other_readers_agree(codec: Codec) -> None:
    data = codec.encode(rgbx(smooth()), 90)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), codec.decode(data))


def test_npy_is_numpys_own(tmp_path: Path) -> None:
    data = CODECS["npy"].encode(rgbx(smooth()), 90)
    np.save(tmp_path / "x.npy", smooth())
    assert data == (tmp_path / "x.npy").read_bytes()


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("kept", [0, 1, 9, 40, 0.5, 0.95])
def test_torn_bytes(codec: Codec, kept: float) -> None:
    data = codec.encode(RNG.integers(0, 256, (40, 40, 4), dtype=np.uint8), 90)
    with pytest.raises(DecodeError):
        codec.decode(data[: int(kept * len(data)) if isinstance(kept, float) else kept])


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_damaged_bytes_raise_nothing_else(codec: Codec) -> None:
    """Was: tokenize.TokenError and others from NumPy's reader of damaged headers."""
    data = codec.encode(rgbx(smooth(16, 16)), 90)
    rng = np.random.default_rng(3)
    for position in {*range(130), *rng.integers(0, len(data), 100).tolist()}:
        for value in (0, 32, 39, 40, 57, 255):
            damaged = bytearray(data)
            damaged[position % len(data)] = value
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    codec.decode(bytes(damaged))
            except DecodeError:
                pass


def npy(array: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def npy_claiming(*shape: int) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(300)


class Explosive:
    """Unpickling it fails the test."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    "data",
    [
        npy(np.array([Explosive()], object), allow_pickle=True),
        pickle.dumps(Explosive()),
        npy(smooth().astype(np.float32)),
        npy(smooth().astype(np.int8)),
        npy(smooth()[:, :, 0]),
        npy(smooth()[:, :, :2]),
        npy(np.asfortranarray(smooth())),
        npy(smooth()[None]),
        npy(smooth()) + b"more",
        npy_claiming(10, 10, 3)[:-1],
        npy_claiming(1_000_000, 1_000_000, 3),
        npy_claiming(60_000, 60_000, 3),
        npy_claiming(2**62, 4, 3),
    ],
)
def test_npy_takes_uint8_rgb_and_nothing_else(data: bytes) -> None:
    """Sizes are held against the bytes that are there before memory is taken."""
    with pytest.raises(DecodeError):
        CODECS["npy"].decode(data)


def test_names() -> None:
    assert codec_named("png").extension == "png"
    with pytest.raises(UsageError, match=r"jpg.*jpeg, npy, png, webp"):
        codec_named("jpg")
