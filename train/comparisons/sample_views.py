"""Sample views for a report: what the policies do to images of the data."""

from __future__ import annotations

from collections.abc import Sequence

from augcli.augment.choosing import by_turns, read_samples
from augcli.augment.config import PreviewConfig
from augcli.augment.contact_sheets import samples_sheet, strips_sheet
from augcli.augment.gallery import Gallery, open_gallery
from augcli.augment.panels import headings, views_of
from augcli.augment.sheet import SheetRow, draw_sheet

SAMPLES, COPIES = 4, 6


def sample_views(data: str | None, policies: Sequence[str], size: int) -> bytes:
    """A PNG of originals beside copies 1 to 6: of four images under a policy, of one under several.

    Raises:
        UsageError: an unknown policy, or no dataset.
        AugcliError: none of its images is usable.
    """
    galleries = [
        open_gallery(PreviewConfig(data=data, policy=policy, size=size, copies=COPIES))
        for policy in policies
    ]
    first = galleries[0]
    shown = read_samples(
        first.reference,
        by_turns(first.reference, first.labels),
        first.makers[0],
        wanted=SAMPLES if len(policies) == 1 else 1,
    )
    if len(policies) == 1:
        return samples_sheet(first, shown, one_class=False)
    [(sample, fitted)] = shown

    def views(gallery: Gallery) -> SheetRow:
        tiles = views_of(gallery.makers[0], sample, fitted, COPIES)
        return SheetRow(gallery.policies[0], "", tiles)

    title = f"Policies on an image of {first.reference.name} ({first.class_of(sample)})"
    return draw_sheet(title, headings(COPIES), [views(gallery) for gallery in galleries])


def transform_strips(data: str | None, policy: str, size: int) -> bytes:
    """A PNG of each transform of the policy alone, on one image.

    Raises:
        UsageError: an unknown policy, or no dataset.
        AugcliError: none of its images is usable.
    """
    gallery = open_gallery(PreviewConfig(data=data, policy=policy, size=size, copies=COPIES))
    ordered = by_turns(gallery.reference, gallery.labels)
    [first] = read_samples(gallery.reference, ordered, gallery.makers[0], wanted=1)
    return strips_sheet(gallery, *first)
