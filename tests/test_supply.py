"""What augcli is made from: bounded, free of conflicts, and with licences that are known."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LISTED = (ROOT / "docs" / "licences.md").read_text("utf-8")


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_each_dependency_has_a_lowest_release(project: dict[str, Any]) -> None:
    lowest = script("lowest").lowest
    found = list(lowest(project))
    assert len(found) == len(project["project"]["dependencies"])
    assert "albumentations==2.0.8" in found
    with pytest.raises(ValueError, match="numpy: expected NAME>=VERSION"):
        list(lowest({"project": {"dependencies": ["numpy"]}}))


def test_extras_have_lowest_releases_too(project: dict[str, Any]) -> None:
    for extra, needs in project["project"]["optional-dependencies"].items():
        if extra != "test":
            assert all(re.search(r">=\d", need) for need in needs), extra


def test_nothing_that_is_installed_conflicts() -> None:
    if find_spec("pip") is None:
        pytest.skip("no pip here to ask")
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_licences_of_all_dependencies_are_listed(project: dict[str, Any]) -> None:
    needs = [re.split(r"[<>=]", need)[0] for need in project["project"]["dependencies"]]
    assert len(needs) > 10
    for need in needs:
        row = re.search(rf"^\| {re.escape(need)} \| [\d.]+ \| (.+) \|$", LISTED, re.M | re.I)
        assert row is not None, need
        assert row[1] != "not declared"


def test_no_licence_binds_who_uses_augcli() -> None:
    rows = list(script("licences").rows("augcli"))
    assert len(rows) > 30
    copyleft = [row for row in rows if re.search(r"\bA?GPL|Affero", row[2])]
    assert copyleft == []
    assert "albumentationsx" not in {package for package, _, _ in rows}
