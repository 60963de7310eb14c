"""The options that decide bytes, as a manifest records them: which values readers rely on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augcli.manifests.balance import BALANCE_MODES

CODEC_NAMES = ("jpeg", "png", "webp", "npy")
FIT_NAMES = ("crop", "pad", "stretch")
FORMAT_NAMES = ("tar", "folder")

MIN_SIZE, MAX_SIZE = 8, 4096
MAX_COPIES = 10_000
MAX_QUALITY = 100
SEED_BELOW = 2**63
MIN_MEGAPIXELS = 0.001


@dataclass(frozen=True)
class Allowed:
    """The values that an option can have: of these types, and, where given, within these."""

    kinds: tuple[type, ...]
    choices: tuple[str, ...] | None = None
    least: float = -math.inf
    most: float = math.inf

    def holds(self, value: object) -> bool:
        """Whether `value` is one of them; no number but a finite one is."""
        if type(value) not in self.kinds:
            return False
        if isinstance(value, str) and self.choices is not None:
            return value in self.choices
        if isinstance(value, int | float) and not isinstance(value, bool):
            return math.isfinite(value) and self.least <= value <= self.most
        return True


OPTIONS: Mapping[str, Allowed] = {
    "copies": Allowed((int,), least=0, most=MAX_COPIES),
    "policy": Allowed((str,)),
    "size": Allowed((int,), least=MIN_SIZE, most=MAX_SIZE),
    "fit": Allowed((str,), FIT_NAMES),
    "codec": Allowed((str,), CODEC_NAMES),
    "format": Allowed((str,), FORMAT_NAMES),
    "quality": Allowed((int, type(None)), least=1, most=MAX_QUALITY),
    "seed": Allowed((int,), least=0, most=SEED_BELOW - 1),
    "originals": Allowed((bool,)),
    "shard_size": Allowed((int,), least=1),
    "max_megapixels": Allowed((int, float), least=MIN_MEGAPIXELS),
    "dedupe": Allowed((bool,)),
    "balance": Allowed((str,), BALANCE_MODES),
    "class_policy": Allowed((dict,)),
}
"""The recorded options.

`quality` is None where the codec has none; `class_policy` names the policies of the classes that
have one of their own.
"""


def checked_options(content: Mapping[str, Any]) -> dict[str, Any]:
    """The options, when those that readers rely on are there and can be so.

    Raises:
        KeyError: one is missing.
        ValueError: one has a value that no expansion has.
    """
    for name, allowed in OPTIONS.items():
        if not allowed.holds(content[name]):
            raise ValueError(f"option {name}: {content[name]!r:.200}")
    return dict(content)
