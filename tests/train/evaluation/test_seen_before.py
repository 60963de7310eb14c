"""What a run was trained or validated on is no test of it, whatever dataset it comes in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.config import TrainConfig
from augcli.train.evaluation.config import EvaluateConfig
from augcli.train.evaluation.data import RunData, SplitData
from augcli.train.evaluation.evaluating import evaluate_run
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.run import train
from augcli.train.seen import read_seen
from augcli.train.trained import load_trained

TRAINED, VALIDATED = "the run was trained on it", "the run was validated on it"


@pytest.fixture
def changed(split_photos: Path, tmp_path: Path) -> Path:
    """The data of `folder_run`, and a training image once more, under another name."""
    folder = tmp_path / "changed"
    shutil.copytree(split_photos, folder)
    shutil.copy(folder / "train" / "circle" / "00.jpg", folder / "test" / "circle" / "new.jpg")
    return folder


def opened(run: Path, data: Path | None, split: str | None) -> SplitData:
    trained = load_trained(run, torch.device("cpu"))
    return RunData(trained, DataOptions(None, None if data is None else str(data))).split(split)


def reasons(data: SplitData) -> dict[str, str]:
    assert data.seen is not None
    return {failure.source: failure.reason for failure in data.seen}


def test_one_more_image_does_not_make_the_others_unseen(folder_run: Path, changed: Path) -> None:
    every = opened(folder_run, changed, "all")
    assert len(every.paths) == 9 and all(path.startswith("test/") for path in every.paths)
    left_out = reasons(every)
    assert len(left_out) == 18 + 9 + 1
    assert left_out["test/circle/new.jpg"] == left_out["train/circle/00.jpg"] == TRAINED
    assert left_out["validation/square/07.jpg"] == VALIDATED
    assert "28 of 37 images are left out, the run was trained or validated" in every.notes[0]
    assert list(reasons(opened(folder_run, changed, "test"))) == ["test/circle/new.jpg"]
    with pytest.raises(UsageError, match=r"--split validation: .* every one of these 9 images"):
        opened(folder_run, changed, "val")


def test_what_is_left_out_is_on_record(folder_run: Path, changed: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    config = EvaluateConfig(data=str(changed), out=tmp_path / "out", workers=0, device="cpu")
    result = evaluate_run(folder_run, config, note=notes.append)
    assert result.scores.n == 9 and any("1 of 10 images are left out" in note for note in notes)
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())["data"]
    assert record["seen_by_the_run"] == [{"source": "test/circle/new.jpg", "reason": TRAINED}]
    assert not record["trained_on"]


def test_an_image_that_was_saved_once_more_is_known_by_its_key(
    folder_run: Path, changed: Path
) -> None:
    with Image.open(changed / "train" / "circle" / "01.jpg") as image:
        image.load()
    image.save(changed / "train" / "circle" / "01.jpg", quality=50)
    assert reasons(opened(folder_run, changed, "all"))["train/circle/01.jpg"] == TRAINED


def test_other_data_with_the_same_names_are_unseen(folder_run: Path, new_photos: Path) -> None:
    data = opened(folder_run, new_photos, "all")
    assert data.seen == () and len(data.paths) == 24


def test_validation_of_its_own_data_that_have_changed(
    folder_run: Path, changed: Path, tmp_path: Path
) -> None:
    for name in ("best.pt", "seen.pt"):
        shutil.copy(folder_run / name, tmp_path)
    (tmp_path / "args.yaml").write_text(f"data: {changed}\n")
    data = opened(tmp_path, None, "val")
    assert len(data.paths) == 9 and data.seen == ()
    assert len(opened(tmp_path, None, "test").paths) == 9


def test_shards_that_were_split_otherwise(photos: Path, new_photos: Path, tmp_path: Path) -> None:
    data, dataset, run = tmp_path / "data", tmp_path / "dataset", tmp_path / "run"
    for number, folder in enumerate((photos, new_photos)):
        for path in folder.rglob("*.jpg"):
            target = data / path.parent.name / f"{number}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    expand(
        ExpandConfig(
            data=str(data), out=dataset, copies=1, size=16, workers=1, test_fraction=0.05,
            val_fraction=0.05,
        )
    )  # fmt: skip
    train(TrainConfig(shards=str(dataset), epochs=1, workers=0, out=run))
    own = {
        sample.source: sample.split
        for sample in load_reference(str(data), val_fraction=0.05, test_fraction=0.05).samples
    }
    tests = sorted(source for source, split in own.items() if split == "test")
    found = opened(run, data, "all")
    assert sorted(found.paths) == tests
    assert reasons(found) == {
        source: TRAINED if split == "train" else VALIDATED
        for source, split in own.items()
        if split != "test"
    }
    assert {own[path] for path in opened(run, data, "test").paths} == {"test"}


def test_stored_images_are_left_out_too(folder_run: Path, changed: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    expand(ExpandConfig(data=str(changed), out=dataset, copies=1, size=16, codec="npy", workers=1))
    trained = load_trained(folder_run, torch.device("cpu"))
    data = RunData(trained, DataOptions(str(dataset), None)).split("test")
    whole = opened(folder_run, changed, "test")
    assert data.paths == whole.paths and reasons(data) == reasons(whole)
    assert data.views.samples.keys == whole.views.samples.keys
    pixels = [np.zeros((9, 16, 16, 3), np.uint8) for _ in range(2)]
    for views, out in zip((data.views, whole.views), pixels, strict=True):
        assert views.read(np.arange(9), 0, out) == []
    np.testing.assert_array_equal(*pixels)


def test_a_run_that_does_not_say_is_told(folder_run: Path, changed: Path, tmp_path: Path) -> None:
    """As one of an earlier augcli, or a checkpoint by itself."""
    shutil.copy(folder_run / "best.pt", tmp_path)
    data = opened(tmp_path / "best.pt", changed, "all")
    assert data.seen is None and len(data.paths) == 37
    assert "which images the run was trained on is not known here" in data.notes[0]
    (tmp_path / "seen.pt").write_bytes(b"nothing")
    with pytest.raises(AugcliError, match=r"seen\.pt: no record of the images"):
        opened(tmp_path / "best.pt", changed, "all")


def test_going_on_leaves_the_record(folder_run: Path, split_photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder_run, run)
    (run / "seen.pt").unlink()
    config = TrainConfig(data=str(split_photos), size=16, epochs=1, workers=0, out=run)
    train(TrainConfig(**{**vars(config), "resume": True}))
    seen, before = read_seen(run / "seen.pt"), read_seen(folder_run / "seen.pt")
    np.testing.assert_array_equal(seen.train.pairs, before.train.pairs)
    assert (len(seen.train.keys), len(seen.val.keys)) == (18, 9)
