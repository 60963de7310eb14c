"""`augcli preview`: originals beside their augmented views, for judging a policy by eye."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import PreviewConfig, default_policy
from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame
from augcli.augment.plan import shard_order
from augcli.augment.policy import resolve_policy
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
    config = check_settings(config)
    chosen = config.policy or default_policy(config.data)
    names = _all_presets() if chosen == ALL_POLICIES else [chosen]
    policies = [resolve_policy(name, config.size) for name in names]
    reference = load_reference(config.data)
    fit = Fit(config.size, config.fit)
    makers = [ViewMaker(Recipe(fit, policy, config.seed)) for policy in policies]
    wanted = 1 if chosen == ALL_POLICIES else config.samples
    shown = read_samples(reference, _by_turns(reference), makers[0], wanted)
    if chosen == ALL_POLICIES:
        sample, fitted = shown[0]
        label = reference.classes[sample.label]
        title = f"Every preset on one image of {reference.name} ({label})"
        rows = [
            SheetRow(name, "", views_of(maker, sample, fitted, config.copies))
            for name, maker in zip(names, makers, strict=True)
        ]
    else:
        title = f"Policy {policies[0].name} on {reference.name}"
        rows = [
            SheetRow(
                reference.classes[sample.label],
                _shortened(sample.source),
                views_of(makers[0], sample, fitted, config.copies),
            )
            for sample, fitted in sorted(shown, key=lambda pair: pair[0].label)
        ]
    _write(config.out, draw_sheet(title, headings(config.copies), rows))
    return PreviewResult(config.out, tuple(names), tuple(sample.key for sample, _ in shown))


def _all_presets() -> list[str]:
    from augcli.augment.presets import PRESETS

    return list(PRESETS)


def views_of(maker: ViewMaker, sample: Sample, fitted: Frame, copies: int) -> list[Pixels]:
    """The original and copies 1 to `copies` of a sample."""
    return [maker.view(fitted, sample.key, copy, sample.label).pixels for copy in range(copies + 1)]


def read_samples(
    reference: Reference, samples: Iterable[Sample], maker: ViewMaker, wanted: int
) -> list[tuple[Sample, Frame]]:
    """The first `wanted` usable ones of `samples` (or fewer) with their fitted images.

    Raises:
        AugcliError: none is usable; the message has the first reason.
    """
    usable: list[tuple[Sample, Frame]] = []
    reasons = []
    for sample in samples:
        try:
            usable.append((sample, maker.fitted(reference.path(sample).read_bytes())))
        except (DecodeError, OSError) as error:
            reasons.append(f"{reference.path(sample)}: {error}")
        if len(usable) == wanted:
            break
    if not usable:
        raise AugcliError(f"none of the images to preview is usable; {reasons[0]}")
    return usable


def headings(copies: int) -> list[str]:
    """What stands above the columns of `views_of`."""
    return ["original", *(f"copy {number}" for number in range(1, copies + 1))]


def _by_turns(reference: Reference) -> list[Sample]:
    """Training samples class by class in turn, in an order that hashes decide."""
    ordered = shard_order(reference.of_split("train"))
    turns = Counter[int]()
    ranked = []
    for sample in ordered:
        ranked.append((turns[sample.label], sample.label, sample))
        turns[sample.label] += 1
    return [sample for _, _, sample in sorted(ranked, key=lambda item: item[:2])]


def _shortened(source: str, length: int = 26) -> str:
    name = source.rpartition("/")[2]
    return name if len(name) <= length else f"…{name[-length + 1 :]}"


def _write(path: Path, picture: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, picture)
    except OSError as error:
        raise AugcliError(f"--out {path}: can't be written: {error.strerror}") from error
