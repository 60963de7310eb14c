"""What a preview is asked to show, resolved: the images to choose from and the policies on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from augcli.augment.choosing import chosen_labels
from augcli.augment.config import PreviewConfig, default_policy
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame
from augcli.augment.panels import Row, view_tiles
from augcli.augment.policy import resolve_policy
from augcli.augment.presets import PRESETS
from augcli.augment.reference_data import load_reference
from augcli.augment.strips import strip_rows
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.reference import Reference
from augcli.manifests.sample_list import Sample

ALL_POLICIES = "all"


@dataclass(frozen=True)
class Gallery:
    """`policies` are named as the user named them, in the order of `makers`.

    `labels` are those of the classes to show, `copies` how many views of a sample.
    """

    reference: Reference
    labels: tuple[int, ...]
    policies: tuple[str, ...]
    makers: tuple[ViewMaker, ...]
    copies: int

    @property
    def title(self) -> str:
        """Which policy on which data."""
        which = f"Policy {self._name(0)}" if len(self.makers) == 1 else "Every preset"
        return f"{which} on {self.reference.name}"

    def class_of(self, sample: Sample) -> str:
        """The name of the sample's class."""
        return self.reference.classes[sample.label]

    def views(self, sample: Sample, fitted: Frame) -> list[Row]:
        """For each policy a row of the sample's copies; a lone policy's row needs no name."""
        if len(self.makers) == 1:
            tiles = view_tiles(self.makers[0], fitted, sample, self.copies)
            return [Row("", "", tiles, captioned=False)]
        return [
            Row(
                name,
                PRESETS[name].about,
                view_tiles(maker, fitted, sample, self.copies),
                captioned=False,
            )
            for name, maker in zip(self.policies, self.makers, strict=True)
        ]

    def strips(self, sample: Sample, fitted: Frame) -> Iterator[Row]:
        """For each policy a row for each of its transforms alone, then its views."""
        for number, maker in enumerate(self.makers):
            name, recipe = self._name(number), maker.recipe
            alone = strip_rows(
                recipe.policy.serialized, fitted.rgb, sample.key, recipe.seed, self.copies
            )
            for row in alone:
                note = row.note if len(self.makers) == 1 else f"{row.note}, {name}"
                yield replace(row, note=note)
            views = view_tiles(maker, fitted, sample, self.copies)
            yield Row(name, "the whole policy", views)

    def _name(self, number: int) -> str:
        return self.makers[number].recipe.policy.name


def open_gallery(config: PreviewConfig) -> Gallery:
    """Resolve policies, dataset and classes.

    Raises:
        UsageError: an unknown policy or class, or no dataset.
        AugcliError: the dataset can't be used.
    """
    chosen = config.policy or default_policy(config.data)
    names = tuple(PRESETS) if chosen == ALL_POLICIES else (chosen,)
    specs = [resolve_policy(name, config.size) for name in names]
    reference = load_reference(config.data)
    fit = Fit(config.size, config.fit)
    return Gallery(
        reference,
        chosen_labels(reference, config.only_class),
        names,
        tuple(ViewMaker(Recipe(fit, spec, config.seed)) for spec in specs),
        config.copies,
    )
