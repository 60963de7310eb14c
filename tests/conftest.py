"""Images that the tests make for themselves; no test touches the user's cache.

And what makes a training cheap whose subject is neither its network nor how its pictures look.
"""

from __future__ import annotations

import builtins
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from augcli.train.record import Row

ROOT = Path(__file__).parents[1]
MYPY = pytest.StashKey[subprocess.Popen[str]]()

CLASSES = ("circle", "square", "stripes")
PER_CLASS = 8

# The same examples always, and few; `--hypothesis-profile long` looks for new ones.
hypothesis.settings.register_profile(
    "suite",
    max_examples=10,
    stateful_step_count=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.register_profile(
    "long",
    hypothesis.settings.get_profile("suite"),
    max_examples=100,
    stateful_step_count=40,
    derandomize=False,
)
hypothesis.settings.load_profile("suite")

# Before torch is imported, here and in the processes that tests start: on their tiny networks
# a second thread mostly waits for the first, at full load.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`AUGCLI_CACHE` in a temporary folder, for this process and those it starts."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("AUGCLI_CACHE")
    os.environ["AUGCLI_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["AUGCLI_CACHE"]
    else:
        os.environ["AUGCLI_CACHE"] = before


def draw(class_name: str, number: int, width: int = 40, height: int = 56) -> Image.Image:
    """A smooth shape on a gradient, with texture: like a photograph to a codec."""
    rng = np.random.default_rng([CLASSES.index(class_name), number])
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    cx, cy = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.65)
    radius = rng.uniform(8, 14)
    inside = {
        "circle": np.hypot(x - cx, y - cy) < radius,
        "square": np.maximum(abs(x - cx), abs(y - cy)) < radius,
        "stripes": np.sin((x + y) * rng.uniform(0.5, 0.9)) > 0,
    }[class_name]
    base = rng.uniform(40, 120, 3) + (x + y)[:, :, None] * rng.uniform(0.2, 0.8, 3)
    pixels = base + inside[:, :, None] * rng.uniform(50, 100, 3) + rng.normal(0, 4, base.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_images(folder: Path, numbers: range) -> None:
    for class_name in CLASSES:
        (folder / class_name).mkdir(parents=True)
        for number in numbers:
            draw(class_name, number).save(folder / class_name / f"{number:02d}.jpg", quality=92)


class PowerCut(BaseException):
    """The machine is off: from now on nothing is written or removed."""


CHANGES = ("replace", "rename", "unlink", "rmdir", "mkdir")


@contextmanager
def changes_fail(
    folder: Path,
    after: int | None,
    error: Callable[[], BaseException] = PowerCut,
    functions: Sequence[str] = CHANGES,
) -> Iterator[None]:
    """Let all changes below `folder` fail after the first `after` ones; None: none does.

    Changes are files opened for writing, and calls of `functions` of the module os.
    """
    left = [sys.maxsize if after is None else after]

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            is_reading = original is opening and (len(given) < 2 or "r" in given[1])
            if not is_reading and (str(folder) in str(given[0]) or "dir_fd" in named):
                left[0] -= 1
                if left[0] < 0:
                    raise error()
            return original(*given, **named)

        return call

    opening = builtins.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", failing(opening))
        for name in functions:
            patch.setattr(os, name, failing(getattr(os, name)))
        yield


@pytest.fixture(scope="session")
def power() -> SimpleNamespace:
    """`cut(folder, after)` cuts the power at a change below `folder`, by raising `Cut`."""
    return SimpleNamespace(cut=changes_fail, Cut=PowerCut)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder per class, 8 JPEGs of 40 x 56 pixels each, no splits."""
    folder = tmp_path_factory.mktemp("photos") / "shapes"
    write_images(folder, range(PER_CLASS))
    return folder


@pytest.fixture(scope="session")
def split_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in train, validation and test folders: 6, 3 and 3 images of each class."""
    folder = tmp_path_factory.mktemp("split_photos") / "shapes"
    write_images(folder / "train", range(6))
    write_images(folder / "validation", range(6, 9))
    write_images(folder / "test", range(9, 12))
    return folder


def sketch_curves(path: Path, rows: Sequence[Row], best_epoch: int) -> None:
    """What would be drawn, in plain text: not what clocks decided."""
    clocks = {f.name: 0.0 for f in dataclasses.fields(rows[0]) if "second" in f.name}
    path.write_text(repr(([dataclasses.replace(row, **clocks) for row in rows], best_epoch)))


def sketch_confusion(path: Path, confusion: Any, classes: Sequence[str], title: str) -> None:
    path.write_text(repr((confusion.tolist(), list(classes), title)))


@pytest.fixture(scope="module")
def sketches() -> Iterator[None]:
    """In the place of `curves.png` and `confusion.png`: drawing them takes longer than a tiny run.

    That pictures are whole, and the same if what is drawn is the same, `test_pictures.py` shows.
    """
    from augcli.train import pictures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_curves", sketch_curves)
        patch.setattr(pictures, "draw_confusion", sketch_confusion)
        yield


@pytest.fixture(scope="module")
def tiny() -> Iterator[str]:
    """The name of a network of some thousand weights, where `small` has a million.

    It has what makes resuming hard: statistics that every batch moves, and random draws.
    """
    from torch import nn

    from augcli.train.models import MODELS

    def build(classes: int, size: tuple[int, int]) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Flatten(), nn.Linear(8 * (size[0] // 4) * (size[1] // 4), classes),
        )  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "tiny", build)
        yield "tiny"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let mypy work beside the tests, if its own is among them: it takes half a minute."""
    asked = any("mypy" in getattr(item, "fixturenames", ()) for item in session.items)
    is_first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if asked and is_first and not session.config.option.collectonly:
        session.config.stash[MYPY] = start_mypy(session.config)


def start_mypy(config: pytest.Config) -> subprocess.Popen[str]:
    # Under its import name: mypy does not follow setuptools' `package-dir`.
    folder = tempfile.TemporaryDirectory(prefix="augcli-mypy-")
    Path(folder.name, "augcli").symlink_to(ROOT, target_is_directory=True)
    options = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", os.devnull)
    process = subprocess.Popen(
        [sys.executable, "-m", "mypy", *options],
        cwd=folder.name, env={**os.environ, "MYPYPATH": folder.name},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip

    def end() -> None:
        with process:
            process.kill()
        folder.cleanup()

    config.add_cleanup(end)
    return process


@pytest.fixture
def mypy(request: pytest.FixtureRequest) -> tuple[int, str]:
    """Mypy's exit code for the package, and what it said."""
    process = request.config.stash.get(MYPY, None) or start_mypy(request.config)
    said, _ = process.communicate()
    return process.returncode, said
