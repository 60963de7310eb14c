"""The oldest releases that `pyproject.toml` allows, as pip's constraints: `make test-lowest`.

Only what augcli needs to run; what tests it is the newest. A bound is a promise to whoever can't
upgrade, and it is kept by installing exactly it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<how>==|>=)(?P<version>[0-9.]+)")


def lowest(project: dict[str, object]) -> Iterator[str]:
    """`NAME==VERSION` for each dependency of a parsed `pyproject.toml`.

    Raises:
        ValueError: a dependency without a lower bound, which could be anything.
    """
    for requirement in project["project"]["dependencies"]:  # type: ignore[index]
        found = REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise ValueError(f"{requirement}: expected NAME>=VERSION or NAME==VERSION")
        yield f"{found['name']}=={found['version']}"


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    sys.stdout.write("".join(f"{line}\n" for line in lowest(project)))
