"""A machine that fails is told in one line, and what was saved is kept."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests import files
from augcli.manifests.errors import AugcliError
from augcli.train import checkpoint as checkpoint_module
from augcli.train import saving
from augcli.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.faults import told
from augcli.train.run import train


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("saves_before", [0, 1])
def test_a_full_disk(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves_before: int
) -> None:
    saved: list[Path] = []

    def save(path: Path, content: Checkpoint) -> None:
        if len(saved) == saves_before:
            monkeypatch.setattr(files, "publish", full_disk)
        saved.append(path)
        save_checkpoint(path, content)

    monkeypatch.setattr(saving, "save_checkpoint", save)
    out = tmp_path / "run"
    with pytest.raises(AugcliError) as failed:
        train(
            TrainConfig(data=str(split_photos), size=16, epochs=1, workers=0, out=out, device="cpu")
        )
    message = str(failed.value)
    assert message.startswith(f"{out}: No space left on device")
    if saves_before:
        assert f"--out {out} --resume" in message
        assert load_checkpoint(out / "last.pt").epoch == 0
    else:
        assert "give the command again" in message
    assert not list(out.glob(".*"))


def test_torch_does_not_hide_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            full_disk()
            return 0

        def fileno(self) -> int:
            raise AssertionError("not reached")

    class Opened:
        def __enter__(self) -> Full:
            return Full()

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(checkpoint_module, "atomic_file", lambda path: Opened())
    empty = Checkpoint("", [], [], {}, 0, 0, {}, [], None, {}, {}, None, None)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "last.pt", empty)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), told(tmp_path, lambda: ""):
        raise RuntimeError("shape mismatch")
