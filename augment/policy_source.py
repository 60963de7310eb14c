"""What the user wrote for a policy, before anything is made of it: a name, or a file's text."""

from __future__ import annotations

import re
from pathlib import Path

from augcli.manifests.errors import UsageError
from augcli.manifests.reading import read_within

FILE_EXTENSIONS = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 1 << 20

_COMMA = re.compile(r",(?![^\[]*\])(?!\s*\w+=)")
"""Not the commas between a preset's arguments, as in `keras:zoom_range=[0.9,1.1],rotation=20`."""


def policy_list(text: str) -> list[str]:
    """The names of several policies, with commas between them."""
    return [name.strip() for name in _COMMA.split(text)]


def is_file(name: str) -> bool:
    """Whether a policy's name is that of a file."""
    return Path(name).suffix.lower() in FILE_EXTENSIONS


def recorded_name(name: str) -> str:
    """The name that records keep: of a file without its folder, which is no one else's business."""
    return Path(name).name if is_file(name) else name


def policy_text(name: str) -> str:
    """The text of a policy's file; '' for presets.

    Raises:
        UsageError: the file can't be read, or is no policy by its size.
    """
    if not is_file(name):
        return ""
    try:
        return read_within(Path(name), MAX_FILE_BYTES).decode()
    except (OSError, ValueError) as error:
        raise UsageError(f"--policy {name}: can't be read: {error}") from error
