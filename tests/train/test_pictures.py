"""Pictures are whole, the same each time, and leave matplotlib as it was."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from augcli.train.config import TrainConfig
from augcli.train.pictures import (
    MAX_NAME_LENGTH,
    LiveCurves,
    draw_confusion,
    draw_curves,
    readable_name,
)
from augcli.train.record import Row
from augcli.train.run import train


def rows(count: int, validation: bool = True) -> list[Row]:
    return [
        Row(
            epoch=epoch,
            train_loss=2 / epoch,
            train_accuracy=1 - 1 / (epoch + 1),
            val_loss=2.5 / epoch if validation else None,
            val_accuracy=0.9 - 0.8 / epoch if validation else None,
            lr=0.002 * math.cos(epoch / count),
            seconds=1.0,
            data_wait_seconds=0.1,
            images_per_second=100.0,
        )
        for epoch in range(1, count + 1)
    ]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        return np.asarray(image.convert("RGB"))


def has_colour(picture: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((picture == rgb).all(axis=2).any())


@pytest.mark.parametrize("validation", [True, False])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_curves(tmp_path: Path, count: int, validation: bool) -> None:
    draw_curves(tmp_path / "curves.png", rows(count, validation), best_epoch=count)
    picture = pixels(tmp_path / "curves.png")
    assert picture.shape[1] > 2 * picture.shape[0] > 600
    assert has_colour(picture, "#0072B2")
    assert has_colour(picture, "#D55E00") == validation


def test_a_run_leaves_both(split_photos: Path, tmp_path: Path, tiny: str) -> None:
    config = TrainConfig(
        data=str(split_photos), model=tiny, size=16, epochs=1, workers=0, out=tmp_path / "run"
    )
    train(config)
    for name in ("curves.png", "confusion.png"):
        assert min(pixels(tmp_path / "run" / name).shape[:2]) > 200


def test_live_curves_show_the_last_row_in_the_end_and_not_each(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    with pytest.raises(KeyError), LiveCurves(path, pause_seconds=1000) as curves:
        curves.show(rows(3), best_epoch=2)
        curves.show(rows(4), best_epoch=4)
        assert not path.exists()
        raise KeyError
    draw_curves(tmp_path / "whole.png", rows(4), best_epoch=4)
    assert path.read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_live_curves_are_drawn_at_once_when_there_is_time(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    with LiveCurves(path, pause_seconds=0) as curves:
        assert not path.exists()
        curves.show(rows(3), best_epoch=2)
        drawn = path.stat().st_mtime_ns
    assert path.stat().st_mtime_ns == drawn, "drawn twice"


def test_the_best_epoch_is_marked_where_it_is(tmp_path: Path) -> None:
    for best in (2, 9):
        draw_curves(tmp_path / f"{best}.png", rows(10), best_epoch=best)
    early, late = pixels(tmp_path / "2.png"), pixels(tmp_path / "9.png")
    # In the first panel, below its title and above its legend's lines: only the marks differ.
    columns = np.flatnonzero((early != late).any(axis=(0, 2)))
    panel = columns[columns < early.shape[1] * 0.32]
    assert panel.min() < early.shape[1] * 0.1 < early.shape[1] * 0.25 < panel.max()


@pytest.mark.parametrize("count", [2, 10, 30, 31, 101])
def test_confusion(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    confusion = np.diag(rng.integers(1, 2000, count)) + rng.integers(0, 3, (count, count))
    names = [f"class {i}" for i in range(count)]
    draw_confusion(tmp_path / "confusion.png", confusion, names, "test: accuracy 0.9")
    picture = pixels(tmp_path / "confusion.png")
    assert 200 < picture.shape[0] < 2500 and 200 < picture.shape[1] < 2500


def test_cells_are_coloured_by_the_share_of_their_row(tmp_path: Path) -> None:
    """A row of 4 and one of 400 samples look alike; a class without samples stays empty."""
    confusion = np.array([[3, 1, 0], [100, 300, 0], [0, 0, 0]])
    draw_confusion(tmp_path / "confusion.png", confusion, ["a", "b", "c"], "")
    picture = pixels(tmp_path / "confusion.png")
    blues = matplotlib.colormaps["Blues"]
    for share in (0.75, 0.25, 0.0):
        red, green, blue = (round(255 * part) for part in blues(share)[:3])
        near = np.abs(picture.astype(int) - [red, green, blue]).max(axis=2) <= 1
        assert near.sum() > 1000


@pytest.mark.parametrize(
    "name", ["a$b$ c", "$\\frac{", "_hidden", "猫", "x" * 300, "a\nb", "", "🐈"]
)
def test_any_class_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    draw_confusion(tmp_path / "c.png", np.array([[1, 2], [0, 1]]), [name, "other"], "t")
    assert pixels(tmp_path / "c.png").size > 0


def test_long_names_keep_both_ends() -> None:
    assert readable_name("t-shirt") == "t-shirt"
    short = readable_name("the beginning of a name that is too long to show, and its end")
    assert len(short) <= MAX_NAME_LENGTH
    assert short.startswith("the begin") and short.endswith("its end") and "…" in short
    assert "\n" not in readable_name("a\nb")


def test_the_same_input_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        draw_curves(tmp_path / f"{name}-curves.png", rows(5), best_epoch=3)
        draw_confusion(tmp_path / f"{name}-confusion.png", np.eye(3, dtype=int), list("abc"), "t")
    for kind in ("curves", "confusion"):
        first = (tmp_path / f"first-{kind}.png").read_bytes()
        assert first == (tmp_path / f"second-{kind}.png").read_bytes()


def test_pyplot_is_not_touched(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import numpy as np
from augcli.train.pictures import draw_confusion
assert "matplotlib" not in sys.modules, "imported before it is needed"
draw_confusion(Path({str(tmp_path / "c.png")!r}), np.eye(2, dtype=int), ["a", "b"], "t")
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
