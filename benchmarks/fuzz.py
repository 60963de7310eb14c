"""Feed damaged files to whatever reads files of strangers: no crash, no hang, no lack of memory.

    python benchmarks/fuzz.py [--target image] [--seeds DIR] [--seconds 60 | --inputs 500]

Small sound files (made here, or the images of a folder) are changed in a few places: bits flipped,
bytes set to what overflows, pieces cut, repeated, or taken from another file; checksums of PNGs
are mended half of the time, so that damage gets past them. Each reader may take the result or
refuse it by the error that it promises. Anything else is a finding: another exception, a crash of
the process, more than `--hang-seconds`, or more memory than the reader states.

The readers run in a process of their own with that much memory. What was found lies in `--out`, a
file each, to be fed again by `--only FILE`. The exit code is 1 when anything was found.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import json
import multiprocessing
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

INTERESTING = tuple(
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, 0x7F, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
    for order in ("big", "little")
    if value < 1 << 8 * size
)
KINDS = ("flip", "set", "cut", "repeat", "insert", "swap", "end")
MAX_BYTES = 1 << 20
MEGAPIXELS = 1.0
SIZE = 16


@dataclass(frozen=True)
class Change:
    """One change to a file: what, at which part of it (0..1), of how many bytes, with what."""

    kind: str
    place: float
    length: int
    value: bytes

    def of(self, data: bytes, other: bytes) -> bytes:
        """`data` after the change; pieces may come from `other`."""
        at = int(self.place * len(data))
        end = at + self.length
        if self.kind == "flip":
            bit = 1 << self.length % 8
            return data[:at] + bytes(byte ^ bit for byte in data[at : at + 1]) + data[at + 1 :]
        if self.kind == "set":
            return data[:at] + self.value + data[at + len(self.value) :]
        if self.kind == "cut":
            return data[:at] + data[end:]
        if self.kind == "repeat":
            return data[:at] + data[at:end] * (1 + self.length % 60) + data[end:]
        if self.kind == "insert":
            return data[:at] + self.value + data[at:]
        if self.kind == "swap":
            return data[:at] + other[at:end] + data[end:]
        return data[:at]


def changed(
    data: bytes, changes: Sequence[Change], other: bytes = b"", *, mended: bool = False
) -> bytes:
    """`data` after all changes, at most `MAX_BYTES` of it; `mended`: with sound PNG checksums."""
    for change in changes:
        data = change.of(data, other)[:MAX_BYTES]
    return with_checksums(data) if mended else data


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            break
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join([*parts, data[at:]])


def drawn(rng: random.Random) -> list[Change]:
    """A few changes at random."""
    return [
        Change(
            rng.choice(KINDS),
            rng.random() ** rng.choice((1, 4)),  # headers come first
            rng.choice((1, 2, 4, 16, rng.randrange(1, 400))),
            rng.choice(INTERESTING),
        )
        for _ in range(rng.choice((1, 1, 2, 3, 5, 9)))
    ]


# ---- what is read


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


def _datasets() -> list[Path]:
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
    return [folder / "tar", folder / "folder"]


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
    from augcli.manifests.samples import read_samples, rows_of

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


# ---- feeding


@dataclass(frozen=True)
class Feeding:
    """How long, and within which bounds."""

    target: str
    seconds: float
    seed: int
    hang_seconds: float
    out: Path
    folder: Path | None = None
    inputs: int = 10**12

    def seeds(self) -> list[bytes]:
        """The sound files to begin with."""
        found = TARGETS[self.target].seeds()
        if self.folder is not None:
            files = sorted(path for path in self.folder.rglob("*") if path.is_file())
            found += [path.read_bytes() for path in files if path.stat().st_size <= MAX_BYTES]
        return found


def feed_until(feeding: Feeding, number: int, results: Any) -> None:
    """Feed one reader in this process; `results` hears (fed, refused) and of what was found."""
    target = TARGETS[feeding.target]
    rng = random.Random(f"{feeding.seed} {number}")
    seeds, refusals = feeding.seeds(), target.refusals()
    for seed in seeds:  # everything is imported, and caches are filled
        _outcome(target, refusals, seed)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff tells what it thinks of each file
    limit_memory(target.bytes)
    current = feeding.out / f".{feeding.target}.current"
    ends = time.monotonic() + feeding.seconds
    fed = refused = 0
    while time.monotonic() < ends and fed < feeding.inputs:
        seed, other = rng.choice(seeds), rng.choice(seeds)
        data = changed(seed, drawn(rng), other, mended=rng.random() < 0.5)
        current.write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, feeding.hang_seconds)
        what = _outcome(target, refusals, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        fed += 1
        refused += what == "refused"
        if what not in ("taken", "refused"):
            results.put(("found", what, data))
        if fed % 50 == 0:
            results.put(("fed", 50, refused))
            refused = 0
    results.put(("fed", fed % 50, refused))


def _outcome(target: Target, refusals: tuple[type[BaseException], ...], data: bytes) -> str:
    try:
        target.feed(data)
    except refusals:
        return "refused"
    except MemoryError:
        return f"more than {target.bytes >> 20} MB"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


def limit_memory(more: int) -> None:
    """Let this process take `more` bytes than it has (Linux)."""
    import resource

    found = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    most = int(found[1]) * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def feed(feeding: Feeding) -> tuple[int, int, list[str]]:
    """Feed a reader in processes that may die: fed, refused, and what was found."""
    context = multiprocessing.get_context("fork")
    fed = refused = 0
    found: dict[str, str] = {}
    ends = time.monotonic() + feeding.seconds
    number = 0
    while time.monotonic() < ends and number < feeding.inputs and fed < feeding.inputs:
        number += 1
        results = context.SimpleQueue()
        left = replace(feeding, seconds=ends - time.monotonic(), inputs=feeding.inputs - fed)
        process = context.Process(target=feed_until, args=(left, number, results))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            process.start()
        while process.is_alive() or not results.empty():
            if results.empty():
                time.sleep(0.05)
                continue
            kind, *told = results.get()
            if kind == "fed":
                fed, refused = fed + told[0], refused + told[1]
            else:
                _keep(feeding, found, *told)
        process.join()
        if process.exitcode:
            name = signal.Signals(-process.exitcode).name if process.exitcode < 0 else "exit"
            what = "took too long" if name == "SIGALRM" else f"crashed by {name}"
            _keep(feeding, found, what, (feeding.out / f".{feeding.target}.current").read_bytes())
    (feeding.out / f".{feeding.target}.current").unlink(missing_ok=True)
    return fed, refused, list(found.values())


def _keep(feeding: Feeding, found: dict[str, str], what: str, data: bytes) -> None:
    """Keep the first file of each kind of finding."""
    kind = re.sub(r"0x[0-9a-f]+|\d+|/\S+", "…", what)[:150]
    if kind not in found:
        path = feeding.out / f"{feeding.target}-{zlib.crc32(data):08x}"
        path.write_bytes(data)
        found[kind] = f"{path}: {what}"


def main() -> int:
    """Fuzz as the command line says; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--seeds", type=Path, help="a folder of files to begin with, too")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=10**12, help="at most, for each target")
    parser.add_argument("--hang-seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--only", type=Path, help="feed this file, as it is")
    given = parser.parse_args()
    targets = given.target or list(TARGETS)
    if given.only is not None:
        target = TARGETS[targets[0]]
        print(_outcome(target, target.refusals(), given.only.read_bytes()))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    total = 0
    for name in targets:
        feeding = Feeding(
            name, given.seconds, given.seed, given.hang_seconds, given.out, given.seeds,
            given.inputs,
        )  # fmt: skip
        fed, refused, found = feed(feeding)
        total += len(found)
        print(f"{name:11} {fed:8,} fed, {refused:8,} refused, {len(found)} findings", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
