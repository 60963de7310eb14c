"""Law 6 for as long as one likes: `benchmarks/soak.py`, here for a few kills."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = spec_from_file_location("soak", ROOT / "benchmarks" / "soak.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("format", "kills"), [("tar", 2), ("folder", 1)])
def test_a_few_kills(
    soak: ModuleType, photos: Path, tmp_path: Path, format: str, kills: int
) -> None:
    options = ("--format", format, "--workers", "2", "--shard-size", "6")
    run = soak.Soak(str(photos), tmp_path, copies=20, size=32, options=options)
    run.run(kills, seed=1)
    assert run.wrong == []
    assert run.killed.total() == kills


def test_a_difference_is_seen(soak: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "shards").mkdir(parents=True)
        (tmp_path / name / "shards" / "a.tar").write_bytes(b"same")
    assert soak.differences(tmp_path / "one", tmp_path / "two") == []
    (tmp_path / "two" / "shards" / "a.tar").write_bytes(b"sam!")
    (tmp_path / "one" / ".work").mkdir()
    assert soak.differences(tmp_path / "one", tmp_path / "two") == [".work", "shards/a.tar"]
