"""What a run's records say of its images, and whether other images suit its model."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from augcli.augment.config import DEFAULT_FIT, DEFAULT_MAX_MEGAPIXELS
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.views import Recipe
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.reading import parse_yaml, read_within
from augcli.manifests.settings import check_settings
from augcli.train.config import TrainConfig
from augcli.train.dataset import Dataset
from augcli.train.trained import Trained

MAX_ARGS_BYTES = 1 << 20


@dataclass(frozen=True)
class DataOptions:
    """Where to read images from; None: as the run did."""

    shards: str | None
    data: str | None


def reading_config(trained: Trained, options: DataOptions) -> TrainConfig:
    """The training's options that say where its images are, or those given instead.

    Raises:
        UsageError: both `--shards` and `--data`.
        AugcliError: the run's own can't be known.
    """
    if options.shards is not None and options.data is not None:
        raise UsageError("--shards and --data exclude each other: give one of them")
    if options.shards is not None or options.data is not None:
        return TrainConfig(shards=options.shards, data=options.data)
    args = trained.run.args
    recorded: object = None
    with suppress(OSError, ValueError):
        recorded = parse_yaml(read_within(args, MAX_ARGS_BYTES).decode())
    if not isinstance(recorded, dict):
        raise AugcliError(
            f"{args}: can't be read, so where the run's images are is not known: say so with "
            "--shards or --data"
        )
    texts = {
        name: recorded[name]
        for name in ("shards", "data", "cache", "cache_size")
        if isinstance(recorded.get(name), str)
    }
    return check_settings(TrainConfig(**texts))


def drawn_size(trained: Trained) -> int:
    """The pixels that the run's views were drawn at, before it resized them for its model."""
    return int(trained.source.get("options", {}).get("size", trained.size[0]))


def plain_recipe(trained: Trained) -> Recipe:
    """How the run fitted its images; nothing is augmented."""
    options = trained.source.get("options", {})
    size = drawn_size(trained)
    return Recipe(
        fit=Fit(size, str(options.get("fit", DEFAULT_FIT))),
        policy=resolve_policy("none", size),
        seed=0,
        max_megapixels=float(options.get("max_megapixels", DEFAULT_MAX_MEGAPIXELS)),
    )


def check_size(trained: Trained, dataset: Dataset) -> None:
    size = int(dataset.manifest.options["size"])
    if size < trained.size[0]:
        raise UsageError(
            f"{dataset.place}: has images of {size} pixels, and the run was trained at "
            f"{trained.size[0]}: give the images themselves with --data"
        )


def check_classes(trained: Trained, place: str, classes: tuple[str, ...]) -> None:
    if classes == trained.classes:
        return
    missing = sorted(set(trained.classes) - set(classes))
    unknown = sorted(set(classes) - set(trained.classes))
    parts = [f"lacks {_listed(missing)}"] if missing else []
    parts += [f"has {_listed(unknown)}, which the run doesn't know"] if unknown else []
    raise UsageError(
        f"{place}: its classes are not the run's {len(trained.classes)}: it "
        f"{' and '.join(parts) or 'has them in another order'}"
    )


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
