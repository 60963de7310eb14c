"""Splits, made before anything is expanded, by hash of the key: adding images moves no others."""

from __future__ import annotations

from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import key_fraction

DEFAULT_FRACTION = 0.15

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "val": "val",
    "valid": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


def resolve_fractions(
    present: frozenset[str], val_fraction: float | None, test_fraction: float | None
) -> tuple[float, float]:
    """The parts of the unsplit samples that become validation and test.

    Data without splits give `DEFAULT_FRACTION` to each. Data with their own splits keep them; a
    missing validation split (needed to choose the best checkpoint) is taken from training, a
    missing test split only when asked for.

    Raises:
        UsageError: for a fraction of a split that the data already have, or a sum of 1 or more.
    """
    for name, fraction in (("val", val_fraction), ("test", test_fraction)):
        if fraction and name in present:
            raise UsageError(
                f"--{name}-fraction {fraction}: the data bring their own {name} split; "
                "leave the option out"
            )
    if val_fraction is None:
        val_fraction = 0.0 if "val" in present else DEFAULT_FRACTION
    if test_fraction is None:
        test_fraction = 0.0 if present else DEFAULT_FRACTION
    if val_fraction + test_fraction >= 1.0:
        raise UsageError(
            f"--val-fraction {val_fraction} and --test-fraction {test_fraction} leave nothing "
            "to train on: their sum must be below 1"
        )
    return val_fraction, test_fraction


def split_of(key: str, val_fraction: float, test_fraction: float) -> str:
    """The split of an unsplit sample. The same threshold in every class stratifies on average."""
    if not test_fraction + val_fraction:
        return "train"
    position = key_fraction(key, "augcli-split")
    if position < test_fraction:
        return "test"
    if position < test_fraction + val_fraction:
        return "val"
    return "train"
