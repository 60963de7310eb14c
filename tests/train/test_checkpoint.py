"""Checkpoints: whole or as before, and nothing in one executes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.manifests import files
from augcli.manifests.errors import AugcliError
from augcli.train import checkpoint as module
from augcli.train.checkpoint import Checkpoint, Totals, load_checkpoint, save_checkpoint
from augcli.train.models import build_model
from augcli.train.step import to_device


def example(epoch: int = 3) -> Checkpoint:
    model = to_device(build_model("small", 2, (16, 16), seed=epoch), torch.device("cpu"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.randn(2, 3, 16, 16)).sum().backward()
    optimizer.step()
    return Checkpoint(
        model_name="small",
        classes=["cat", "狗"],
        size=[16, 16],
        identity={"config": {"lr": None, "seed": 2**63 - 1}, "source": {"policy": ["a"]}},
        epoch=epoch,
        batch=2,
        totals=module.plain_totals(Totals(0.1 + 0.2, 3, 4, 0.5, 0.25)),
        history=[{"epoch": 1, "train_loss": 1 / 3, "val_loss": None}],
        best_epoch=1,
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        cpu_rng=torch.get_rng_state(),
        cuda_rng=None,
    )


def assert_same(one: Any, other: Any) -> None:
    """Equal to the last bit, through dicts and lists, with the same memory order of tensors."""
    assert type(one) is type(other) or isinstance(one, dict)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and one.stride() == other.stride()
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    saved = example()
    save_checkpoint(tmp_path / "last.pt", saved)
    assert_same(vars(load_checkpoint(tmp_path / "last.pt")), vars(saved))
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("when", ["writing", "publishing"])
def test_a_failure_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, example(epoch=1))
    before = path.read_bytes()

    def fail(*args: Any) -> None:
        if when == "writing":
            args[1].write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(*((torch, "save") if when == "writing" else (files, "publish")), fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, example(epoch=2))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(AugcliError, match=r"last\.pt: there is no checkpoint"):
        load_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, example())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AugcliError, match=r"last\.pt: not a whole augcli checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [{"model": {}}, torch.zeros(3), [1, 2], {"format": "other"}])
def test_foreign_torch_files(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(AugcliError, match=r"model\.pt: a torch file, but not"):
        load_checkpoint(tmp_path / "model.pt")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_text("epoch,train_loss\n1,2.0\n")
    with pytest.raises(AugcliError, match="made by something else"):
        load_checkpoint(tmp_path / "last.pt")


def test_another_version_and_missing_parts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    whole = {"format": module.FORMAT, "version": module.VERSION, **vars(example())}
    torch.save({**whole, "version": 99}, path)
    with pytest.raises(AugcliError, match="version 99"):
        load_checkpoint(path)
    torch.save({**whole, "epoch": "three", "model": None}, path)
    with pytest.raises(AugcliError, match="lacks a sound epoch, model"):
        load_checkpoint(path)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_nothing_in_it_executes(tmp_path: Path, form: str) -> None:
    path, trace = tmp_path / "last.pt", tmp_path / "executed"
    content = {"format": module.FORMAT, "version": module.VERSION, "model": Payload(trace)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(AugcliError, match="nothing in it was executed"):
        load_checkpoint(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists(), "the payload of this test does nothing"
