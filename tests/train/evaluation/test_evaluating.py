"""A whole evaluation of a tiny run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from augcli.augment.decode import Pixels
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame, rgb_of, rgbx_of
from augcli.augment.policy import checked_spec
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.config import TrainConfig
from augcli.train.evaluation.config import EvaluateConfig
from augcli.train.evaluation.data import RunData
from augcli.train.evaluation.evaluating import evaluate_run
from augcli.train.evaluation.folder import ResultFolder
from augcli.train.evaluation.predictions import Predictions, Predictor
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.evaluation.tta import averaged, parse_tta
from augcli.train.evaluation.variants import Variants, unaltered
from augcli.train.evaluation.writing import NAMES, evaluation_folder
from augcli.train.run import train
from augcli.train.trained import Trained, load_trained

CPU = torch.device("cpu")


def config(**settings: object) -> EvaluateConfig:
    return EvaluateConfig(**{"workers": 0, "device": "cpu", **settings})  # type: ignore[arg-type]


def predict(trained: Trained, batch_size: int, workers: int) -> Predictions:
    views = RunData(trained, DataOptions(None, None)).split(None).views
    [found] = Predictor(trained, CPU, batch_size, workers).each(Variants(views, unaltered, 1))
    return found


def test_it_finds_what_training_found(shards_run: Path, tmp_path: Path) -> None:
    run = shards_run
    shown: list[tuple[int, int]] = []
    result = evaluate_run(
        run, config(out=tmp_path / "out"), progress=lambda *done: shown.append(done)
    )
    assert shown[-1] == (9, 9)
    trained = json.loads((run / "run.json").read_text())["test"]
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["accuracy"] == trained["accuracy"] == result.scores.accuracy
    assert record["confusion"] == trained["confusion"]
    assert record["log_loss"] == pytest.approx(trained["loss"], rel=1e-5)
    assert record["data"]["trained_on"] and record["checkpoint"]["file"] == "best.pt"


def test_batches_and_threads_change_nothing(folder_run: Path) -> None:
    trained = load_trained(folder_run, CPU)
    whole = predict(trained, 64, 0)
    np.testing.assert_allclose(whole.probabilities.sum(axis=1), 1)
    for batch_size, workers in ((1, 0), (4, 2)):
        found = predict(trained, batch_size, workers)
        assert found.keys == whole.keys
        np.testing.assert_allclose(found.probabilities, whole.probabilities, atol=1e-6)


def test_a_model_that_gives_no_numbers(folder_run: Path) -> None:
    trained = load_trained(folder_run, CPU)
    next(trained.model.parameters()).fill_(float("nan"))
    with pytest.raises(AugcliError, match=r"best.pt: the model gives probabilities that are no"):
        predict(trained, 64, 0)


def test_files_and_what_is_in_them(folder_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = evaluate_run(folder_run, config(out=out, tta="2", corruptions="jpeg,contrast"))
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == list(result.predictions.keys)
    right = [row["true"] == row["predicted"] for row in rows]
    assert right == result.predictions.right.tolist()
    assert float(rows[0]["p(circle)"]) == result.predictions.probabilities[0, 0]
    record = json.loads((out / "evaluation.json").read_text())
    robustness = record["robustness"]
    assert list(robustness["accuracy"]) == ["contrast", "jpeg"]
    every = [share for row in robustness["accuracy"].values() for share in row]
    assert len(every) == 10
    assert robustness["mean_corruption_accuracy"] == pytest.approx(np.mean(every))
    assert robustness["mean_by_group"]["digital"] == pytest.approx(np.mean(every))
    clean = record["accuracy"]
    assert robustness["relative_drop"] == pytest.approx(1 - np.mean(every) / clean)
    tta = record["tta"]
    assert tta["difference"] == pytest.approx(tta["accuracy"] - clean)
    assert tta["difference_interval"] == "paired bootstrap"


def test_folders_are_named_by_what_is_measured(
    folder_run: Path, new_photos: Path, tmp_path: Path
) -> None:
    best, last = (load_trained(folder_run / f"{name}.pt", CPU) for name in ("best", "last"))
    own, others = (RunData(best, DataOptions(None, data)) for data in (None, str(new_photos)))
    expected = {
        "evaluation-test": (best, own.split("test")),
        "evaluation-validation-last": (last, own.split("val")),
        "evaluation-shapes-all": (best, others.split("all")),
    }
    for name, (trained, data) in expected.items():
        assert evaluation_folder(trained, data, None).folder == folder_run / name
    assert evaluation_folder(best, own.split("test"), tmp_path).folder == tmp_path


def test_others_folders_are_left_alone(folder_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        evaluate_run(folder_run, config(out=tmp_path / "file"))
    with pytest.raises(UsageError, match=r"holds other files \(file\)"):
        evaluate_run(folder_run, config(out=tmp_path))


def test_results_replace_earlier_ones(tmp_path: Path) -> None:
    """Else a picture would stay that the record no longer speaks of."""
    for name in ("notes.txt", "evaluation.json", "corruptions.png"):
        (tmp_path / name).write_text("earlier")
    folder = ResultFolder(tmp_path, NAMES)
    folder.check()
    folder.begin()
    folder.write_record({"share": 0.5})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json", "notes.txt"]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == {"share": 0.5}


def test_views_of_tta_are_the_runs_own(folder_run: Path) -> None:
    """Copy c of a test image is what the run would have drawn for copy c of it."""
    trained = load_trained(folder_run, CPU)
    tta = parse_tta("3", trained)
    pixels: Pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    spec = checked_spec("side-on", trained.source["policy"])
    maker = ViewMaker(Recipe(Fit(16, "crop"), spec, seed=0))
    for variant in range(tta.count):
        expected = maker.view(Frame(rgbx_of(pixels)), "some-key", variant + 1, 0)
        drawn = tta.alter(pixels, "some-key", variant)
        np.testing.assert_array_equal(drawn, rgb_of(expected.rgbx))
    assert tta.with_plain


def test_views_of_tta_are_drawn_at_the_datasets_size(split_photos: Path, tmp_path: Path) -> None:
    """And then made smaller, as training does; plain views as well."""
    policy = tmp_path / "policy.yaml"
    crop = {"__class_fullname__": "RandomResizedCrop", "size": [16, 16], "scale": [0.5, 1.0],
            "p": 1.0}  # fmt: skip
    policy.write_text(json.dumps({"transform": crop}))
    run = tmp_path / "run"
    train(
        TrainConfig(
            data=str(split_photos), policy=str(policy), size=16, sizes="8,12", epochs=2, workers=0,
            out=run,
        )
    )  # fmt: skip
    trained = load_trained(run, CPU)
    found = evaluate_run(run, config(tta="2"))
    assert found.tta is not None and trained.size == (12, 12)
    recorded = json.loads((run / "run.json").read_text())["test"]
    assert found.scores.accuracy == recorded["accuracy"]
    assert found.scores.log_loss == pytest.approx(recorded["loss"], abs=0.01)
    tta = parse_tta("2", trained)
    pixels: Pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert tta.size == 16 and tta.alter(pixels, "some-key", 0).shape == (16, 16, 3)


def test_tta_without_a_policy_and_by_other_names(folder_run: Path) -> None:
    trained = load_trained(folder_run, CPU)
    pixels: Pixels = np.arange(16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    flip = parse_tta("flip", trained)
    assert (flip.count, flip.with_plain) == (1, True)
    np.testing.assert_array_equal(flip.alter(pixels, "k", 0), pixels[:, ::-1])
    crops = parse_tta("ten-crop", trained)
    assert (crops.count, crops.with_plain) == (10, False)
    for wrong in ("0", "-1", "1001", "ten", "2.5", "²"):
        with pytest.raises(UsageError, match=f"--tta: {wrong} is none: choose from 1 to 1000"):
            parse_tta(wrong, trained)
    trained.source["policy"] = None
    with pytest.raises(UsageError, match="trained without augmentation"):
        parse_tta("2", trained)


def test_the_mean_of_views() -> None:
    labels = np.array([0])
    plain, *views = [
        Predictions(("a",), labels, np.array([[share, 1 - share]])) for share in (0.9, 0.1, 0.2)
    ]
    with_plain = averaged(plain, iter(views), with_plain=True)
    assert with_plain.probabilities[0, 0] == pytest.approx(0.4)
    assert averaged(plain, views, with_plain=False).probabilities[0, 0] == pytest.approx(0.15)
    assert plain.probabilities[0, 0] == 0.9


def test_corruptions_reach_the_model_by_their_names(folder_run: Path, tmp_path: Path) -> None:
    """The model sees what `corrupted` makes of each plain image, whatever the order."""
    from augcli.augment.corruptions.registry import corrupted

    trained = load_trained(folder_run, CPU)
    views = RunData(trained, DataOptions(None, None)).split(None).views
    plain = np.empty((9, 16, 16, 3), np.uint8)
    views.read(np.arange(9), 0, plain)
    makes = [("jpeg", 5), ("snow", 1)]
    variants = Variants(views, lambda image, key, v: corrupted(image, *makes[v], key), 2)
    out = np.empty((2, 16, 16, 3), np.uint8)
    variants.read(np.array([7, 2]), 1, out)
    for place, sample in enumerate((7, 2)):
        key = views.samples.keys[sample]
        np.testing.assert_array_equal(out[place], corrupted(plain[sample], "snow", 1, key))
