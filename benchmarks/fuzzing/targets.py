"""What reads files of strangers: sound files to begin with, and by what it may refuse others."""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MEGAPIXELS = 1.0
SIZE = 16


@dataclass(frozen=True)
class Target:
    """A reader: sound files to begin with, how it is fed, and by what it may refuse.

    `bytes` is the most memory that it may take for one of these files, on top of what it had.
    """

    seeds: Callable[[], list[bytes]]
    feed: Callable[[bytes], object]
    refusals: Callable[[], tuple[type[BaseException], ...]]
    bytes: int = 1 << 28


def images() -> list[bytes]:
    """Small images of each format and mode that is decoded."""
    y, x = np.mgrid[0:24, 0:31]
    rgb = np.stack([x * 8, y * 10, (x * y) % 256], axis=2).astype(np.uint8)
    picture = Image.fromarray(rgb)
    alpha = picture.copy()
    alpha.putalpha(picture.convert("L"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    frames = [picture.rotate(90 * turn) for turn in range(3)]
    several = {"save_all": True, "append_images": frames[1:]}
    plain: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (picture, "JPEG", {"exif": exif}),
        (picture, "JPEG", {"progressive": True, "subsampling": 0}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture.convert("L"), "JPEG", {}),
        (frames[0], "MPO", several),
        (picture, "PNG", {"exif": exif}),
        (picture.quantize(7), "PNG", {"transparency": 2, "bits": 4}),
        (Image.fromarray(rgb[:, :, 0].astype(np.uint16) << 8), "PNG", {"transparency": 512}),
        (alpha, "PNG", {}),
        (frames[0], "PNG", several),
        (alpha, "WEBP", {"lossless": True}),
        (frames[0], "WEBP", several),
        (frames[0], "GIF", several),
        (picture, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (picture.convert("1"), "TIFF", {"compression": "group4"}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (Image.new("LAB", (9, 7), (200, 120, 90)), "TIFF", {}),
        (picture, "BMP", {}),
        (picture.quantize(16), "BMP", {}),
        (picture, "PPM", {}),
        (picture.convert("1"), "PPM", {}),
    ]
    return [saved(image, format, **options) for image, format, options in plain]


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """The file of an image."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decode_image(data: bytes) -> None:
    """Decode as expansion and training do; the result must be what they rely on."""
    from augcli.augment.decode import decode_rgbx

    for min_side in (0, 8):
        pixels = decode_rgbx(data, min_side=min_side, max_megapixels=MEGAPIXELS)
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 4
        assert 0 < pixels.shape[0] * pixels.shape[1] <= MEGAPIXELS * 1e6


def views() -> list[bytes]:
    """A stored view of each codec, after the codec's name."""
    from augcli.augment.encode import CODECS

    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 4), np.uint8)
    return [name.encode() + b"\0" + codec.encode(pixels, 90) for name, codec in CODECS.items()]


def decode_view(data: bytes) -> None:
    """Decode as training decodes stored views, and as codecs do by themselves."""
    from augcli.augment.decode import DecodeError
    from augcli.augment.encode import CODECS

    name, _, content = data.partition(b"\0")
    codec = CODECS.get(name.decode(errors="replace"), CODECS["png"])
    try:
        codec.decode_into(content, np.empty((SIZE, SIZE, 3), np.uint8))
    except DecodeError:
        if codec.name != "jpeg":  # of which only a header's word would bound the memory
            raise


def dataset_files(name: str) -> list[bytes]:
    """A file of a small expanded dataset, in either format."""
    return [(folder / name).read_bytes() for folder in _datasets()]


@lru_cache(maxsize=1)
def _folder() -> Path:
    """Where datasets to begin with are made."""
    folder = tempfile.TemporaryDirectory(prefix="augcli-fuzz-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@lru_cache(maxsize=1)
def _datasets() -> tuple[Path, ...]:
    from augcli.augment import ExpandConfig, expand

    folder = _folder()
    data = folder / "data"
    for number in range(8):
        place = data / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    for format in ("tar", "folder"):
        expand(
            ExpandConfig(
                data=str(data), out=folder / format, copies=1, size=8, policy="basic",
                format=format, workers=1, val_fraction=0.0, test_fraction=0.0,
            )
        )  # fmt: skip
    return folder / "tar", folder / "folder"


def read_manifest_file(data: bytes) -> None:
    """As every command does that is given a dataset."""
    from augcli.augment.remaking import manifest_recipe
    from augcli.manifests.manifest import read_manifest

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "manifest.json").write_bytes(data)
        manifest = read_manifest(Path(folder))
        manifest.to_json()
        manifest_recipe(manifest, folder)


def read_table_file(data: bytes) -> None:
    """As every command does that is given a dataset."""
    from augcli.manifests.samples_file import read_samples, rows_of

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(data)
        file.flush()
        rows_of(read_samples(Path(file.name)))
        read_samples(Path(file.name), split="train", round=0)


def shards() -> list[bytes]:
    """A few members, as expansion writes them."""
    from augcli.shards.tar import END, members_block

    members = {"jpg": b"\xff\xd8\xff" * 300, "cls": b"1", "json": b"{}"}
    return [b"".join(members_block(f"key-{n}-c0", members) for n in range(2)) + END]


def read_shard(data: bytes) -> None:
    """Member by member, as verification does."""
    from augcli.shards.reader import map_file, members

    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(data)
        file.flush()
        with map_file(Path(file.name)) as mapped:
            list(members(mapped))


def checkpoints() -> list[bytes]:
    """A small model's, and a bare state of it."""
    import torch

    from augcli.train.checkpoint import Checkpoint, save_checkpoint

    model = torch.nn.Linear(3, 2).state_dict()
    content = Checkpoint(
        "small", ["a", "b"], [8, 8], {"config": {}}, 0, 0, {}, [], None, dict(model), {}, None, None
    )
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder, "last.pt"), content)
        torch.save(model, Path(folder, "old.pt"), _use_new_zipfile_serialization=False)
        return [Path(folder, name).read_bytes() for name in ("last.pt", "old.pt")]


def read_checkpoint(data: bytes) -> None:
    """As resuming, evaluation and `--weights` do."""
    from augcli.manifests.errors import AugcliError
    from augcli.train.checkpoint import load_checkpoint
    from augcli.train.weight_files import find_weights

    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(AugcliError):
            find_weights("small", file.name)
        load_checkpoint(Path(file.name))


POLICY = """
transform:
  __class_fullname__: Compose
  transforms:
    - __class_fullname__: HorizontalFlip
      p: 0.5
    - __class_fullname__: Affine
      rotate: [-10, 10]
      scale: {x: [0.9, 1.1], y: [0.9, 1.1]}
      p: 1.0
    - __class_fullname__: OneOf
      transforms:
        - {__class_fullname__: GaussianBlur, blur_limit: [3, 5], p: 1.0}
        - {__class_fullname__: CoarseDropout, num_holes_range: [1, 2], p: 1.0}
      p: 0.5
"""


def policies() -> list[bytes]:
    """A policy in YAML and in JSON, after the file's ending."""
    import yaml

    as_json = json.dumps(yaml.safe_load(POLICY), indent=1)
    return [b"yaml\0" + POLICY.encode(), b"json\0" + as_json.encode()]


def read_policy(data: bytes) -> None:
    """As `--policy FILE` does, and one view by it."""
    from augcli.augment.policy import resolve_policy

    ending, _, text = data.partition(b"\0")
    kind = "json" if ending == b"json" else "yaml"
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        file.write(text)
        file.flush()
        spec = resolve_policy(file.name, SIZE)
    spec.build()(np.zeros((SIZE, SIZE, 3), np.uint8), 1)


def tables() -> list[bytes]:
    """Tables of images that are there, and of others."""
    _datasets()
    return [
        b"path,label,split\na/0.png,x,train\n./b/1.png,y,test\n",
        b'file,class\n"a/0.png","c\nd"\nnone.png,e\nb/1.png,f\n',
    ]


def read_table_of_images(data: bytes) -> None:
    """As `--data TABLE` does."""
    from augcli.manifests.scan import scan

    with tempfile.NamedTemporaryFile(suffix=".csv", dir=_folder() / "data") as file:
        file.write(data)
        file.flush()
        scan(Path(file.name))


def augcli_errors() -> tuple[type[BaseException], ...]:
    """What a user is told in one line."""
    from augcli.manifests.errors import AugcliError

    return (AugcliError,)


def decode_errors() -> tuple[type[BaseException], ...]:
    """What puts an image on the list of those not used."""
    from augcli.augment.decode import DecodeError

    return (DecodeError,)


TARGETS = {
    "image": Target(images, decode_image, decode_errors, bytes=1 << 26),
    "view": Target(views, decode_view, decode_errors, bytes=1 << 24),
    "manifest": Target(partial(dataset_files, "manifest.json"), read_manifest_file, augcli_errors),
    "samples": Target(partial(dataset_files, "samples.parquet"), read_table_file, augcli_errors),
    "shard": Target(shards, read_shard, augcli_errors),
    "checkpoint": Target(checkpoints, read_checkpoint, augcli_errors, bytes=1 << 29),
    "policy": Target(policies, read_policy, augcli_errors),
    "table": Target(tables, read_table_of_images, augcli_errors),
}
