"""Weights to begin with: what is taken, what is left and told, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
import re
import sys
import urllib.error
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.checkpoint import VERSION, Checkpoint, save_checkpoint
from augcli.train.forward import MEAN, STD
from augcli.train.models import MODELS, build_model
from augcli.train.weights import load_weights

State = dict[str, torch.Tensor]


def small(seed: int, classes: int = 3, pixels: int = 32) -> nn.Module:
    return build_model("small", classes, (pixels, pixels), seed)


def state_of(model: nn.Module) -> State:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(model: nn.Module, state: State, but: tuple[str, ...] = ()) -> bool:
    now = model.state_dict()
    return all(torch.equal(now[key], state[key]) == (key not in but) for key in now)


def saved(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


def our_checkpoint(path: Path, model: nn.Module, classes: str = "abc") -> str:
    checkpoint = Checkpoint(
        model_name="small",
        classes=list(classes),
        size=[32, 32],
        identity={},
        epoch=1,
        batch=0,
        totals={},
        history=[],
        best_epoch=1,
        model=dict(model.state_dict()),
        optimizer={},
        cpu_rng=None,
        cuda_rng=None,
    )
    save_checkpoint(path, checkpoint)
    return str(path)


@pytest.mark.parametrize(
    "form",
    ["ours", "plain", "ordered", "module.", "_orig_mod.", "both", "state_dict", "safetensors"],
)
def test_every_form_gives_the_same_weights(form: str, tmp_path: Path) -> None:
    donor, model = small(1), small(2)
    state = state_of(donor)
    path = tmp_path / "weights.pt"
    if form == "ours":
        our_checkpoint(path, donor)
    elif form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        prefix = {"both": "module._orig_mod."}.get(form, form if form.endswith(".") else "")
        content: Any = {f"{prefix}{key}": value for key, value in state.items()}
        content = {"ordered": OrderedDict(content), "state_dict": {form: content, "epoch": 3}}.get(
            form, content
        )
        saved(path, content)
    report = load_weights(model, "small", str(path))
    assert same(model, state)
    assert (report.loaded, report.initialised, report.notes) == (len(state), (), ())
    assert (report.mean, report.std) == ((MEAN, STD) if form == "ours" else (None, None))


def test_a_head_for_another_number_of_classes_stays(tmp_path: Path) -> None:
    donor, model = small(1, classes=5), small(2)
    before, wanted = state_of(model), state_of(donor)
    report = load_weights(model, "small", saved(tmp_path / "w.pt", wanted))
    head = ("head.weight", "head.bias")
    assert report.initialised == head
    assert report.notes == ("the head is as initialised, for 3 classes: the file's is for 5",)
    wanted |= {key: before[key] for key in head}
    assert same(model, wanted)
    assert report.loaded == len(before) - 2


@pytest.mark.parametrize("lost", [("head.weight", "head.bias"), ("head.bias",)])
def test_a_head_is_taken_whole_or_not_at_all(lost: tuple[str, ...], tmp_path: Path) -> None:
    model = small(2)
    before, donor = state_of(model), state_of(small(1))
    donor["head.bias"] += 1
    content = {key: value for key, value in donor.items() if key not in lost}
    report = load_weights(model, "small", saved(tmp_path / "w.pt", content))
    assert report.initialised == ("head.weight", "head.bias")
    assert len(report.notes) == 1
    assert torch.equal(model.state_dict()["head.weight"], before["head.weight"])
    assert torch.equal(model.state_dict()["head.bias"], before["head.bias"])


def test_a_head_for_as_many_but_other_classes_stays_where_they_are_known(tmp_path: Path) -> None:
    donor = small(1)
    source = our_checkpoint(tmp_path / "best.pt", donor, "abc")
    for classes, initialised in ((list("abc"), 0), (None, 0), (list("xyz"), 2)):
        report = load_weights(small(2), "small", source, classes)
        assert len(report.initialised) == initialised
    assert "as many, but others" in report.notes[0]


def test_a_stem_of_another_shape_stays(tmp_path: Path) -> None:
    donor, model = small(1, pixels=64), small(2, pixels=32)
    before, wanted = state_of(model), state_of(donor)
    report = load_weights(model, "small", saved(tmp_path / "w.pt", wanted))
    assert report.initialised == ("stem.conv.weight",)
    assert "64x12x3x3" in report.notes[0] and "64x48x3x3" in report.notes[0]
    wanted["stem.conv.weight"] = before["stem.conv.weight"]
    assert same(model, wanted)


def test_the_small_stem_takes_all_but_the_first_kernel(tmp_path: Path) -> None:
    donor = build_model("resnet18", 3, (32, 32), seed=1)
    model = build_model("resnet18", 3, (32, 32), seed=2, stem="small")
    report = load_weights(model, "resnet18", saved(tmp_path / "w.pt", donor.state_dict()))
    assert report.initialised == ("conv1.weight",)


def narrow_vit(classes: int, size: tuple[int, int]) -> nn.Module:
    """`vit_b_32` but for 88 million weights."""
    return VisionTransformer(
        image_size=size[0], patch_size=32, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32,
        num_classes=classes,
    )  # fmt: skip


def test_positions_are_interpolated_as_torchvision_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "vit_b_32", narrow_vit)
    donor = build_model("vit_b_32", 3, (96, 96), seed=1)
    model = build_model("vit_b_32", 3, (160, 160), seed=2)
    state = state_of(donor)
    report = load_weights(model, "vit_b_32", saved(tmp_path / "w.pt", state))
    wanted = interpolate_embeddings(160, 32, OrderedDict(state))
    assert same(model, wanted)
    assert report.notes == ("position embeddings are interpolated from 3x3 patches to 5x5",)
    assert report.initialised == ()


def test_what_does_not_fit_is_listed_and_nothing_is_changed(tmp_path: Path) -> None:
    model = small(2)
    before, content = state_of(model), state_of(small(1))
    content["body.0.conv.weight"] = torch.zeros(64, 16, 3, 3)
    del content["body.1.first.norm.bias"]
    content["body.9.weight"] = torch.zeros(1)
    with pytest.raises(UsageError) as refused:
        load_weights(model, "small", saved(tmp_path / "w.pt", content))
    said = str(refused.value)
    assert "3 tensors don't fit --model small" in said
    assert "body.0.conv.weight is 64x16x3x3, expected 64x32x3x3" in said
    assert "body.1.first.norm.bias is missing" in said and "body.9.weight is not expected" in said
    assert same(model, before)


def test_of_many_that_do_not_fit_ten_are_shown_and_all_counted(tmp_path: Path) -> None:
    content = build_model("resnet18", 3, (32, 32), seed=1).state_dict()
    model = small(2)
    with pytest.raises(UsageError) as refused:
        load_weights(model, "small", saved(tmp_path / "w.pt", content))
    said = str(refused.value)
    # No tensor has the same name in both; our head may be missing, counters too.
    count = len(content) + sum("num_batches" not in key for key in model.state_dict()) - 2
    assert f"{count} tensors don't fit" in said and f"and {count - 10} more" in said
    assert said.count(" is missing") + said.count(" is not expected") == 10


@pytest.mark.parametrize(
    ("key", "shape"), [("head.weight", (5, 128)), ("stem.conv.weight", (32, 12, 3, 3))]
)
def test_another_width_is_not_explained(key: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    content = state_of(small(1))
    content[key] = torch.zeros(shape)
    with pytest.raises(UsageError, match=rf"1 tensors don't fit.*{key} is"):
        load_weights(small(2), "small", saved(tmp_path / "w.pt", content))


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    source = our_checkpoint(tmp_path / "best.pt", small(1))
    with pytest.raises(UsageError, match=r"of --model small, and this one is resnet18"):
        load_weights(build_model("resnet18", 3, (32, 32), 0), "resnet18", source)


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", ["torch", "pickle", "in a state_dict"])
def test_nothing_is_executed(form: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "w.pt"
    payload: object = Payload(mark)
    if form == "in a state_dict":
        payload = {**state_of(small(1)), "payload": payload}
    if form == "pickle":
        path.write_bytes(pickle.dumps(payload))
    else:
        torch.save(payload, path)
    with pytest.raises(UsageError, match=r"refused: .*nothing in it was executed.*state_dict"):
        load_weights(small(2), "small", str(path))
    assert not mark.exists()
    os.system(f"touch {mark}")
    assert mark.exists()  # had it been executed, it would have been seen


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "holds a list"),
        ({}, "holds no weights"),
        ({"a": 1}, "entry 'a' is a int"),
        ({"a": torch.zeros(1), "module.a": torch.zeros(1)}, "two entries for a"),
        ({"format": "augcli-checkpoint", "version": 99}, "version 99"),
        ({"format": "augcli-checkpoint", "version": VERSION}, "holds no weights"),
    ],
)
def test_what_is_no_file_of_weights(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_weights(small(2), "small", saved(tmp_path / "w.pt", content))


@pytest.mark.parametrize("name", ["cut.pt", "text.pt", "empty.pt", "cut.safetensors"])
def test_damaged_files_are_named(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(state_of(small(1)), buffer)
    whole = buffer.getvalue()
    content = {"text.pt": b"weights", "empty.pt": b""}.get(name, whole[: len(whole) // 2])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"--weights \S*{name}: .*(is damaged|not a whole)"):
        load_weights(small(2), "small", str(tmp_path / name))


def test_without_the_library_for_safetensors_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    save_path = tmp_path / "w.safetensors"
    save_path.write_bytes(b"")
    with pytest.raises(UsageError, match="pip install safetensors"):
        load_weights(small(2), "small", str(save_path))


@pytest.mark.parametrize("source", ["default", "IMAGENET1K_V7", "/nowhere/best.pt"])
def test_no_such_weights(source: str) -> None:
    with pytest.raises(UsageError, match=rf"--weights {source}: .*has for it: none.*best\.pt"):
        load_weights(small(2), "small", source)
    if source != "default":
        model = build_model("resnet18", 3, (32, 32), 0)
        with pytest.raises(UsageError, match=r"has for it: default, IMAGENET1K_V1\)"):
            load_weights(model, "resnet18", source)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's folder for downloads, empty, and no network."""

    def unreachable(*args: object, **options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_a_network_it_is_said_how_to_fetch_them(cache: Path) -> None:
    model = build_model("resnet18", 3, (32, 32), 0)
    before = state_of(model)
    with pytest.raises(AugcliError) as refused:
        load_weights(model, "resnet18", "default")
    said = str(refused.value)
    assert "no network" in said
    assert "curl -LO https://download.pytorch.org/models/resnet18-f37072fd.pth" in said
    assert "--weights resnet18-f37072fd.pth" in said
    assert same(model, before)


@pytest.mark.parametrize("source", ["default", "IMAGENET1K_V1", "ResNet18_Weights.IMAGENET1K_V1"])
def test_published_weights(source: str, cache: Path) -> None:
    donor = torchvision.models.resnet18(num_classes=1000)
    torch.save(donor.state_dict(), cache / "resnet18-f37072fd.pth")
    model = build_model("resnet18", 3, (64, 64), 0)
    report = load_weights(model, "resnet18", source)
    assert report.initialised == ("fc.weight", "fc.bias")
    assert report.notes == ("the head is as initialised, for 3 classes: the file's is for 1000",)
    assert same(model, state_of(donor) | {k: model.state_dict()[k] for k in report.initialised})
    assert report.mean == (0.485, 0.456, 0.406) and report.std == (0.229, 0.224, 0.225)


def test_published_weights_with_old_names_and_auxiliary_heads(cache: Path) -> None:
    donor = torchvision.models.densenet121(num_classes=1000).state_dict()
    inside = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
    old = {inside.sub(r"\1.\2", key): value for key, value in donor.items()}
    assert old.keys() != donor.keys()
    torch.save(
        {key: value for key, value in old.items() if "num_batches" not in key},
        cache / "densenet121-a639ec97.pth",
    )
    report = load_weights(build_model("densenet121", 3, (32, 32), 0), "densenet121", "default")
    assert [key for key in report.initialised if "num_batches" not in key] == [
        *("classifier.weight", "classifier.bias")
    ]

    both = torchvision.models.googlenet(num_classes=1000, init_weights=False).state_dict()
    assert any(key.startswith("aux1") for key in both)
    torch.save(both, cache / "googlenet-1378be20.pth")
    report = load_weights(build_model("googlenet", 3, (96, 96), 0), "googlenet", "default")
    assert report.initialised == ("fc.weight", "fc.bias")
    assert report.mean == report.std == (0.5, 0.5, 0.5)


def test_published_weights_that_are_damaged(cache: Path) -> None:
    (cache / "resnet18-f37072fd.pth").write_bytes(b"PK")
    with pytest.raises(AugcliError, match=r"--weights default: .*resnet18-f37072fd\.pth"):
        load_weights(build_model("resnet18", 3, (64, 64), 0), "resnet18", "default")
