"""The expansions of a comparison: one for each policy, timed, kept, and grown when more is wanted.

A policy is expanded once, with the most copies; fewer copies are its first rounds. The time of the
whole is measured. That of fewer rounds is the share of it that they have in the work, as a few
views made again tell (`view_costs.py`): decoding is done once however many copies there are.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import Progress, expand
from augcli.augment.policy import PolicySpec
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import replace_file
from augcli.manifests.hashing import fingerprint
from augcli.manifests.manifest import MANIFEST_FILE, Manifest, read_manifest
from augcli.train.comparisons.cpu_time import cpu_seconds
from augcli.train.comparisons.measurements import Expansion, read_record, write_record
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.view_costs import ViewCosts, measure_costs
from augcli.train.sweeps.naming import readable_name

Hear = Callable[[str, int, int], None]
Tell = Callable[[str], None]
HASH_DIGITS = 8


@dataclass(frozen=True)
class Timing:
    """What making an expansion took, in all calls that worked on it; `views` were made then."""

    decided: dict[str, Any]
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    views: int = 0
    costs: ViewCosts | None = None

    def after(self, seconds: float, cpu: float, views: int) -> Timing:
        """With another call's."""
        return dataclasses.replace(
            self,
            seconds=self.seconds + seconds,
            cpu_seconds=self.cpu_seconds + cpu,
            views=self.views + views,
        )


@dataclass(frozen=True)
class Stored:
    """An expanded policy, and what it took."""

    policy: str
    folder: Path
    manifest: Manifest
    timing: Timing

    def expansion(self, rounds: int) -> Expansion:
        """What storing its first `rounds` rounds costs."""
        manifest, timing = self.manifest, self.timing
        assert timing.costs is not None
        shards = [s for s in manifest.shards if s.split != "train" or s.round < rounds]
        whole = sum(split.views for split in manifest.splits.values())
        share = timing.costs.of_rounds(manifest, rounds)
        share /= timing.costs.of_rounds(manifest, manifest.rounds)
        share *= whole / timing.views  # 1, unless a call was killed before it could note its time
        return Expansion(
            policy=self.policy,
            rounds=rounds,
            seconds=timing.seconds * share,
            cpu_seconds=timing.cpu_seconds * share,
            views=sum(shard.views for shard in shards),
            disk_bytes=sum(shard.bytes for shard in shards),
        )


def expanded(
    folder: Path,
    config: ExpandConfig,
    policy: PolicySpec,
    decided: dict[str, Any],
    hear: Hear,
    tell: Tell,
) -> Stored:
    """Find the expansion of a policy in `folder`, or make it, or make what is missing of it.

    `config.out` doesn't matter: with what is `decided` beside the options, they name the folder.

    Raises:
        UsageError, AugcliError: as `expand`.
    """
    decided = to_plain({**decided, "policy": policy.text, "options": _deciding(config)})
    name = f"{readable_name(policy.name)}-{digest_of(decided)}"
    out, record = folder / name, folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    timing = read_record(record, Timing) if record.exists() else Timing(decided)
    if not timing.views and out.exists():
        shutil.rmtree(out)  # what it took is not known
    copies = config.copies
    if (out / MANIFEST_FILE).exists():
        copies = max(copies, int(read_manifest(out).options["copies"]))
    config = dataclasses.replace(config, out=out, copies=copies)
    timing = _timed(config, record, timing, lambda *p: hear(f"expanding {policy.name}", *p), tell)
    manifest = read_manifest(out)
    if timing.costs is None:
        timing = dataclasses.replace(timing, costs=measure_costs(out, manifest, config.data))
        write_record(record, timing)
    return Stored(policy.name, out, manifest, timing)


def digest_of(decided: Any) -> str:
    """A short name for what decides something, plain values."""
    return fingerprint([json.dumps(decided, sort_keys=True)])[:HASH_DIGITS]


def _deciding(config: ExpandConfig) -> dict[str, Any]:
    """Options that are not the defaults, but for those that a kept expansion may have otherwise."""
    return {
        field.name: value
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != field.default
        and field.name not in ("data", "out", "policy", "copies", "workers")
    }


def _timed(
    config: ExpandConfig, record: Path, timing: Timing, hear: Callable[[int, int], None], tell: Tell
) -> Timing:
    began, cpu_began = time.perf_counter(), cpu_seconds()

    def so_far(views: int) -> Timing:
        return timing.after(time.perf_counter() - began, cpu_seconds() - cpu_began, views)

    def note(progress: Progress) -> None:
        hear(progress.views_done, progress.views_planned)
        replace_file(record, json.dumps(to_plain(so_far(progress.views))))

    try:
        result = expand(config, note, tell)
    except AugcliError as error:
        if not (Path(config.out) / MANIFEST_FILE).exists():
            raise
        error.args = (f"{error}\nor remove {config.out}, to have all of it made anew",)
        raise
    if not result.views_made:
        return timing
    timing = dataclasses.replace(so_far(result.views_made), costs=None)
    write_record(record, timing)
    return timing


def all_expansions(stored: Stored, rounds: Iterable[int]) -> tuple[Expansion, ...]:
    """What each of these numbers of rounds costs, the fewest first."""
    return tuple(stored.expansion(count) for count in sorted(set(rounds)))
