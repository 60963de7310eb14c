"""Interruptions are told from errors, whatever became of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from augcli.manifests.errors import AugcliError, Interrupted, interruptions_as_such

SCRIPT = """
import sys
from augcli.manifests.errors import interruptions_as_such
try:
    with interruptions_as_such():
        exec("raise KeyboardInterrupt")
except KeyboardInterrupt:
    sys.exit(130)
"""


def in_a_lock() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("cannot release un-acquired lock")


def in_a_transform() -> None:
    try:
        in_a_lock()
    except Exception as error:
        raise AugcliError("cat.png: can't be warped") from error


@pytest.mark.parametrize("disguised", [in_a_lock, in_a_transform])
def test_what_came_of_an_interruption_is_one(disguised: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), interruptions_as_such():
        disguised()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="a bug"), interruptions_as_such():
        raise ValueError("a bug")
    with pytest.raises(AugcliError, match="no file"), interruptions_as_such():
        try:
            raise FileNotFoundError
        except FileNotFoundError as error:
            raise AugcliError("no file") from error


def test_an_interruption_that_says_how_to_go_on_keeps_its_words() -> None:
    with pytest.raises(Interrupted, match="--resume"), interruptions_as_such():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stopped:
            raise Interrupted("go on with --resume", 2) from stopped


def test_the_exit_code_stands_wherever_the_interruption_fell(tmp_path: Path) -> None:
    """Was: -2 now and then, when Ctrl-C fell into an import in which dataclasses are made."""
    (tmp_path / "interrupted.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "interrupted"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 130
