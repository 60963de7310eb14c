"""Directions in the space of weights, and the loss along them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from augcli.manifests.errors import UsageError
from augcli.train.checkpoint import load_checkpoint, save_checkpoint
from augcli.train.evaluation.config import LandscapeConfig
from augcli.train.evaluation.data import RunData, Subset
from augcli.train.evaluation.directions import filter_normalised, gaussian_directions, moved
from augcli.train.evaluation.landscape import landscape, read_images
from augcli.train.evaluation.landscape_picture import draw_landscape
from augcli.train.evaluation.landscape_result import Landscape, LandscapeResult
from augcli.train.evaluation.predictions import Predictor
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.evaluation.scores import score
from augcli.train.evaluation.variants import Variants, unaltered
from augcli.train.models import build_model
from augcli.train.trained import load_trained

CPU = torch.device("cpu")


def config(**settings: object) -> LandscapeConfig:
    given = {"points": 1, "samples": 100, "device": "cpu", **settings}
    return LandscapeConfig(**given)  # type: ignore[arg-type]


def test_directions_are_as_long_as_the_models_own_filters() -> None:
    model = build_model("small", 3, (16, 16), seed=0)
    [drawn, another] = gaussian_directions(model, 2, seed=1)
    scaled = filter_normalised(drawn, model)
    parameters = dict(model.named_parameters())
    assert set(drawn) == {name for name, weights in parameters.items() if weights.dim() > 1}
    for name, direction in scaled.items():
        rows, weights = direction.flatten(1), parameters[name].detach().flatten(1)
        torch.testing.assert_close(rows.norm(dim=1), weights.norm(dim=1))
        cosine = torch.cosine_similarity(rows, drawn[name].flatten(1))
        torch.testing.assert_close(cosine, torch.ones_like(cosine))
        assert not torch.equal(drawn[name], another[name])


def test_two_runs_of_one_model_have_the_same_draws() -> None:
    models = [build_model("small", 3, (16, 16), seed) for seed in (0, 1)]
    first, second = (gaussian_directions(model, 1, seed=5)[0] for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    [other] = gaussian_directions(models[0], 1, seed=6)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_model_that_was_moved_comes_back_exactly() -> None:
    model = build_model("small", 3, (16, 16), seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    directions = [filter_normalised(d, model) for d in gaussian_directions(model, 2, seed=1)]
    with pytest.raises(KeyError), moved(model, directions, [0.3, -2.0]):
        expected = before["head.weight"]
        for direction, step in zip(directions, (0.3, -2.0), strict=True):
            expected = expected + step * direction["head.weight"]
        torch.testing.assert_close(model.state_dict()["head.weight"], expected)
        assert torch.equal(model.state_dict()["head.bias"], before["head.bias"])
        raise KeyError
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_two_runs_on_the_same_images(folder_run: Path, shards_run: Path, tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    result = landscape(
        [folder_run, shards_run],
        config(out=tmp_path / "out", batch_size=10),
        progress=lambda *done: shown.append(done),
    )
    assert shown[-1] == (2 * (2 * 5 + 9),) * 2 and len(shown) == shown[-1][0]
    assert result.images == {"training": 18, "validation": 9}
    first, second = result.landscapes
    assert (first.name, second.name) == ("folder", "shards")
    views = RunData(load_trained(folder_run, CPU), DataOptions(None, None)).split("val").views
    for run, found in ((folder_run, first), (shards_run, second)):
        predictor = Predictor(load_trained(run, CPU), CPU, batch_size=64, workers=0)
        [measured] = predictor.each(Variants(views, unaltered, 1))
        expected = score(measured).log_loss
        assert found.lines["validation"][2] == pytest.approx(expected, rel=1e-5)
        assert found.plane is not None
        assert found.plane[1, 1] == pytest.approx(found.lines["training"][2], rel=1e-6)
        assert found.plane[1].tolist() == pytest.approx(found.lines["training"][::2], rel=1e-6)
        assert found.plane[0, 1] != pytest.approx(found.plane[1, 0], rel=1e-6)
    record = json.loads((tmp_path / "out" / "landscape.json").read_text())
    assert record["line_steps"] == [-1, -0.5, 0, 0.5, 1]
    assert record["runs"][1]["plane"] == second.plane.tolist()  # type: ignore[union-attr]
    assert result.picture.read_bytes().startswith(b"\x89PNG")


def test_without_the_plane(folder_run: Path) -> None:
    result = landscape([folder_run], config(samples=6, plane=False))
    assert result.folder == folder_run / "landscape"
    assert result.images == {"training": 6, "validation": 6}
    assert result.landscapes[0].plane is None


def test_images_are_chosen_by_seed(folder_run: Path) -> None:
    data = RunData(load_trained(folder_run, CPU), DataOptions(None, None)).split("train")
    first, again, other = (read_images(data, Subset(6, seed), 16, CPU).pixels for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (6, 3, 16, 16)


def test_models_that_differ_are_refused(folder_run: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(folder_run / "best.pt")
    fewer = build_model("small", 2, (16, 16), seed=0).state_dict()
    changed = dataclasses.replace(checkpoint, classes=["a", "b"], model=fewer)
    save_checkpoint(tmp_path / "best.pt", changed)
    with pytest.raises(UsageError, match=r"its model is another than that of .*folder"):
        landscape([folder_run, tmp_path], config())


def test_losses_that_overflow_are_drawn_and_recorded(tmp_path: Path) -> None:
    line = np.array([np.inf, 2.0, 0.5, 2.0, 1e9])
    plane = np.full((3, 3), np.inf)
    plane[1, 1] = 0.5
    result = LandscapeResult(
        tmp_path, config(), (Landscape("run $x$", {"training": line}, plane),), {"training": 4}, 10
    )
    draw_landscape(result.picture, result)
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert record["runs"][0]["lines"]["training"][0] is None
    assert record["runs"][0]["plane"][1] == [None, 0.5, None]
