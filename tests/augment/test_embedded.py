"""The embedded mock galaxies: made once, whole or not at all, the same on every machine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augcli.augment import embedded
from augcli.augment.decode import decode
from augcli.augment.embedded import galaxies_folder
from augcli.augment.galaxies import CLASSES, SIZE
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import AugcliError

COUNTS = {"train": 2, "validation": 1, "test": 1}


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four images of each class, made in this process, in a cache of their own."""
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "IMAGES_PER_CLASS", COUNTS)
    monkeypatch.setattr(embedded, "default_workers", lambda: 1)
    return tmp_path / "cache"


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.jpg")):
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def test_made_once(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = galaxies_folder()
    assert [entry.name for entry in few.iterdir()] == [folder.name]
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert files == sorted(
        f"{split}/{name}/{number:04d}.jpg"
        for split, count in COUNTS.items()
        for name in CLASSES
        for number in range(count)
    )
    images = [decode((folder / file).read_bytes()) for file in files]
    assert all(image.shape == (SIZE, SIZE, 3) for image in images)
    assert len({image.tobytes() for image in images}) == len(images)

    monkeypatch.setattr(embedded, "render", None)
    assert galaxies_folder() == folder

    reference = load_reference(None)
    assert (reference.spec, reference.classes) == ("embedded:galaxies", tuple(sorted(CLASSES)))
    assert [len(reference.of_split(s)) for s in ("train", "val", "test")] == [
        count * len(CLASSES) for count in COUNTS.values()
    ]


def test_an_image_depends_on_its_own_number_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = galaxies_folder() / "test" / "ring" / "0000.jpg"
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(embedded, "IMAGES_PER_CLASS", {"test": 1})
    monkeypatch.setattr(embedded, "CLASSES", ["ring"])
    assert (galaxies_folder() / "test" / "ring" / "0000.jpg").read_bytes() == first.read_bytes()


def test_workers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CLASSES", ["ring", "edge-on"])
    one = digest(galaxies_folder())
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(embedded, "default_workers", lambda: 2)
    assert digest(galaxies_folder()) == one


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_render_leaves_no_folder(
    few: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    made = []

    def render(name: str, rng: np.random.Generator) -> Any:
        made.append(name)
        if len(made) > 5:
            raise failure
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(embedded, "render", render)
    expected = AugcliError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected) as error:
        galaxies_folder()
    assert list(few.iterdir()) == []
    if isinstance(failure, OSError):
        assert "No space left" in str(error.value) and "AUGCLI_CACHE" in str(error.value)


def test_a_cache_that_can_not_be_written(few: Path) -> None:
    few.write_text("a file where the folder should be")
    with pytest.raises(AugcliError, match="AUGCLI_CACHE"):
        galaxies_folder()


def test_another_process_may_be_first(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(name: str, rng: np.random.Generator) -> Any:
        other = few / f"galaxies-v{embedded.VERSION}"
        other.mkdir(exist_ok=True)
        (other / "made by the other").touch()
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(embedded, "render", render)
    folder = galaxies_folder()
    assert [entry.name for entry in folder.iterdir()] == ["made by the other"]
    assert [entry.name for entry in few.iterdir()] == [folder.name]
