"""What verification finds: a place in a dataset, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the manifest says: where, and what.

    `shard` is the shard whose bytes are not those that were published; '' for all other faults.
    """

    where: str
    what: str
    shard: str = ""
