"""A whole ablation: what is trained, kept, gone on with and decided."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from augcli.augment.policy import resolve_policy
from augcli.manifests.errors import Interrupted, UsageError
from augcli.train.comparisons import ablating, trainings
from augcli.train.comparisons.ablating import AblationResult, ablate
from augcli.train.comparisons.ablation_plan import variants
from augcli.train.comparisons.ablation_record import Ablation
from augcli.train.comparisons.config import AblateConfig
from augcli.train.comparisons.measurements import read_record
from augcli.train.config import TrainConfig

pytestmark = pytest.mark.usefixtures("sketches", "tiny", "no_report")


@pytest.fixture(scope="module", autouse=True)
def no_report() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write_ablation", "transform_strips"):
            patch.setattr(ablating, name, lambda *_: None)
        yield


@pytest.fixture(scope="module")
def config(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> AblateConfig:
    return AblateConfig(
        data=str(split_photos), policy="rotate-flip", model="tiny", size=16, batch_size=6, epochs=2,
        seeds=2, lr=0.003, workers=0, device="cpu", out=tmp_path_factory.mktemp("ablation"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def result(config: AblateConfig, tiny: str, sketches: None) -> AblationResult:
    return ablate(config)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    seen: list[TrainConfig] = []
    train = trainings.train

    def noted(config: TrainConfig, **more: Any) -> Any:
        seen.append(config)
        return train(config, **more)

    monkeypatch.setattr(trainings, "train", noted)
    return seen


def test_which_policies_are_trained_with() -> None:
    policy = resolve_policy("side-on", 16)
    found = variants(policy, alone=True)
    nodes = policy.serialized["transform"]["transforms"]
    kept = {arm: [nodes.index(n) for n in p["transform"]["transforms"]] for arm, p in found.items()}
    assert kept == {
        "whole": [0, 1, 2], "none": [],
        "without HorizontalFlip": [1, 2], "only HorizontalFlip": [0],
        "without Affine": [0, 2], "only Affine": [1],
        "without RandomBrightnessContrast": [0, 1], "only RandomBrightnessContrast": [2],
    }  # fmt: skip
    assert not any("only" in arm for arm in variants(policy, alone=False))
    with pytest.raises(UsageError, match="no transforms"):
        variants(resolve_policy("none", 16), alone=True)


def test_all_of_them_are_measured_on_every_seed(
    result: AblationResult, config: AblateConfig
) -> None:
    found = result.ablation
    arms = ["whole", "none", "without Rotate", "only Rotate", "without HorizontalFlip"]
    arms.append("only HorizontalFlip")
    assert [(t.seed, t.arm) for t in found.trainings] == [(s, arm) for s in (0, 1) for arm in arms]
    assert found.transforms == ("Rotate", "HorizontalFlip")
    assert (found.split, found.test_images, len(found.labels)) == ("val", 9, 9)
    assert {t.lr for t in found.trainings} == {0.003}
    policies = {}
    for record in config.out.glob("trainings/*-0-*/run.json"):
        run = json.loads(record.read_text())
        assert run["config"]["residual"] == run["config"]["sizes"] == "none"
        policy = run["source"]["policy"]
        nodes = policy["transform"]["transforms"] if policy else []
        arm = record.parent.name.partition("-0-")[0]
        policies[arm] = [node["__class_fullname__"] for node in nodes]
    # Of two transforms, the policy without one is the other alone.
    assert policies == {
        "whole": ["Rotate", "HorizontalFlip"], "none": [],
        "without-Rotate": ["HorizontalFlip"], "only-Rotate": ["Rotate"],
    }  # fmt: skip
    loss = {(t.arm, t.seed): t.log_loss for t in found.trainings}
    assert loss["without Rotate", 1] == loss["only HorizontalFlip", 1] != loss["none", 0]
    assert read_record(config.out / "measurements.json", Ablation) == found


def test_what_is_the_same_is_trained_once(
    result: AblationResult, config: AblateConfig, trained: list[TrainConfig]
) -> None:
    again = ablate(config)
    assert trained == [] and again.ablation == result.ablation
    more = ablate(dataclasses.replace(config, seeds=3))
    assert [config.seed for config in trained] == [2, 2, 2, 2]
    assert more.ablation.trainings[: len(result.ablation.trainings)] == result.ablation.trainings


def test_a_policy_of_one_transform(
    config: AblateConfig, trained: list[TrainConfig], tmp_path: Path
) -> None:
    policy = tmp_path / "one.yaml"
    policy.write_text(json.dumps({"transform": {"__class_fullname__": "D4", "p": 1.0}}))
    found = ablate(dataclasses.replace(config, policy=str(policy), epochs=1, seeds=2)).ablation
    assert len(trained) == 2 * 2
    assert [t.arm for t in found.trainings[:4]] == ["whole", "none", "without D4", "only D4"]
    assert found.trainings[0].log_loss == found.trainings[3].log_loss


def test_a_changed_file_is_another_policy(
    config: AblateConfig, trained: list[TrainConfig], tmp_path: Path
) -> None:
    policy = tmp_path / "own.yaml"
    for degrees in (10, 20):
        node = {"__class_fullname__": "Rotate", "limit": degrees, "p": 1.0}
        policy.write_text(json.dumps({"transform": node}))
        ablate(dataclasses.replace(config, policy=str(policy), lr=0.004, alone=False))
    # The second time `none` is there already.
    assert [str(c.out).rpartition("/")[2][:5] for c in trained] == [
        *("whole", "none-", "whole", "none-"), "whole", "whole",
    ]  # fmt: skip


def test_an_interrupted_one_says_how_it_goes_on(
    config: AblateConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Interrupted("stopped; augcli train … --resume", 2)

    monkeypatch.setattr(trainings, "train", stop)
    with pytest.raises(Interrupted) as stopped:
        ablate(dataclasses.replace(config, out=tmp_path))
    assert f"kept in {tmp_path}; go on with: augcli ablate --data" in str(stopped.value)
    assert stopped.value.exit_code == 130


def test_the_policy_less_what_is_dropped(
    result: AblationResult, config: AblateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert result.kept_policy is None  # two seeds of nine images tell nothing
    rows = result.analysis.transforms
    worse = dataclasses.replace(rows[0], decision="drop")
    analysis = dataclasses.replace(result.analysis, transforms=(worse, *rows[1:]))
    monkeypatch.setattr(ablating, "analyse_ablation", lambda ablation: analysis)
    kept = ablate(config).kept_policy
    assert kept == config.out / "kept.yaml"
    assert resolve_policy(str(kept), 16).build().transform_names == ("HorizontalFlip",)
    monkeypatch.undo()
    assert ablate(config).kept_policy is None and not kept.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "nonsense"}, "nonsense"),
        ({"policy": "none"}, "no transforms"),
        ({"data": "nowhere"}, "nowhere"),
        ({"seeds": 1}, "--seeds: 1 is too small"),
        ({"model": "smal"}, "unknown model"),
    ],
)
def test_a_wrong_request_changes_nothing(
    wrong: dict[str, Any], message: str, config: AblateConfig, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        ablate(dataclasses.replace(config, out=tmp_path / "out", **wrong))
    assert not (tmp_path / "out").exists()
