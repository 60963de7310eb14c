"""What `augcli expand` prints at the end: a table of what was made, and what to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from augcli.augment.engines import default_workers
from augcli.manifests.duplicates import CONFLICT, KINDS, LEAK, REPEAT, DuplicateGroup
from augcli.manifests.manifest import FAILURES_FILE, PREVIEW_FILE, Manifest
from augcli.manifests.reference import classes_without
from augcli.manifests.sample_list import SPLITS

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.augment.estimate import Estimate
    from augcli.augment.expand_result import ExpandResult


def print_expansion(result: ExpandResult, console: Console) -> None:
    """Print the result of an expansion, or the plan of a dry run."""
    content = result.to_json()
    title = f"{result.reference.name}: {len(result.reference.classes)} classes"
    columns: tuple[str, ...] = ("images", "views", "shards")
    if result.prepared.config.format == "folder":
        columns = columns[:2]
    console.print(_table(title, content["splits"], columns))
    for line in duplicate_lines(result.duplicates, result.deduped):
        console.print(line, soft_wrap=True)
    _print_policies(result, console)
    console.print(f"rounds      {result.plan.rounds} of the training split")
    if any(samples != views for _, samples, views in result.balance):
        console.print(_balance_table(result.balance))
    for split in ("val", "test"):
        if missing := classes_without(result.reference, split):
            console.print(f"thin        no {split} images of: {', '.join(missing)}")
    if result.manifest is None:
        _print_planned(result, console)
        return
    _print_made(result, result.manifest, console)


def _print_policies(result: ExpandResult, console: Console) -> None:
    for name, runs in result.compiled:
        title = f"class {name}  " if name else ""
        console.print(f"transforms  {title}{' → '.join(n for n, _ in runs) or 'fit only'}")
        if result.manifest is None:
            for transforms, how in runs:
                console.print(f"            {transforms}: {how}")


def _balance_table(rows: list[tuple[str, int, int]]) -> object:
    from rich import box
    from rich.table import Table

    table = Table(title="balance", box=box.SIMPLE, title_justify="left", title_style="bold")
    table.add_column("class")
    for name in ("images", "views per round", "views per image"):
        table.add_column(name, justify="right")
    for name, samples, views in rows:
        table.add_row(name, f"{samples:,}", f"{views:,}", f"{views / max(samples, 1):.2f}")
    return table


def _print_planned(result: ExpandResult, console: Console) -> None:
    """What a dry run tells besides: what there is to do, and what it will cost."""
    changes, wanted = result.prepared.changes, result.estimate
    if changes is not None:
        console.print(
            f"there       {result.plan.views - (wanted.views if wanted else 0):,} views are there; "
            f"images: {len(changes.added)} new, {len(changes.removed)} gone, "
            f"{len(changes.changed)} changed, {len(changes.moved)} moved"
        )
    if wanted is not None:
        workers = result.prepared.config.workers or default_workers()
        each = wanted.view_microseconds + wanted.costs[0].encode_microseconds
        seconds = wanted.views * each / 1e6 / workers
        console.print(
            f"to make     {wanted.views:,} views, about {wanted.bytes / 1e6:,.1f} MB, "
            f"{seconds:,.1f} s with {workers} workers"
        )
        console.print(_cost_table(wanted))
    skipped = len(result.reference.skipped)
    console.print(f"dry run     nothing was written; {skipped} files are no usable inputs")


def _cost_table(wanted: Estimate) -> object:
    from rich import box
    from rich.table import Table

    title = "codecs, from a few views"
    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
    table.add_column("codec")
    for name in ("KB per view", "MB on disk", "µs to encode", "µs to decode"):
        table.add_column(name, justify="right")
    for cost in wanted.costs:
        table.add_row(
            cost.codec,
            f"{cost.bytes_per_view / 1e3:,.1f}",
            f"{cost.stored_bytes * wanted.views / 1e6:,.1f}",
            f"{cost.encode_microseconds:,.0f}",
            f"{cost.decode_microseconds:,.0f}",
        )
    return table


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


def _table(title: str, splits: dict[str, dict[str, int]], columns: tuple[str, ...]) -> object:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
    table.add_column("split")
    for name in columns:
        table.add_column(name, justify="right")
    for split in SPLITS:
        row = splits[split]
        table.add_row(split, *(f"{row[name]:,}" for name in columns))
    return table


def _print_made(result: ExpandResult, manifest: Manifest, console: Console) -> None:
    views = sum(split.views for split in manifest.splits.values())
    per_view = manifest.bytes["images"] / max(views, 1) / 1000
    where = "shards" if manifest.options["format"] == "tar" else "files"
    console.print(
        f"size        {manifest.bytes['shards'] / 1e6:,.1f} MB in {where}, "
        f"{per_view:.1f} KB per view as {manifest.options['codec']}"
    )
    if result.views_made:
        rate = result.views_made / result.seconds
        memory = f", {result.worker_bytes / 1e6:,.0f} MB per worker" if result.worker_bytes else ""
        console.print(f"time        {result.seconds:,.1f} s, {rate:,.0f} views/s in all{memory}")
    if result.views_made and result.estimate is not None:
        cost = result.estimate.costs[0]
        console.print(
            f"codec       {cost.codec}: {cost.encode_microseconds:,.0f} µs to encode a view, "
            f"{cost.decode_microseconds:,.0f} µs to decode it"
        )
    if not result.views_made:
        console.print(f"time        {_without_views(result)}")
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


def _without_views(result: ExpandResult) -> str:
    if result.written:
        return "no views to make: tables and pages were written anew"
    return "nothing to do: the dataset was complete and is unchanged"


def _some(sources: tuple[str, ...]) -> str:
    return ", ".join(sources[:3]) + (", …" if len(sources) > 3 else "")
