"""`--sizes`: training begins on small images, which are quicker, and goes on to larger ones.

Progressive resizing, as in fast.ai's entries to DAWNBench (Howard 2018,
https://www.fast.ai/posts/2018-04-30-dawnbench-fastai.html) and in progressive learning (Tan and Le
2021, EfficientNetV2, section 4, https://arxiv.org/abs/2104.00298).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.manifests.settings import option_name
from augcli.train.config import AUTO, NONE, TrainConfig
from augcli.train.pace import Stage

LEAST_SIZE = 8
ONE_SIZE = (None, AUTO, NONE)
"""`--sizes` of a run that has none, or none yet: see `settling`."""
AUTO_SHARES = (1 / 2, 2 / 3, 5 / 6, 1)
"""Of the dataset's size. The smallest has a quarter of the pixels."""
AUTO_MULTIPLE = 8
AUTO_LEAST_SIZE = 32
"""`auto` begins with no fewer pixels: what smaller images show is another matter."""


def auto_sizes(config: TrainConfig, size: int) -> str | None:
    """What `--sizes auto` stands for with images of `size` pixels; None: that size alone.

    Networks with features to keep are not shown small images, nor are others than the default one,
    which may not take them.
    """
    fresh = config.model == TrainConfig.model and config.weights is None and not config.precompute
    chosen = config.size_epochs is not None or config.size_batches is not None
    if not fresh or chosen or size * AUTO_SHARES[0] < AUTO_LEAST_SIZE:
        return None
    sizes = [round(share * size / AUTO_MULTIPLE) * AUTO_MULTIPLE for share in AUTO_SHARES[:-1]]
    sizes = [*sorted({each for each in sizes if each < size}), size]
    if config.budget is None:
        sizes = sizes[-config.epochs :]
    return ",".join(map(str, sizes)) if len(sizes) > 1 else None


def last_size(config: TrainConfig, size: int) -> int:
    """The size in pixels that a run on images of `size` is measured at: that of its last stage."""
    return size if config.sizes in ONE_SIZE else _sizes(config.sizes)[-1]


def stages_of(config: TrainConfig, size: int, steps: int) -> tuple[Stage, ...]:
    """The stages of a run of nominal `steps` on images of `size` pixels.

    Raises:
        UsageError: options that don't suit each other, or sizes above `size`.
    """
    if config.sizes in ONE_SIZE:
        for name in ("size_epochs", "size_batches"):
            if getattr(config, name) is not None:
                raise UsageError(f"{option_name(name)} goes with --sizes, as --sizes 64,96,128")
        return (Stage(0, size, config.batch_size),)
    sizes = _sizes(config.sizes)
    if sizes[-1] > size:
        raise UsageError(
            f"--sizes {config.sizes}: the images of this dataset have {size} pixels, and are never "
            "enlarged: end with that size or a smaller one, or make a dataset of larger images "
            "(--size)"
        )
    epochs = _epochs(config, len(sizes))
    starts = [steps * before // sum(epochs) for before in accumulate(epochs, initial=0)]
    stages = zip(starts, sizes, batch_sizes(config), strict=False)
    return tuple(Stage(*stage) for stage in stages)


def batch_sizes(config: TrainConfig) -> list[int]:
    """The batch size of each stage.

    `auto` gives every batch as many pixels as the last size has in `--batch-size` images.

    Raises:
        UsageError: as `stages_of`.
    """
    if config.sizes in ONE_SIZE:
        return [config.batch_size]
    sizes = _sizes(config.sizes)
    if config.size_batches is None:
        return [config.batch_size] * len(sizes)
    if config.size_batches == AUTO:
        return [config.batch_size * sizes[-1] ** 2 // size**2 for size in sizes]
    return _as_many("size_batches", config.size_batches, len(sizes))


def _sizes(text: str) -> list[int]:
    sizes = _numbers("sizes", text)
    if sizes[0] < LEAST_SIZE or any(after <= before for before, after in pairwise(sizes)):
        raise UsageError(
            f"--sizes {text}: expected sizes of {LEAST_SIZE} pixels or more, each larger than the "
            "one before, as 64,96,128"
        )
    return sizes


def _epochs(config: TrainConfig, count: int) -> list[int]:
    """The epochs of each stage; with `--budget` they are but parts of the whole."""
    if config.size_epochs is None:
        if config.budget is not None:
            return [1] * count
        if count > config.epochs:
            raise UsageError(
                f"--sizes {config.sizes}: {count} sizes need as many --epochs, which are "
                f"{config.epochs}: take more of those or fewer sizes"
            )
        ends = [config.epochs * number // count for number in range(count + 1)]
        return [end - begin for begin, end in pairwise(ends)]
    epochs = _as_many("size_epochs", config.size_epochs, count)
    if config.budget is None and sum(epochs) != config.epochs:
        raise UsageError(
            f"--size-epochs {config.size_epochs}: are {sum(epochs)} epochs in all, and --epochs is "
            f"{config.epochs}: add --epochs {sum(epochs)}, or change them"
        )
    return epochs


def _as_many(name: str, text: str, count: int) -> list[int]:
    numbers = _numbers(name, text)
    if len(numbers) != count:
        raise UsageError(
            f"{option_name(name)} {text}: {len(numbers)} numbers for {count} --sizes: give one for "
            "each"
        )
    return numbers


def _numbers(name: str, text: str) -> list[int]:
    """`64,96,128` as numbers from 1 on."""
    words: Sequence[str] = [word.strip() for word in text.split(",")]
    sound = all(word.isascii() and word.isdigit() and len(word) < 10 for word in words)
    if not sound or not all(map(int, words)):
        raise UsageError(
            f"{option_name(name)}: '{shown(text)}': expected whole numbers from 1 on, separated by "
            "commas, as 64,96,128"
        )
    return [int(word) for word in words]
