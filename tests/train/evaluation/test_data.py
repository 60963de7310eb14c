"""Which images a model is measured on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.evaluation.data import RunData, SplitData, Subset
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.forward import resized
from augcli.train.trained import Trained, load_trained

OWN = DataOptions(None, None)


def load(run: Path) -> Trained:
    return load_trained(run, torch.device("cpu"))


def pixels(data: SplitData) -> np.ndarray:
    out = np.empty((len(data.views.samples), 16, 16, 3), np.uint8)
    assert data.views.read(np.arange(len(out)), 0, out) == []
    return out


def test_the_runs_own_test_split(folder_run: Path, split_photos: Path) -> None:
    data = RunData(load(folder_run), OWN).split(None)
    assert (data.split, data.name, data.reference, data.own) == ("test", "test", "shapes", True)
    assert data.paths[0] == "test/circle/09.jpg" and len(data.paths) == 9
    assert data.views.samples.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert RunData(load(folder_run), OWN).split("val").paths[0] == "validation/circle/06.jpg"
    given = RunData(load(folder_run), DataOptions(None, str(split_photos))).split(None)
    assert given.own and not given.notes


def test_stored_and_original_images_are_the_same(shards_run: Path, split_photos: Path) -> None:
    """The run's fit, pad, is kept when its images come from elsewhere."""
    trained = load(shards_run)
    stored = RunData(trained, OWN).split(None)
    original = RunData(trained, DataOptions(None, str(split_photos))).split(None)
    assert stored.paths == original.paths and stored.own and original.own
    assert stored.views.samples.keys == original.views.samples.keys
    np.testing.assert_array_equal(pixels(stored), pixels(original))


def test_training_images_are_plain_even_where_only_augmented_ones_are_stored(
    shards_run: Path, split_photos: Path
) -> None:
    trained = load(shards_run)
    stored = RunData(trained, OWN).split("train")
    original = RunData(trained, DataOptions(None, str(split_photos))).split("train")
    np.testing.assert_array_equal(pixels(stored), pixels(original))


def test_without_a_test_split_validation(
    folder_run: Path, new_photos: Path, tmp_path: Path
) -> None:
    for split in ("train", "validation"):
        shutil.copytree(new_photos, tmp_path / split)
    run_data = RunData(load(folder_run), DataOptions(None, str(tmp_path)))
    assert run_data.split(None).name == "validation"
    with pytest.raises(UsageError, match="there are no test images"):
        run_data.split("test")


def test_all_images_of_other_data(folder_run: Path, new_photos: Path) -> None:
    run_data = RunData(load(folder_run), DataOptions(None, str(new_photos)))
    some, every = run_data.split(None), run_data.split("all")
    assert not some.own and 0 < len(some.paths) < len(every.paths) == 24
    assert f"{len(some.paths)} of 24 images are its test split" in some.notes[0]
    assert not every.notes and every.seen == some.seen == ()
    with pytest.raises(UsageError, match="--split all: goes with --data"):
        RunData(load(folder_run), OWN).split("all")


def test_other_classes_and_sizes_are_refused(
    folder_run: Path, shards_run: Path, split_photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(split_photos, other)
    for split in ("train", "validation", "test"):
        (other / split / "circle").rename(other / split / "ring")
    with pytest.raises(UsageError, match="lacks 'circle' and has 'ring', which the run doesn't"):
        RunData(load(folder_run), DataOptions(None, str(other)))
    with pytest.raises(UsageError, match="exclude each other"):
        RunData(load(folder_run), DataOptions("x", "y"))
    trained = load(folder_run)
    trained.checkpoint.size[:] = [32, 32]
    dataset = str(shards_run.parent / "dataset")
    with pytest.raises(UsageError, match="images of 16 pixels, and the run was trained at 32"):
        RunData(trained, DataOptions(dataset, None))


def test_larger_stored_images_are_shown_at_the_size_that_was_trained_at(shards_run: Path) -> None:
    trained = load(shards_run)
    stored = RunData(trained, OWN).split("test").views
    trained.checkpoint.size[:] = [12, 12]
    views = RunData(trained, OWN).split("test").views
    indices = np.arange(len(views.samples))
    large = np.zeros((len(indices), 16, 16, 3), np.uint8)
    small = np.zeros((len(indices), 12, 12, 3), np.uint8)
    assert stored.read(indices, 0, large) == views.read(indices, 0, small) == []
    expected = resized(torch.from_numpy(large).permute(0, 3, 1, 2), 12).permute(0, 2, 3, 1)
    assert np.abs(small - expected.numpy()).max() <= 0.5
    assert small.std() > 5


def test_a_checkpoint_alone_does_not_know_its_images(
    folder_run: Path, split_photos: Path, tmp_path: Path
) -> None:
    shutil.copy(folder_run / "best.pt", tmp_path)
    trained = load(tmp_path / "best.pt")
    with pytest.raises(AugcliError, match=r"args.yaml: can't be read, .* with --shards or --data"):
        RunData(trained, OWN)
    assert RunData(trained, DataOptions(None, str(split_photos))).split(None).own
    (tmp_path / "args.yaml").write_text("data: /nowhere\n")
    with pytest.raises(AugcliError, match=r"own images: .*/nowhere.*; say where they are"):
        RunData(trained, OWN)


def test_changed_data_are_told(folder_run: Path, split_photos: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(split_photos, changed)
    (changed / "test" / "circle" / "09.jpg").unlink()
    shutil.copy(folder_run / "best.pt", tmp_path)
    (tmp_path / "args.yaml").write_text(f"data: {changed}\n")
    data = RunData(load(tmp_path), OWN).split(None)
    assert not data.own and "have changed since" in data.notes[0]


def test_damaged_images_are_left_out_and_told(
    folder_run: Path, split_photos: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(split_photos, changed)
    for number in ("09", "10"):
        (changed / "test" / "circle" / f"{number}.jpg").write_bytes(b"no image")
    run_data = RunData(load(folder_run), DataOptions(None, str(changed)))
    data = run_data.split(None)
    assert [failure.source[-6:] for failure in data.failures] == ["09.jpg", "10.jpg"]
    assert len(data.paths) == len(data.views.samples) == 7
    assert data.paths[0] == "test/circle/11.jpg"
    for path in (changed / "test").rglob("*.jpg"):
        path.write_bytes(b"no image")
    with pytest.raises(AugcliError, match="none of the test images can be used; first"):
        run_data.split(None)


def test_a_subset_has_the_first_view_of_each_key() -> None:
    """Later ones are augmented: balancing repeats samples."""
    keys = ("a", "a", "b", "c", "c", "c")
    assert sorted(Subset(10, seed=0).of(keys)) == [0, 2, 3]
    many = [f"key {number}" for number in range(1000)]
    chosen = Subset(100, seed=0).of(many)
    assert len(set(chosen)) == 100 and chosen == Subset(100, seed=0).of(many)
    assert 30 < len([number for number in chosen if number < 500]) < 70
    assert set(chosen) != set(Subset(100, seed=1).of(many))
    assert Subset(50, seed=0).of(many) == chosen[:50]


def test_only_the_images_of_a_subset_are_read(
    folder_run: Path, split_photos: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(split_photos, changed)
    run_data = RunData(load(folder_run), DataOptions(None, str(changed)))
    subset = Subset(4, seed=0)
    chosen = run_data.split("train", subset).paths
    for path in (changed / "train").rglob("*.jpg"):
        if path.relative_to(changed).as_posix() not in chosen:
            path.unlink()
    data = run_data.split("train", subset)
    assert data.paths == chosen and len(chosen) == 4
    assert not data.failures and pixels(data).any()
