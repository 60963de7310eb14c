"""`augcli verify` with all that it can do: the bytes, the pictures in them, and repairing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augcli.augment.config import VerifyConfig
from augcli.augment.deep import Rows, decode_all, remade
from augcli.augment.reference_data import find_root
from augcli.augment.remaking import other_versions
from augcli.augment.repairing import make_folders, repair
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import SAMPLES_FILE, Manifest, read_manifest
from augcli.manifests.settings import check_settings
from augcli.shards.fault import Fault
from augcli.shards.file_faults import lost_class_folders
from augcli.shards.remote_verification import verify_url
from augcli.shards.urls import is_url
from augcli.shards.verification import Verification
from augcli.shards.verification import verify as verify_bytes

Report = Callable[[int, int, str], None]
Telling = Callable[[str], Callable[[int, int], None] | None]


@dataclass(frozen=True)
class Verified:
    """What was found, and what was mended.

    `found` is the dataset before any repair; `decoded` and `remade` count the views that --deep
    looked at (None: it was not asked for); `notes` say what could not be proved, and why;
    `repaired` are shards, `folders` empty class folders.
    """

    found: Verification
    decoded: int | None = None
    remade: int | None = None
    notes: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Those that are left."""
        return tuple(fault for fault in self.found.faults if not self._is_mended(fault))

    def lines(self) -> Iterator[str]:
        """What to tell people."""
        found = self.found
        for fault in found.faults:
            mended = " (repaired)" if self._is_mended(fault) else ""
            yield f"{fault.where}: {fault.what}{mended}"
        yield from self.notes
        counts = [f"{found.views} views in {found.shards} shards"]
        counts += [f"{self.decoded} decoded"] if self.decoded is not None else []
        counts += [f"{self.remade} made anew and the same"] if self.remade is not None else []
        counts += [f"{len(self.repaired)} shards repaired"] if self.repaired else []
        counts += [f"{len(self.folders)} folders made again"] if self.folders else []
        counts.append(f"{len(self.faults)} faults" if self.faults else "no fault")
        yield f"{found.dataset}: {', '.join(counts)}"
        if found.growing:
            yield (
                f"{found.dataset}: an expansion is adding to it, or was interrupted: that work is "
                "not part of it yet; augcli expand with the same options finishes it"
            )

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        left = replace(self.found, faults=self.faults).to_json()
        return {
            **left,
            "repaired": [*self.repaired, *self.folders],
            "decoded": self.decoded,
            "remade": self.remade,
            "notes": list(self.notes),
        }

    def _is_mended(self, fault: Fault) -> bool:
        return fault.shard in self.repaired or fault.where in self.folders


def verify(
    dataset: Path | str, config: VerifyConfig | None = None, report: Report | None = None
) -> Verified:
    """Check an expanded dataset, as deeply as `config` says, and repair its shards if it says so.

    `dataset` is its folder or URL; at a URL only the bytes are checked. `report` hears how far the
    work is: parts done, parts in all, and of what.

    Raises:
        UsageError: a bad option.
        AugcliError: there is no manifest or table to check against, or, to repair by, no images.
    """
    config = check_settings(config or VerifyConfig())

    def telling(what: str) -> Callable[[int, int], None] | None:
        return None if report is None else lambda done, total: report(done, total, what)

    if is_url(str(dataset)):
        return _at_url(str(dataset), config, telling)
    dataset = Path(dataset)
    verified = Verified(verify_bytes(dataset, telling("bytes")))
    if broken := verified.found.broken:
        verified = _mended(dataset, config, verified, broken, telling)
    if verified.found.faults and (lost := _lost_folders(dataset)):
        verified = _with_folders(dataset, config, verified, lost)
    return _looked_into(dataset, config, verified, telling) if config.deep else verified


def _at_url(url: str, config: VerifyConfig, telling: Telling) -> Verified:
    if config.deep or config.repair:
        option = "--deep" if config.deep else "--repair"
        raise UsageError(f"{option} is for folders on this machine: download the dataset")
    found = verify_url(url, telling("bytes"))
    note = "what is broken: remove it there, and augcli expand with the same options sends it again"
    return Verified(found, notes=(note,) if found.broken else ())


def _mended(
    dataset: Path,
    config: VerifyConfig,
    verified: Verified,
    broken: tuple[str, ...],
    telling: Telling,
) -> Verified:
    if not config.repair:
        note = f"augcli verify {dataset} --repair makes broken shards again from their images"
        return replace(verified, notes=(*verified.notes, note))
    mended = repair(dataset, broken, config.data, config.workers, telling("repairing"))
    notes = (f"{name}: not repaired: {why}" for name, why in mended.unmended.items())
    return replace(verified, repaired=mended.whole, notes=(*verified.notes, *notes))


def _lost_folders(dataset: Path) -> tuple[str, ...]:
    return tuple(lost_class_folders(dataset, read_manifest(dataset)))


def _with_folders(
    dataset: Path, config: VerifyConfig, verified: Verified, lost: tuple[str, ...]
) -> Verified:
    if not config.repair:
        note = f"augcli verify {dataset} --repair makes lost class folders again"
        return replace(verified, notes=(*verified.notes, note))
    make_folders(dataset, lost)
    return replace(verified, folders=lost)


def _looked_into(
    dataset: Path, config: VerifyConfig, verified: Verified, telling: Telling
) -> Verified:
    """Decode the views of all whole shards, and make some of them anew."""
    if any(fault.where == SAMPLES_FILE for fault in verified.found.faults):
        note = f"{SAMPLES_FILE} is not to be relied on: no view was decoded"
        return replace(verified, decoded=0, remade=0, notes=(*verified.notes, note))
    manifest = read_manifest(dataset)
    broken = set(verified.found.broken) - set(verified.repaired)
    decoded = decode_all(dataset, manifest, broken, config, telling("decoding"))
    same, differing, notes = _made_anew(dataset, manifest, decoded.chosen, config, telling)
    found = replace(verified.found, faults=(*verified.found.faults, *decoded.faults, *differing))
    notes = (*verified.notes, *notes)
    return replace(verified, found=found, decoded=decoded.views, remade=same, notes=notes)


def _made_anew(
    dataset: Path, manifest: Manifest, rows: Rows, config: VerifyConfig, telling: Telling
) -> tuple[int, tuple[Fault, ...], tuple[str, ...]]:
    """How many views are what their images make, those that are not, and what can't be said."""
    try:
        root = find_root(manifest.reference, config.data)
    except AugcliError as error:
        if config.data is not None:
            raise
        return 0, (), (f"no view was made anew: {error}",)
    result = remade(dataset, manifest, root, rows, telling("making anew"))
    notes = []
    if result.amiss:
        notes.append(f"{result.amiss} images are not what they were: their views are not made anew")
    changed = other_versions(manifest)
    if result.faults and changed:
        notes.append(
            f"{len(result.faults)} of {result.tried} views would be others with what is installed: "
            + ", ".join(changed)
        )
        return result.same, (), tuple(notes)
    return result.same, result.faults, tuple(notes)
