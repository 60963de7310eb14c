"""Rounds and copies: which view of a sample an epoch shows, whichever the source."""

from __future__ import annotations


def copy_of_round(round_number: int, originals: bool) -> int:
    """The copy that round `round_number` holds: with originals, round 0 is copy 0."""
    return round_number if originals else round_number + 1


def rounds_of_copies(copies: int, originals: bool) -> int:
    """How many rounds `copies` augmented copies make."""
    return copies + 1 if originals else copies
