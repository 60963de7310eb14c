"""Fine-tuning: the eight steps of `augcli recipe`, the head alone, and all layers at one rate.

    python benchmarks/transfer.py --from objects --data photos [--size 32] [--seeds 3]

A network is trained on the images of `--from`, once, and fine-tuned on those of `--data` in three
ways, from the same weights and the same stored views: by the recipe; the head alone, on cached
activations; and all layers at one rate. Learning rates are found by range tests in all of them, and
each has as many epochs as the recipe had (which ends by itself). The weights that do best on
validation images count, on test images, of which all three see the same with each seed.

The report goes to stdout as Markdown, progress to stderr. What is finished in `--out` is kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from side_by_side.alternation import say

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.train.comparisons.statistics import contrast, interval
from augcli.train.config import TrainConfig
from augcli.train.evaluation.predictions import predictions_of
from augcli.train.recipes.config import RecipeConfig
from augcli.train.recipes.running import recipe
from augcli.train.run import train

Right = npt.NDArray[np.bool_]
RECIPE, HEAD, ALL = "recipe", "head", "all"
TITLES = {
    RECIPE: "`augcli recipe`",
    HEAD: "the head alone, `--freeze-to -1 --precompute`",
    ALL: "all layers at one rate",
}


def main() -> None:
    """Measure, and print the report."""
    options = _arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    weights = pretrained(options)
    shards = options.out / "views"
    views = ExpandConfig(
        data=str(options.data), out=shards, size=options.size, copies=4, codec="npy"
    )
    expand(views)
    right: dict[str, list[Right]] = {way: [] for way in TITLES}
    epochs = []
    for seed in range(options.seeds):
        base = TrainConfig(shards=str(shards), model="small", weights=str(weights), seed=seed)
        epochs.append(by_recipe(base, options.out / f"{RECIPE}-{seed}"))
        one_rate = replace(base, epochs=epochs[-1], lr="auto")
        head = replace(one_rate, freeze_to=-1, freeze_bn="frozen", precompute=True)
        for way, config in ((HEAD, head), (ALL, one_rate)):
            trained_once(replace(config, out=options.out / f"{way}-{seed}"))
        for way, found in right.items():
            run = options.out / f"{way}-{seed}"
            found.append(predictions_of(run / "best.pt", base, "test").right)
            say(f"seed {seed}, {way}, {epochs[-1]} epochs: {found[-1].mean():.1%}")
    print(report({way: np.stack(found) for way, found in right.items()}, epochs, options))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, required=True, help="to pre-train on")
    parser.add_argument("--data", type=Path, required=True, help="to fine-tune on")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pretrain-epochs", type=int, default=15)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is finished")
    return parser.parse_args()


def pretrained(options: argparse.Namespace) -> Path:
    """The weights to begin with, trained on the fly."""
    config = TrainConfig(
        data=str(options.source), size=options.size, epochs=options.pretrain_epochs,
        out=options.out / "pretrained",
    )  # fmt: skip
    trained_once(config)
    return config.out / "best.pt"


def trained_once(config: TrainConfig) -> None:
    """Train, unless that is done, or go on with it."""
    if (config.out / "run.json").exists():
        return
    train(replace(config, resume=(config.out / "last.pt").exists()))


def by_recipe(base: TrainConfig, out: Path) -> int:
    """The eight steps; how many epochs they had."""
    done = out / "recipe.json"
    if not done.exists():
        recipe(
            RecipeConfig(
                shards=base.shards, model=base.model, weights=str(base.weights), stem="auto",
                seed=base.seed, out=out,
            )
        )  # fmt: skip
    steps: list[dict[str, Any]] = json.loads(done.read_text(encoding="utf-8"))["steps"]
    return sum(len(step["rows"]) for step in steps)


def report(right: dict[str, Right], epochs: Sequence[int], options: argparse.Namespace) -> str:
    """Accuracies, and what the recipe brings over the other ways, as Markdown."""
    images = right[RECIPE].shape[1]
    lines = [
        f"From `{options.source.name}` ({options.pretrain_epochs} epochs) to "
        f"`{options.data.name}`, {options.size} pixels, {', '.join(map(str, epochs))} epochs, "
        f"{images} test images.",
        "",
        "| way | accuracy, % | by seed, % | the recipe against it, points |",
        "|---|---:|---:|---:|",
    ]
    for way, found in right.items():
        by_seed = (100 * found.mean(axis=1)).tolist()
        told = ""
        if way != RECIPE:
            gain = contrast(found, right[RECIPE])
            low, high = (100 * (gain.mean + side * gain.half_width()) for side in (-1, 1))
            told = f"{100 * gain.mean:+.1f} ({low:+.1f} to {high:+.1f})"
        lines.append(
            f"| {TITLES[way]} | {interval(by_seed).mean:.1f} | "
            f"{' '.join(f'{value:.1f}' for value in by_seed)} | {told} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
