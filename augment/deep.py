"""What bytes alone can't show: that every stored view is an image, and made as the manifest says.

All views are decoded. A sample of them is made anew from the reference images and held against
what is stored, byte for byte: law 1, purity. Which ones is decided by a hash, so that they are
spread evenly over splits, rounds and classes.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augcli.augment.config import VerifyConfig
from augcli.augment.decode import DecodeError
from augcli.augment.encode import codec_named
from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.remaking import manifest_recipe
from augcli.augment.views import ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import key_fraction, sha256_bytes
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import SAMPLES_FILE, SHARDS_FOLDER, Manifest, ShardRecord
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.fault import Fault
from augcli.shards.reader import stored_bytes
from augcli.shards.shard_rows import ShardAndRows, portions, shard_rows

LISTED = 5

Rows = Sequence[ViewRow]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """How many views were decoded, which could not be, and the rows of those to make anew."""

    views: int
    faults: tuple[Fault, ...]
    chosen: Sequence[ViewRow]


@dataclass(frozen=True)
class Remade:
    """How many views are what their images make, which are not, and how many images are amiss."""

    same: int
    faults: tuple[Fault, ...]
    amiss: int

    @property
    def tried(self) -> int:
        """Views that were made anew."""
        return self.same + len(self.faults)


def decode_all(
    dataset: Path,
    manifest: Manifest,
    broken: Collection[str],
    config: VerifyConfig,
    report: Report | None,
) -> Decoded:
    """Decode the views of all shards but the `broken`: each must be an image of the dataset's size.

    `config.views` of them are chosen.
    """
    decode = _Decode(dataset, manifest)
    names = {shard.name for shard in manifest.shards} - set(broken)
    found: dict[str, Fault | None] = {}
    views = 0
    best: list[ViewRow] = []
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        whole = (those for those in shard_rows(manifest, table) if those[0].name in names)
        for some in portions(whole):
            for shard, fault in run_tasks(decode, some, config.workers or default_workers()):
                found[shard] = fault
                if report is not None:
                    report(len(found), len(names))
            rows = [row for _, rows in some for row in rows]
            views, best = views + len(rows), chosen([*best, *rows], config.views)
    faults = (found.get(shard.name) for shard in manifest.shards)
    return Decoded(views, tuple(fault for fault in faults if fault is not None), best)


@dataclass(frozen=True)
class _Decode:
    """Decodes a shard's views, in a form that can be sent to workers."""

    dataset: Path
    manifest: Manifest

    def __call__(self, shard: ShardAndRows) -> tuple[str, Fault | None]:
        """The shard's name, and its views that can't be decoded as one fault."""
        record, rows = shard
        options = self.manifest.options
        decode_into = codec_named(str(options["codec"])).decode_into
        image = np.empty((int(options["size"]), int(options["size"]), 3), np.uint8)
        stored = stored_bytes(self.dataset, self.manifest)
        told = []
        for row in rows:
            try:
                decode_into(stored.read(row.shard, row.offset, row.length), image)
            except (DecodeError, AugcliError) as error:
                told.append(f"{view_name(row.key, row.copy)}: {error}")
        if not told:
            return record.name, None
        return record.name, Fault(_place(self.manifest, record), _listed("not decodable", told))


def chosen(rows: Iterable[ViewRow], count: int) -> list[ViewRow]:
    """`count` rows, the same ones always."""
    return heapq.nsmallest(
        count, rows, key=lambda row: key_fraction(view_name(row.key, row.copy), "augcli-verify")
    )


def remade(
    dataset: Path, manifest: Manifest, root: Path, rows: Rows, report: Report | None
) -> Remade:
    """Make the views of `rows` anew from the images below `root`.

    Raises:
        UsageError: the manifest's policy is not one that augcli would have written.
    """
    by_source: defaultdict[str, list[ViewRow]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    maker = ViewMaker(manifest_recipe(manifest, dataset))
    same, amiss = 0, 0
    faults: list[Fault] = []
    for done, (source, views) in enumerate(sorted(by_source.items()), start=1):
        differing = _differing(dataset, manifest, maker, root / source, views)
        if differing is None:
            amiss += 1
        else:
            faults += differing
            same += len(views) - len(differing)
        if report is not None:
            report(done, len(by_source))
    return Remade(same, tuple(faults), amiss)


def _differing(
    dataset: Path, manifest: Manifest, maker: ViewMaker, path: Path, rows: Rows
) -> list[Fault] | None:
    """Those views of an image that are not what it makes; None if it is not what it was."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if sha256_bytes(data) != rows[0].source_sha256:
        return None
    try:
        fitted = maker.fitted(data)
    except DecodeError as error:
        return [Fault(row.source, f"has stored views and can't be used: {error}") for row in rows]
    options = manifest.options
    encode, quality = codec_named(str(options["codec"])).encode, int(options["quality"] or 0)
    stored = stored_bytes(dataset, manifest)
    faults = []
    for row in rows:
        view = maker.view(fitted, row.key, row.copy, row.label)
        made = encode(view.rgbx, quality), view.applied
        if made != (bytes(stored.read(row.shard, row.offset, row.length)), row.applied):
            what = f"as stored in {row.shard} is not what {row.source}, policy and seed make"
            faults.append(Fault(f"{row.key}, copy {row.copy}", what))
    return faults


def _place(manifest: Manifest, shard: ShardRecord) -> str:
    in_tar = manifest.options["format"] == "tar"
    return f"{SHARDS_FOLDER}/{shard.name}" if in_tar else shard.name


def _listed(what: str, told: Sequence[str]) -> str:
    more = f", and {len(told) - LISTED} more" if len(told) > LISTED else ""
    return f"{what} ({len(told)}): {'; '.join(told[:LISTED])}{more}"
