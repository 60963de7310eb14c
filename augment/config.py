"""What an expansion or a preview is asked to do: the options, and their only defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.balance import BALANCE_MODES
from augcli.manifests.options import (
    CODEC_NAMES,
    FIT_NAMES,
    FORMAT_NAMES,
    MAX_COPIES,
    MAX_QUALITY,
    MAX_SIZE,
    MIN_MEGAPIXELS,
    MIN_SIZE,
    SEED_BELOW,
)
from augcli.manifests.settings import setting
from augcli.manifests.splits import DEFAULT_FRACTION

ON_ERROR = ("skip", "fail")
LOCAL, DASK, RAY = ENGINES = ("local", "dask", "ray")

DEFAULT_SIZE = 96
DEFAULT_FIT = "crop"
DEFAULT_SEED = 0
DEFAULT_MAX_MEGAPIXELS = 200.0
DEFAULT_DATASET = Path("expanded")
DEFAULT_PREVIEW = Path("preview.png")

DATA_HELP = (
    "folder per class (with train/validation/test folders or without), .csv or .tsv table, URL "
    "of either, torchvision:NAME"
)
EMBEDDED = "embedded:galaxies"
POLICY_DEFAULT = "top-down for the mock galaxies, else side-on"
POLICY_HELP = "preset, presets joined by +, or a .yaml or .json file"


def default_policy(data: str | None) -> str:
    """Galaxies have no up; of other people's images, photographs from the side are likeliest."""
    return "top-down" if data in (None, EMBEDDED) else "side-on"


@dataclass(frozen=True)
class ExpandConfig:
    """Options of `augcli expand`."""

    data: str | None = setting(None, DATA_HELP, shown_default="the embedded mock galaxies")
    out: str | Path = setting(
        str(DEFAULT_DATASET), "folder of the expanded dataset, or its URL, as s3://bucket/name"
    )
    copies: int = setting(
        5, "augmented copies of each training image", minimum=0, maximum=MAX_COPIES
    )
    policy: str | None = setting(None, POLICY_HELP, shown_default=POLICY_DEFAULT)
    size: int = setting(
        DEFAULT_SIZE, "output size in pixels, square", minimum=MIN_SIZE, maximum=MAX_SIZE
    )
    fit: str = setting(
        DEFAULT_FIT,
        "middle square, whole image with bars, or stretched",
        choices=FIT_NAMES,
    )
    codec: str = setting("jpeg", "how views are stored", choices=CODEC_NAMES)
    quality: int = setting(90, "JPEG quality", minimum=1, maximum=MAX_QUALITY)
    seed: int = setting(DEFAULT_SEED, "seed of all views", minimum=0, below=SEED_BELOW)
    workers: int | None = setting(None, "processes", minimum=1, shown_default="one per core")
    engine: str = setting(
        LOCAL, "processes here, or workers of Dask or Ray, on any machines", choices=ENGINES
    )
    scheduler: str | None = setting(
        None, "with --engine dask: tcp://HOST:8786", shown_default="a cluster started here"
    )
    address: str | None = setting(
        None, "with --engine ray: ray://HOST:10001, or auto", shown_default="Ray started here"
    )
    shard_size: int | None = setting(
        None, "images per shard", minimum=1, shown_default="by the number of images"
    )
    originals: bool = setting(True, "store the unaugmented images as round 0 too")
    val_fraction: float | None = setting(
        None,
        "part for validation, where the data have none",
        minimum=0.0,
        below=1.0,
        shown_default=str(DEFAULT_FRACTION),
    )
    test_fraction: float | None = setting(
        None,
        "part for testing, where the data have none",
        minimum=0.0,
        below=1.0,
        shown_default=f"{DEFAULT_FRACTION} for data without any splits",
    )
    dedupe: bool = setting(
        False, "drop exact duplicates but one, the evaluation's; all when their labels differ"
    )
    on_error: str = setting("skip", "what to do about an unusable image", choices=ON_ERROR)
    balance: str = setting(
        "none",
        "more copies of small classes: as many views as the largest has (full) or half-way (sqrt)",
        choices=BALANCE_MODES,
        flag_value="full",
    )
    class_policy: tuple[str, ...] = setting(
        (), "CLASS=POLICY: a class's own policy; can be given again"
    )
    format: str = setting(
        "tar", "WebDataset shards, or the class tree that other tools read", choices=FORMAT_NAMES
    )
    prune: bool = setting(False, "drop from a finished dataset the images that are gone")
    refresh: bool = setting(
        False, "make views anew of images that changed, or moved to another split or class"
    )
    retry_failed: bool = setting(False, "try images again that failed in an earlier run")
    max_megapixels: float = setting(
        DEFAULT_MAX_MEGAPIXELS, "largest image to decode", minimum=MIN_MEGAPIXELS
    )
    dry_run: bool = setting(False, "only say what would be done")


@dataclass(frozen=True)
class PreviewConfig:
    """Options of `augcli preview`."""

    data: str | None = setting(None, DATA_HELP, shown_default="the embedded mock galaxies")
    policy: str | None = setting(
        None, POLICY_HELP + "; all: every preset on one image", shown_default=POLICY_DEFAULT
    )
    out: Path | None = setting(
        None, "the picture (PNG)", shown_default=f"{DEFAULT_PREVIEW}, or none with --html"
    )
    html: Path | None = setting(
        None, "a page to click through: all classes, copies and transforms in one file"
    )
    by_class: bool = setting(False, "a picture for each class: PREVIEW-CLASS.png")
    only_class: str | None = setting(None, "show this class only")
    strips: bool = setting(
        False, "before and after each transform of the policy alone, on one image"
    )
    samples: int = setting(
        8,
        "images to show, spread over the classes; with --by-class or --html, of each class",
        minimum=1,
        maximum=64,
    )
    copies: int = setting(7, "views of each, or draws in a strip", minimum=1, maximum=32)
    size: int = setting(
        DEFAULT_SIZE, "output size in pixels, square", minimum=MIN_SIZE, maximum=1024
    )
    fit: str = setting(
        DEFAULT_FIT,
        "middle square, whole image with bars, or stretched",
        choices=FIT_NAMES,
    )
    seed: int = setting(DEFAULT_SEED, "seed of all views", minimum=0, below=SEED_BELOW)


@dataclass(frozen=True)
class VerifyConfig:
    """Options of `augcli verify`."""

    deep: bool = setting(
        False, "also decode every view, and make some anew from their images to compare"
    )
    views: int = setting(100, "views to make anew with --deep", minimum=1)
    repair: bool = setting(False, "make broken shards again from their images, byte for byte")
    data: str | None = setting(
        None, "where the images are, for --deep and --repair", shown_default="where they were"
    )
    workers: int | None = setting(
        None, "processes of --deep and --repair", minimum=1, shown_default="one per core"
    )
