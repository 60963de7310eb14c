"""Rounds and copies: which views of a sample an epoch shows, whichever the source."""

from __future__ import annotations


def copies_of_round(round_number: int, repeats: int, originals: bool) -> range:
    """The copies that round `round_number` holds of a sample with `repeats` views per round.

    Every round has its own; with originals, copy 0 is the first of round 0.
    """
    first = round_number * repeats + (0 if originals else 1)
    return range(first, first + repeats)


def rounds_of_copies(copies: int, originals: bool) -> int:
    """How many rounds `copies` augmented copies make."""
    return copies + 1 if originals else copies
