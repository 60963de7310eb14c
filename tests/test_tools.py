"""Ruff and mypy, from the one `pyproject.toml`, as part of the suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_check() -> None:
    run("ruff", "check", "--no-cache", ".")


def test_ruff_format() -> None:
    run("ruff", "format", "--no-cache", "--check", ".")


def test_mypy_strict(tmp_path: Path) -> None:
    """Under its import name: mypy does not follow setuptools' `package-dir`."""
    import os

    (tmp_path / "augcli").symlink_to(ROOT, target_is_directory=True)
    config = str(ROOT / "pyproject.toml")
    cache = str(tmp_path / "cache")
    env = {**os.environ, "MYPYPATH": str(tmp_path)}
    run("mypy", "--config-file", config, "--cache-dir", cache, cwd=tmp_path, env=env)
