"""Where the views of a sweep's runs come from.

An expanded dataset that the user names; or else expansions of the reference dataset, one for each
policy and size, shared by all runs; or, when no run reads shards, the reference dataset itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from augcli.augment.config import (
    DEFAULT_DATASET,
    DEFAULT_FIT,
    DEFAULT_SIZE,
    EMBEDDED,
    ExpandConfig,
    default_policy,
)
from augcli.augment.expansion import expand
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.preparing import check_outside
from augcli.augment.reference_data import load_reference
from augcli.augment.views import Recipe
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_bytes, sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, Manifest
from augcli.manifests.settings import option_name
from augcli.train.config import TrainConfig
from augcli.train.dataset import open_dataset
from augcli.train.image_check import check_images
from augcli.train.sources import source_of
from augcli.train.sweeps.config import StudyConfig
from augcli.train.sweeps.naming import safe_name
from augcli.train.sweeps.space import Space

EXPANSIONS = "data"
NOTHING_TO_CHOOSE_BY = (
    "there are no validation images to choose by: put some in a folder `validation`, or expand "
    "with --val-fraction"
)

Tell = Callable[[str], None]
Hear = Callable[[str, int, int], None]
"""What is being done, and how many of how many parts are done."""

Wanted = tuple[str, int]
"""A policy and a size in pixels."""


@dataclass(frozen=True)
class Place:
    """Options of training that say where views are, and what identifies their content."""

    options: Mapping[str, str | None]
    identity: Mapping[str, str]


@dataclass(frozen=True)
class Datasets:
    """The place for each policy and size that runs may want; just one when the user names it."""

    places: Mapping[Wanted, Place]
    given: Place | None = None

    def place_of(self, config: TrainConfig) -> Place:
        """Where the views of a training are."""
        return self.given or self.places[_wanted(config, next(iter(self.places))[0])]

    def placed(self, config: TrainConfig) -> TrainConfig:
        """`config` with the options that lead to its views."""
        options = dict(self.place_of(config).options)
        if options["shards"] is not None:
            options |= {"policy": None, "size": None}
        if config.source == "shards":
            options["data"] = None
        return dataclasses.replace(config, **options)  # type: ignore[arg-type]


def settled(space: Space) -> Space:
    """`space` with the defaults that its data decide: source, reference dataset, policy.

    Raises:
        UsageError: options that don't go with the data.
    """
    common = space.common
    if common.data is None and common.shards is None:
        found = {"shards": str(DEFAULT_DATASET)} if DEFAULT_DATASET.exists() else {"data": EMBEDDED}
        common = dataclasses.replace(common, **found)  # type: ignore[arg-type]
    if common.shards is not None:
        for name in ("policy", "size"):
            if space.options_of(name) != (None,):
                raise UsageError(
                    f"{option_name(name)}: {common.shards} is expanded already, its manifest says; "
                    f"it goes with --data, without --shards: one expansion for each {name}"
                )
        if "source" not in space.factors:
            common = dataclasses.replace(common, source=source_of(common))
    else:
        if "source" not in space.factors and common.source is None:
            common = dataclasses.replace(common, source="shards")
        if "policy" not in space.factors and common.policy is None:
            common = dataclasses.replace(common, policy=default_policy(common.data))
    return dataclasses.replace(space, common=common)


def check_data(space: Space, config: StudyConfig) -> None:
    """Find what is wrong with the data of a `settled` space before anything is written.

    Raises:
        UsageError: a bad policy or dataset, a range of sizes, or an `out` among the images.
        AugcliError: too few images, or none to validate on.
    """
    common = space.common
    if config.copies != StudyConfig.copies and not _expands(space):
        raise UsageError("--copies: nothing is expanded here: it goes with --data, to read shards")
    if common.shards is not None:
        _given(common)
        return
    for policy, size in _all_wanted(space):
        resolve_policy(policy, size)
    reference = load_reference(common.data)
    check_outside(common.data, config.out, reference)
    if not reference.of_split("val"):
        raise AugcliError(f"{reference.root}: {NOTHING_TO_CHOOSE_BY}")


def make_datasets(space: Space, config: StudyConfig, hear: Hear, tell: Tell) -> Datasets:
    """Find, or make, what all the runs of a `settled` space read.

    `hear` follows expansions; `tell` hears lines that a user may want to act on.

    Raises:
        AugcliError: no usable images, none to validate on, or a file that can't be written.
    """
    common = space.common
    if common.shards is not None:
        return Datasets({}, _given(common))
    wanted = list(_all_wanted(space))
    if not _expands(space):
        return Datasets(_direct(common, wanted, tell))
    places = {}
    for each in wanted:
        places[each] = _expanded(common, each, config, hear, tell)
        tell = _say_nothing  # of the same images once more
    return Datasets(places)


def _expands(space: Space) -> bool:
    return space.common.shards is None and "shards" in space.options_of("source")


def _say_nothing(line: str) -> None:
    pass


def _wanted(config: TrainConfig, any_policy: str) -> Wanted:
    """Without augmentation, one policy's images are as good as another's."""
    return config.policy or any_policy, config.size or DEFAULT_SIZE


def _all_wanted(space: Space) -> Iterator[Wanted]:
    sizes = space.options_of("size")
    if not sizes:
        raise UsageError("--size: each size is a dataset of its own: list sizes, as 64,96")
    for policy in space.options_of("policy"):
        for size in sizes:
            yield str(policy), int(size or DEFAULT_SIZE)


def _given(common: TrainConfig) -> Place:
    dataset = open_dataset(common)
    _check_validation(dataset.place, dataset.manifest)
    return Place(
        {"shards": common.shards, "data": common.data},
        {"manifest_sha256": sha256_file(dataset.folder / MANIFEST_FILE)},
    )


def _check_validation(place: str, manifest: Manifest) -> None:
    if not manifest.splits["val"].samples:
        raise AugcliError(f"{place}: {NOTHING_TO_CHOOSE_BY}")


def _expanded(
    common: TrainConfig, wanted: Wanted, config: StudyConfig, hear: Hear, tell: Tell
) -> Place:
    policy, size = wanted
    out = config.out / EXPANSIONS / safe_name(f"{policy}-{size}px")
    what = f"expanding {policy}, {size} pixels"
    result = expand(
        ExpandConfig(data=common.data, out=out, copies=config.copies, policy=policy, size=size),
        report=lambda progress: hear(what, progress.views_done, progress.views_planned),
        tell=tell,
    )
    assert result.manifest is not None
    _check_validation(str(out), result.manifest)
    reference = result.manifest.reference
    if result.views_made and reference.failures:
        tell(f"{out}: {reference.failures:,} inputs are not used, listed in failures.jsonl")
    return Place(
        {"shards": str(out), "data": common.data},
        {"manifest_sha256": sha256_file(out / MANIFEST_FILE)},
    )


def _direct(common: TrainConfig, wanted: list[Wanted], tell: Tell) -> dict[Wanted, Place]:
    """Every run makes its views from the reference dataset."""
    reference = load_reference(common.data)
    specs = {(policy, size): resolve_policy(policy, size) for policy, size in wanted}
    recipe = Recipe(Fit(wanted[0][1], DEFAULT_FIT), specs[wanted[0]], common.seed)
    images = check_images(reference, recipe)
    for failure in (*reference.skipped, *images.failures):
        tell(f"not used: {failure.source}: {failure.reason}")
    return {
        each: Place(
            {"shards": None, "data": common.data},
            {
                "images_sha256": images.fingerprint(),
                "policy_sha256": sha256_bytes(spec.text.encode()),
            },
        )
        for each, spec in specs.items()
    }
