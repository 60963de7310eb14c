"""The picture beside a dataset: the first image of each class with the views that are stored."""

from __future__ import annotations

from augcli.augment.choosing import Reader
from augcli.augment.panels import headings, views_of
from augcli.augment.preparing import Prepared
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.augment.views import ViewMaker

ROWS, COPIES, MAX_TILE = 6, 7, 128  # at most


def dataset_picture(prepared: Prepared) -> bytes | None:
    """A PNG: originals beside their copies (made anew: the stored ones may be compressed).

    None when no image is usable. Needs nothing of what workers make, so that it can be drawn
    while they are at work.
    """
    reference, job = prepared.reference, prepared.job
    maker = ViewMaker(job.recipe)
    copies = min(COPIES, prepared.config.copies)
    labels = set(range(min(ROWS, len(reference.classes))))
    samples = (sample for task in prepared.plan.tasks if task.first for sample in task.samples)
    wanted = (sample for sample in samples if sample.split == "train" and sample.label in labels)
    rows: dict[int, SheetRow] = {}
    for sample, fitted in Reader(reference, maker).usable(wanted, per_class=1):
        views = views_of(maker, sample, fitted, copies)
        rows[sample.label] = SheetRow(reference.classes[sample.label], "", views)
        if len(rows) == len(labels):
            break
    if not rows:
        return None
    title = f"{reference.name}: {job.recipe.policy.name}"
    ordered = [rows[label] for label in sorted(rows)]
    return draw_sheet(title, headings(copies), ordered, MAX_TILE)
