"""The picture beside a dataset: the first image of each class with the views that are stored."""

from __future__ import annotations

from augcli.augment.choosing import Reader, by_turns
from augcli.augment.panels import headings, views_of
from augcli.augment.preparing import Prepared
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.augment.views import ViewMaker

ROWS, COPIES = 6, 7  # at most


def dataset_picture(prepared: Prepared) -> bytes | None:
    """A PNG: originals beside their copies (made anew: the stored ones may be compressed).

    None when no image is usable. Needs nothing of what workers make, so that it can be drawn
    while they are at work.
    """
    reference, job = prepared.reference, prepared.job
    maker = ViewMaker(job.recipe)
    copies = min(COPIES, prepared.config.copies)
    labels = range(min(ROWS, len(reference.classes)))
    reader = Reader(reference, maker)
    rows = {
        sample.label: SheetRow(
            reference.classes[sample.label], "", views_of(maker, sample, fitted, copies)
        )
        for sample, fitted in reader.usable(by_turns(reference, labels), per_class=1)
    }
    if not rows:
        return None
    title = f"{reference.name}: {job.recipe.policy.name}"
    return draw_sheet(title, headings(copies), [rows[label] for label in sorted(rows)])
