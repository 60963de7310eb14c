"""`augcli preview`: originals beside their augmented views, for judging a policy by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import PreviewConfig, default_policy
from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.fit import Fit
from augcli.augment.plan import shard_order
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.presets import PRESETS
from augcli.augment.reference_data import load_reference
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.reference import Reference, Sample
from augcli.manifests.settings import check_settings

ALL_POLICIES = "all"


@dataclass(frozen=True)
class PreviewResult:
    """The picture that was written, and what it shows."""

    picture: Path
    policies: tuple[str, ...]
    keys: tuple[str, ...]


def preview(config: PreviewConfig) -> PreviewResult:
    """Draw a contact sheet of views and write it to `config.out`.

    With the policy `all`, one image under every preset; otherwise images of all classes under
    one policy. The views are exactly copies 1, 2, … that an expansion would make.

    Raises:
        UsageError: a bad option, policy or dataset.
        AugcliError: no usable image, or the picture can't be written.
    """
    check_settings(config)
    chosen = config.policy or default_policy(config.data)
    names = list(PRESETS) if chosen == ALL_POLICIES else [chosen]
    policies = [resolve_policy(name, config.size) for name in names]
    reference = load_reference(config.data)
    fit = Fit(config.size, config.fit)
    wanted = config.samples if len(policies) == 1 else 1
    samples = _spread_over_classes(reference, wanted)
    readable = read_samples(reference, samples, ViewMaker(Recipe(fit, policies[0], config.seed)))
    rows = [
        _row(sample, fitted, spec, reference, config)
        for spec in policies
        for sample, fitted in readable
    ]
    if chosen == ALL_POLICIES:
        shown = rows[0].label
        rows = [SheetRow(name, "", row.tiles) for row, name in zip(rows, names, strict=True)]
        title = f"Every preset on one image of {reference.name} ({shown})"
    else:
        title = f"Policy {policies[0].name} on {reference.name}"
    picture = draw_sheet(title, _headings(config.copies), rows)
    try:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(config.out, picture)
    except OSError as error:
        raise AugcliError(f"--out {config.out}: can't be written: {error.strerror}") from error
    return PreviewResult(config.out, tuple(names), tuple(sample.key for sample, _ in readable))


def read_samples(
    reference: Reference, samples: Sequence[Sample], maker: ViewMaker
) -> list[tuple[Sample, Pixels]]:
    """The usable ones of `samples` with their fitted images.

    Raises:
        AugcliError: none is usable; the message has the first reason.
    """
    usable, reasons = [], []
    for sample in samples:
        try:
            usable.append((sample, maker.fitted(reference.path(sample).read_bytes())))
        except (DecodeError, OSError) as error:
            reasons.append(f"{reference.path(sample)}: {error}")
    if not usable:
        raise AugcliError(f"none of the images to preview is usable; {reasons[0]}")
    return usable


def _spread_over_classes(reference: Reference, count: int) -> list[Sample]:
    """`count` training samples, class by class in turn, in an order that hashes decide."""
    ordered = shard_order(reference.of_split("train"))
    by_class = [
        [sample for sample in ordered if sample.label == label]
        for label in range(len(reference.classes))
    ]
    turns = max(len(samples) for samples in by_class)
    spread = [samples[turn] for turn in range(turns) for samples in by_class if turn < len(samples)]
    return sorted(spread[:count], key=lambda sample: sample.label)


def _row(
    sample: Sample, fitted: Pixels, spec: PolicySpec, reference: Reference, config: PreviewConfig
) -> SheetRow:
    maker = ViewMaker(Recipe(Fit(config.size, config.fit), spec, config.seed))
    views = [maker.view(fitted, sample.key, copy).pixels for copy in range(config.copies + 1)]
    return SheetRow(reference.classes[sample.label], _shortened(sample.source), views)


def _shortened(source: str, length: int = 26) -> str:
    name = source.rpartition("/")[2]
    return name if len(name) <= length else f"…{name[-length + 1 :]}"


def _headings(copies: int) -> list[str]:
    return ["original", *(f"copy {number}" for number in range(1, copies + 1))]
