"""The licences of what augcli needs to run, as packages declare them: makes docs/licences.md.

    python .ci/licences.py > docs/licences.md

Of everything that is installed because of augcli, direct and not, on this system.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADING = """# Licences

augcli is MIT. This is what it needs to run, with the licences that the packages declare, as they
were installed on Linux with Python {python}; `python .ci/licences.py` lists those on your machine.
What their wheels contain besides may have others: OpenCV's have FFmpeg (LGPL-2.1).

| package | version | licence |
|---|---|---|
"""
SYSTEM = ("cuda-", "nvidia-")
"""Prefixes of what torch brings on some systems only: NVIDIA's libraries, under NVIDIA's terms."""
LONGEST = 60


def needed(name: str, seen: set[str] | None = None) -> Iterator[Distribution]:
    """The installed packages that `name` needs, without itself or extras, each once."""
    seen = {canonicalize_name(name)} if seen is None else seen
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        key = canonicalize_name(requirement.name)
        if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(key)
        try:
            found = distribution(key)
        except PackageNotFoundError:
            continue
        yield found
        yield from needed(key, seen)


def licence(metadata: Message) -> str:
    """As its author declared it: an expression, classifiers, or the first line of a text."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    kinds = [
        str(line).rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier", [])
        if str(line).startswith("License ::") and not str(line).endswith("OSI Approved")
    ]
    text = next(
        (line.strip() for line in str(metadata.get("License", "")).splitlines() if line), ""
    )
    return ", ".join(kinds) or text[:LONGEST] or "not declared"


def rows(name: str) -> Iterator[tuple[str, str, str]]:
    """Package, version and licence, sorted by package; those of one system as one row."""
    found = {each.metadata["Name"].lower(): each for each in needed(name)}
    for package in sorted(found):
        if not package.startswith(SYSTEM):
            each = found[package]
            yield package, each.version, licence(each.metadata)  # type: ignore[arg-type]
    if any(package.startswith(SYSTEM) for package in found):
        yield f"{', '.join(f'{prefix}*' for prefix in SYSTEM)} (by torch)", "", "NVIDIA's own"


if __name__ == "__main__":
    sys.stdout.write(HEADING.format(python=re.sub(r"\.\d+$", "", sys.version.split()[0])))
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in rows("augcli")))
