"""The tree tells the flow: imports point one way, and heavy ones stay inside commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOW = ("cli", "train", "augment", "shards", "manifests")

FORBIDDEN = {
    "manifests": {"torch", "torchvision", "cv2", "PIL", "albumentations", "tarfile", "click"},
    "shards": {"torch", "torchvision", "albumentations", "cv2", "PIL", "click"},
    "augment": {"click"},
    "train": {"click", "albumentations"},
}
HEAVY = ("torch", "torchvision", "albumentations", "cv2", "numpy", "pyarrow", "matplotlib", "rich")


def modules() -> list[tuple[str, Path]]:
    found = [("cli", ROOT / "cli.py")]
    for room in FLOW[1:]:
        found += [(room, path) for path in sorted((ROOT / room).rglob("*.py"))]
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which room they enter"
            yield str(node.module)


def wrong_imports(room: str, source: str) -> list[str]:
    """What a module of `room` imports against the flow, or that its room must not know."""
    wrong = []
    for name in imported(ast.parse(source)):
        parts = name.split(".")
        if parts[0] == "augcli":
            assert len(parts) > 1, "import from a room, not from the package"
            if FLOW.index(parts[1]) < FLOW.index(room):
                wrong.append(name)
        elif parts[0] in FORBIDDEN.get(room, ()):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(
    ("room", "path"), modules(), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_imports_point_one_way(room: str, path: Path) -> None:
    assert wrong_imports(room, path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("manifests", "from augcli.shards.tar import BLOCK"),
        ("shards", "import augcli.augment.policy"),
        ("augment", "def f():\n    from augcli.train import loader"),
        ("train", "from augcli.cli import main"),
        ("train", "import click"),
        ("manifests", "import numpy, cv2"),
    ],
)
def test_a_wrong_import_is_seen(room: str, line: str) -> None:
    assert len(wrong_imports(room, line)) == 1


def test_every_room_is_shipped_and_nothing_else() -> None:
    import tomllib

    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = set(config["tool"]["setuptools"]["packages"])
    folders = {
        path.parent.relative_to(ROOT) for room in FLOW[1:] for path in (ROOT / room).rglob("*.py")
    }
    assert packages == {"augcli", *(".".join(("augcli", *f.parts)) for f in folders)}
    assert [path.name for path in ROOT.glob("*.py")] == ["cli.py"]
    others = sorted(
        (path.parent.name, path.name)
        for room in FLOW[1:]
        for path in (ROOT / room).rglob("*.*")
        if path.suffix not in (".py", ".pyc")
    )
    shipped = config["tool"]["setuptools"]["package-data"]
    listed = [(p.removeprefix("augcli."), name) for p, names in shipped.items() for name in names]
    assert sorted(listed) == others


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, augcli.cli; print(*sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    assert not loaded & set(HEAVY)


def test_expansion_needs_no_torch() -> None:
    """Importing torch takes over a second in every worker; only AutoAugment's kin need it."""
    code = (
        "import sys, numpy as np\n"
        "from augcli.augment.task import run_task\n"
        "from augcli.augment.policy import resolve_policy\n"
        "resolve_policy('augmentor', 16).build()(np.zeros((16, 16, 3), np.uint8), 1)\n"
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
