"""Training by several processes: which of them this one is.

Under `torchrun` each process is a *rank*. Reading needs no talk between them: what a rank reads
follows from the counts in the manifest. The rest is in `together`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from augcli.manifests.errors import UsageError
from augcli.train.order import Share

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class World:
    """The place of this process among all that train together.

    Attributes:
        local_rank, local_ranks: the same, among those on this machine.
    """

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local_ranks: int = 1

    @property
    def share(self) -> Share:
        """What this process reads."""
        return Share(self.rank, self.ranks)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0


def world_of_environment() -> World:
    """What `torchrun` says in the environment; without it, a world of one's own.

    Raises:
        UsageError: it says only a part, or no numbers.
    """
    found = {name: os.environ[name] for name in NAMES if name in os.environ}
    if "RANK" not in found or "WORLD_SIZE" not in found:
        return World()
    try:
        rank, ranks, local_rank, local_ranks = (int(found[name]) for name in NAMES)
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"the environment has {found}, but torchrun sets all of {', '.join(NAMES)} to whole "
            "numbers: start with torchrun, or unset them"
        ) from error
    return World(rank, ranks, local_rank, local_ranks)


ALONE = World()
"""Training by one process."""
