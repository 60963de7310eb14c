"""What `augcli expand` prints at the end: a table of what was made, and what to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from augcli.manifests.duplicates import CONFLICT, KINDS, LEAK, REPEAT, DuplicateGroup
from augcli.manifests.manifest import FAILURES_FILE, PREVIEW_FILE, Manifest
from augcli.manifests.reference import SPLITS, classes_without

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.augment.expansion import ExpandResult


def print_expansion(result: ExpandResult, console: Console) -> None:
    """Print the result of an expansion, or the plan of a dry run."""
    content = result.to_json()
    title = f"{result.reference.name}: {len(result.reference.classes)} classes"
    console.print(_table(title, content["splits"]))
    for line in duplicate_lines(result.duplicates, result.deduped):
        console.print(line, soft_wrap=True)
    steps = " → ".join(result.policy_transforms) or "fit only"
    console.print(f"transforms  {steps}")
    console.print(f"rounds      {result.plan.rounds} of the training split")
    for split in ("val", "test"):
        if missing := classes_without(result.reference, split):
            console.print(f"thin        no {split} images of: {', '.join(missing)}")
    if result.manifest is None:
        skipped = len(result.reference.skipped)
        console.print(f"dry run     nothing was written; {skipped} files are no usable inputs")
        return
    _print_made(result, result.manifest, console)


_DUPLICATES = {
    CONFLICT: "under two or more labels (at least one is wrong)",
    LEAK: "in two or more splits (poisons evaluation)",
    REPEAT: "twice or more in one split and class (counts double)",
}


def duplicate_lines(groups: Iterable[DuplicateGroup], deduped: bool) -> Iterator[str]:
    """A line for each kind of duplicates found, the most harmful first, with examples."""
    found = tuple(groups)
    for kind in KINDS:
        of_kind = [group for group in found if group.kind == kind]
        if of_kind:
            images = "1 image is" if len(of_kind) == 1 else f"{len(of_kind)} images are"
            named = _some(tuple(" = ".join(_contrasting(group)) for group in of_kind))
            outcome = _outcome(kind) if deduped else "--dedupe drops them"
            yield f"duplicates  {images} {_DUPLICATES[kind]}: {named}; {outcome}"


def _outcome(kind: str) -> str:
    return "all dropped" if kind == CONFLICT else "dropped but one of each"


def _contrasting(group: DuplicateGroup) -> list[str]:
    """Two sources that show what the matter is: they differ in label, or else in split."""
    first, *others = group.samples
    other = max(others, key=lambda s: (s.label != first.label, s.split != first.split))
    more = ["…"] if len(others) > 1 else []
    return [first.source, other.source, *more]


def _table(title: str, splits: dict[str, dict[str, int]]) -> object:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
    table.add_column("split")
    for name in ("images", "views", "shards"):
        table.add_column(name, justify="right")
    for split in SPLITS:
        row = splits[split]
        table.add_row(split, *(f"{row[name]:,}" for name in ("images", "views", "shards")))
    return table


def _print_made(result: ExpandResult, manifest: Manifest, console: Console) -> None:
    views = sum(split.views for split in manifest.splits.values())
    per_view = manifest.bytes["images"] / max(views, 1) / 1000
    console.print(
        f"size        {manifest.bytes['shards'] / 1e6:,.1f} MB in shards, "
        f"{per_view:.1f} KB per view as {manifest.options['codec']}"
    )
    if result.views_made:
        rate = result.views_made / result.seconds
        console.print(f"time        {result.seconds:,.1f} s, {rate:,.0f} views/s in all")
    else:
        console.print("time        nothing to do: the dataset was complete and is unchanged")
    reference = manifest.reference
    if reference.failures:
        console.print(
            f"not used    {reference.failures} of {reference.inputs} inputs, "
            f"with reasons in {result.dataset / FAILURES_FILE}"
        )
    if reference.blank:
        count, named = len(reference.blank), _some(reference.blank)
        console.print(f"blank       {count} used images have one colour: {named}")
    if reference.leaks:
        console.print(
            f"leaks       {len(reference.leaks)} validation or test images are also training "
            f"images: {_some(reference.leaks)}"
        )
    console.print(f"look at     {result.dataset / PREVIEW_FILE}", soft_wrap=True)


def _some(sources: tuple[str, ...]) -> str:
    return ", ".join(sources[:3]) + (", …" if len(sources) > 3 else "")
