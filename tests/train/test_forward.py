"""From pixels to logits: normalisation, and in which precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train import forward as module
from augcli.train.forward import Forward, choose_precision

CPU = torch.device("cpu")


def test_the_model_sees_pixels_by_their_own_mean_and_deviation() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    seen = Forward(CPU, mean, std)(nn.Identity(), pixels)
    for channel in range(3):
        expected = (pixels[:, channel] / 255 - mean[channel]) / std[channel]
        torch.testing.assert_close(seen[:, channel], expected)


def test_bfloat16_is_near_and_logits_are_float32() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    pixels = torch.randint(0, 256, (8, 3, 4, 4), dtype=torch.uint8)
    exact = Forward(CPU)(model, pixels)
    near = Forward(CPU, dtype=torch.bfloat16)(model, pixels)
    assert near.dtype == exact.dtype == torch.float32
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512_vnni", None), ("fpu avx512_bf16 amx_tile", torch.bfloat16), (None, None)],
)
def test_auto_goes_by_the_processor(
    flags: str | None,
    expected: torch.dtype | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(module, "CPU_FLAGS", tmp_path / "cpuinfo")
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    assert choose_precision("auto", CPU) == expected


def test_precision_by_name() -> None:
    assert choose_precision("fp32", CPU) is None
    assert choose_precision("bf16", CPU) == torch.bfloat16
    assert choose_precision("fp16", torch.device("cuda")) == torch.float16
    with pytest.raises(UsageError, match=r"--precision fp16: for GPUs"):
        choose_precision("fp16", CPU)
    with pytest.raises(UsageError, match=r"unknown precision 'fp8'.*bf16"):
        choose_precision("fp8", CPU)
