"""A model rebuilt from its checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from augcli.train.forward import Forward
from augcli.train.models import build_model
from augcli.train.trained import load_trained

CPU = torch.device("cpu")
MODEL = "shufflenet_v2_x0_5"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IDENTITY = {
    "config": {"model": MODEL, "stem": "small"},
    "source": {"fingerprint": "f"},
}


@pytest.fixture
def checkpoint() -> Checkpoint:
    model = build_model(MODEL, 3, (16, 16), seed=7, stem="small")
    return Checkpoint(
        model_name=MODEL, classes=["a", "b", "c"], size=[16, 16], identity=IDENTITY, epoch=3,
        batch=0, totals={}, history=[], best_epoch=3, model=model.state_dict(), optimizer={},
        cpu_rng=None, cuda_rng=None, mean=list(MEAN), std=list(STD),
    )  # fmt: skip


def test_it_is_the_model_that_was_saved(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(tmp_path / "best.pt", checkpoint)
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    model = build_model(MODEL, 3, (16, 16), seed=7, stem="small").eval()
    expected = Forward(CPU, MEAN, STD)(model, images)
    for place in (tmp_path, tmp_path / "best.pt"):
        trained = load_trained(place, CPU)
        assert torch.equal(trained.logits(images), expected)
        assert not trained.model.training
        assert (trained.classes, trained.size) == (("a", "b", "c"), (16, 16))
        assert trained.source == {"fingerprint": "f"}
        assert trained.run.args == tmp_path / "args.yaml"


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no trained model here: .* with best.pt in it"):
        load_trained(tmp_path, CPU)
    with pytest.raises(UsageError, match="no trained model here"):
        load_trained(tmp_path / "last.pt", CPU)
    (tmp_path / "best.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(AugcliError, match="not a whole augcli checkpoint"):
        load_trained(tmp_path, CPU)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": {}},
        {"identity": {}},
        {"identity": {"config": {"model": MODEL, "stem": "small"}}},
        {"identity": {**IDENTITY, "source": "?"}},
        {"identity": {**IDENTITY, "config": {"model": "none such"}}},
        {"size": []},
        {"size": ["a", "b"]},
        {"classes": ["a"]},
        {"mean": [0.5]},
    ],
    ids=str,
)
def test_a_checkpoint_of_something_else(
    tmp_path: Path, checkpoint: Checkpoint, changed: dict[str, object]
) -> None:
    path = tmp_path / "best.pt"
    save_checkpoint(path, dataclasses.replace(checkpoint, **changed))  # type: ignore[arg-type]
    assert load_checkpoint(path)
    with pytest.raises(AugcliError, match=r"best.pt: is damaged"):
        load_trained(tmp_path, CPU)
