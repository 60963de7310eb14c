"""Words: readable names of folders for texts that may hold anything, and plurals."""

from __future__ import annotations

import hashlib
import re

MAX_LENGTH = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")


def readable_name(text: str) -> str:
    """What is left of `text` in a safe name; other texts may leave the same."""
    return _UNSAFE.sub("-", text).strip("-.")[:MAX_LENGTH]


def safe_name(text: str) -> str:
    """`text` where it is a safe name; else what is left of it, and a hash of all of it."""
    readable = readable_name(text)
    if readable == text:
        return text
    return f"{readable}-{hashlib.blake2b(text.encode(), digest_size=3).hexdigest()}"


def counted(number: int, thing: str) -> str:
    """`1 training`, `2 trainings`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
