"""The pictures of a preview: samples, policies or transforms as rows, what becomes of them beside.

Each function gives a PNG.
"""

from __future__ import annotations

from collections.abc import Sequence

from augcli.augment.choosing import Fitted
from augcli.augment.frame import Frame
from augcli.augment.gallery import Gallery
from augcli.augment.lettering import clipped
from augcli.augment.panels import headings, views_of
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.manifests.sample_list import Sample

_MAX_FILE = 26  # characters of a file's name


def samples_sheet(gallery: Gallery, shown: Sequence[Fitted], one_class: bool) -> bytes:
    """Samples as rows, those of a class together; of `one_class`, its name is in the title."""
    rows = []
    for sample, fitted in sorted(shown, key=lambda pair: pair[0].label):
        file = clipped(sample.source.rpartition("/")[2], _MAX_FILE)
        label, note = (file, "") if one_class else (gallery.class_of(sample), file)
        views = views_of(gallery.makers[0], sample, fitted, gallery.copies)
        rows.append(SheetRow(label, note, views))
    title = gallery.title
    if one_class:
        title = f"{gallery.class_of(shown[0][0])}: {title}"
    return draw_sheet(title, headings(gallery.copies), rows)


def policies_sheet(gallery: Gallery, sample: Sample, fitted: Frame) -> bytes:
    """Policies as rows, all on one image."""
    rows = [
        SheetRow(name, "", views_of(maker, sample, fitted, gallery.copies))
        for name, maker in zip(gallery.policies, gallery.makers, strict=True)
    ]
    title = f"Every preset on one image of {gallery.reference.name} ({gallery.class_of(sample)})"
    return draw_sheet(title, headings(gallery.copies), rows)


def strips_sheet(gallery: Gallery, sample: Sample, fitted: Frame) -> bytes:
    """Transforms as rows, each alone, on one image."""
    rows = [
        SheetRow(
            row.label,
            row.note,
            [fitted.rgb, *(tile.pixels for tile in row.tiles)],
            ["", *(tile.caption for tile in row.tiles)],
            row.depth,
        )
        for row in gallery.strips(sample, fitted)
    ]
    title = f"{gallery.title} ({gallery.class_of(sample)}), each transform alone"
    columns = ["original", *(str(draw) for draw in range(1, gallery.copies + 1))]
    return draw_sheet(title, columns, rows)
