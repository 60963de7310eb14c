"""What an expansion will cost, told before it is made, and refused when it can't fit."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from augcli.augment import ExpandConfig, expand
from augcli.augment import estimate as module
from augcli.augment import expansion as expansion_module
from augcli.augment.encode import CODECS
from augcli.cli import main
from augcli.manifests.errors import AugcliError

Usage = namedtuple("Usage", "total used free")


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(data=str(data), out=out, copies=3, size=32, workers=1)
    return replace(base, **changes)  # type: ignore[arg-type]


def free_bytes(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - free, free))


@pytest.mark.parametrize("format", ["tar", "folder"])
@pytest.mark.parametrize("codec", ["jpeg", "png", "webp"])
def test_the_estimate_is_near_what_it_became(
    photos: Path, tmp_path: Path, codec: str, format: str
) -> None:
    result = expand(config(photos, tmp_path / "out", codec=codec, format=format))
    assert result.estimate is not None
    assert result.estimate.views == result.plan.views == result.views_made
    block = 512 if format == "tar" else 4096  # a file takes whole blocks
    used = sum(
        -(-path.stat().st_size // block) * block
        for path in (tmp_path / "out").rglob("*")
        if path.suffix in (".tar", ".jpg", ".png", ".webp") and path.name != "preview.png"
    )
    assert used / module.RESERVE < result.estimate.bytes < 1.3 * used


def test_balancing_and_growing_are_counted(photos: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    for path in sorted((data / "circle").iterdir())[:-4]:
        path.unlink()
    out = tmp_path / "out"
    held = {"val_fraction": 0.0, "test_fraction": 0.0}
    plain = expand(config(data, out, dry_run=True, **held)).estimate
    balanced = expand(config(data, out, dry_run=True, balance="full", **held)).estimate
    assert plain is not None
    assert balanced is not None
    assert (plain.views, balanced.views) == (20 * 4, 24 * 4)
    expand(config(data, out, **held))
    assert expand(config(data, out, dry_run=True, **held)).estimate is None
    grown = expand(config(data, out, copies=5, dry_run=True, **held)).estimate
    assert grown is not None
    assert grown.views == 20 * 2


def test_a_dry_run_compares_the_codecs(photos: Path, tmp_path: Path) -> None:
    arguments = ["expand", "--data", str(photos), "--out", str(tmp_path / "out"), "--dry-run"]
    told = CliRunner().invoke(main, [*arguments, "--codec", "png"])
    assert told.exit_code == 0, told.stderr
    lines = told.stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert [name for name in rows if name in CODECS] == ["png", "jpeg", "webp", "npy"]
    assert all(float(cell.replace(",", "")) > 0 for name in CODECS for cell in rows[name])
    assert "to make" in told.stdout
    assert not (tmp_path / "out").exists()
    content = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert content["estimate"]["costs"][0]["codec"] == "jpeg"
    assert content["estimate"]["bytes"] > 0


def test_images_that_can_not_be_used_are_passed_over(photos: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    images = sorted(data.rglob("*.jpg"))
    for path in images[::2]:
        path.write_bytes(b"\xff\xd8\xff broken")
    assert expand(config(data, tmp_path / "out", dry_run=True)).estimate is not None
    for path in images:
        path.write_bytes(b"\xff\xd8\xff broken")
    assert expand(config(data, tmp_path / "out", dry_run=True)).estimate is None


def test_what_can_not_fit_is_refused_before_anything_is_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "deep" / "out"
    free_bytes(monkeypatch, 50_000)
    with pytest.raises(AugcliError, match=r"--out .*MB are needed and 0\.05 MB are free") as told:
        expand(config(photos, out))
    assert "--copies" in str(told.value)
    assert not out.parent.exists()
    expand(config(photos, out, dry_run=True))  # only says
    free_bytes(monkeypatch, 10**9)
    expand(config(photos, out))


def test_growing_needs_room_only_for_what_is_new(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = expand(config(photos, tmp_path / "out", copies=9))
    assert result.estimate is not None
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    free_bytes(monkeypatch, result.estimate.bytes // 2)
    with pytest.raises(AugcliError, match="are needed"):
        expand(config(photos, tmp_path / "out", copies=30))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    expand(config(photos, tmp_path / "out", copies=10))


def test_a_rerun_needs_room_only_for_the_rest(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(photos, tmp_path / "out", shard_size=3)
    original, calls = expansion_module.run_task, iter(range(10**6))

    def stops(job: object, task: object) -> object:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return original(job, task)  # type: ignore[arg-type]

    monkeypatch.setattr(expansion_module, "run_task", stops)
    with pytest.raises(KeyboardInterrupt):
        expand(settings)
    monkeypatch.undo()
    whole = expand(replace(settings, dry_run=True)).estimate
    assert whole is not None
    free_bytes(monkeypatch, whole.bytes // 2)
    assert expand(settings).manifest is not None


def test_a_file_system_that_does_not_say_is_trusted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(path: Path) -> Usage:
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr(shutil, "disk_usage", silent)
    assert expand(config(photos, tmp_path / "out")).views_made > 0
