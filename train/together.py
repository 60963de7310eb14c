"""What the ranks of a training tell each other. One alone talks to nobody, and pays nothing.

Every rank must call the same functions in the same order. Numbers go through memory (gloo) and
only tensors on a GPU from GPU to GPU (nccl): the end of another process is seen at once by the
former and, with nccl, not at all.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.world import ALONE, World

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for another that lives but says nothing."""
_BACKENDS = {"cpu": "cpu:gloo", "cuda": "cpu:gloo,cuda:nccl"}
_joinings = itertools.count()


class OtherRankEndedError(AugcliError):
    """This rank can't go on, because another one doesn't."""


class Together:
    """This rank's line to all others.

    Raises, in every method: OtherRankEndedError: another rank has ended, or can't be reached.
    """

    def __init__(self, world: World = ALONE) -> None:
        self.world = world

    @property
    def is_first(self) -> bool:
        """Whether this rank writes files and tells the user."""
        return self.world.is_first

    @property
    def is_alone(self) -> bool:
        """Whether there is no other rank."""
        return self.world.ranks == 1

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all ranks, in float64: the same bits on every rank."""
        if self.is_alone:
            return list(values)
        return self._reduced(values, dist.ReduceOp.SUM)

    def greatest(self, values: Sequence[float]) -> list[float]:
        """The greatest that any rank has of each value."""
        if self.is_alone:
            return list(values)
        return self._reduced(values, dist.ReduceOp.MAX)

    def add_(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor`, contiguous and as large on every rank, summed over them in place."""
        if not self.is_alone:
            with self._talking():
                dist.all_reduce(tensor)
        return tensor

    def first_(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor`, contiguous and as large on every rank, made that of the first in place."""
        if not self.is_alone:
            with self._talking():
                dist.broadcast(tensor, src=0)
        return tensor

    def stacked(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor`, as large on every rank, of all of them: (ranks, ...). Alone: as it is."""
        if self.is_alone:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.world.ranks)]
        with self._talking():
            dist.all_gather(parts, tensor)
        return torch.stack(parts)

    def first_bytes(self, content: bytes) -> bytes:
        """`content` of the first rank; that of the others doesn't count."""
        if self.is_alone:
            return content
        size = int(self.first_(torch.tensor([len(content)])).item())
        sent = bytearray(content) if self.is_first else bytearray(size)
        if size:
            self.first_(torch.frombuffer(sent, dtype=torch.uint8))
        return bytes(sent)

    def first_flag(self, flag: bool) -> bool:
        """What the first rank says."""
        return self.first_bytes(b"1" if flag else b"0") == b"1"

    def wait(self) -> None:
        """Until every rank is here."""
        self.sums([0.0])

    @contextmanager
    def one_voice(self) -> Iterator[None]:
        """Around what every rank finds out alike: of errors in it the first one tells."""
        try:
            yield
        except AugcliError as error:
            error.told_elsewhere = not self.is_first
            raise

    def _reduced(self, values: Sequence[float], operation: dist.ReduceOp.RedOpType) -> list[float]:
        numbers = torch.tensor(values, dtype=torch.float64)
        with self._talking():
            dist.all_reduce(numbers, operation)
        result: list[float] = numbers.tolist()
        return result

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise OtherRankEndedError(f"rank {self.world.rank}: {_meaning(error)}") from error


_OF_AN_END = ("peer", "connection", "broken pipe", "remote")
"""What gloo and nccl say of a process that is gone."""


def _meaning(error: RuntimeError) -> str:
    text = str(error).lower()
    if "timed out" in text:
        minutes = int(PATIENCE.total_seconds() // 60)
        return f"another rank has not answered for {minutes} minutes"
    if any(word in text for word in _OF_AN_END):
        return "another rank ended: see its message"
    return f"can't talk to the others: {str(error).strip().splitlines()[0]}"


_LETTING_GO_SECONDS = 0.05
"""In which gloo's threads let go of their last tensors. They need Python's lock for that, and torch
2.4 holds it while it waits for them to end: for ever, else, in some of all trainings."""


@contextmanager
def joined(world: World, device: torch.device) -> Iterator[Together]:
    """Within it the ranks of `world` can talk, tensors on `device` included.

    Raises:
        UsageError: the caller has joined them already.
        AugcliError: the others can't be reached.
    """
    if world.ranks == 1:
        yield Together()
        return
    if dist.is_initialized():
        raise UsageError(
            "torch.distributed is in use already: leave its process group before training, which "
            "joins one of its own"
        )
    hook = sys.excepthook
    try:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            _join(world, device)
            yield Together(world)
    finally:
        if dist.is_initialized():
            time.sleep(_LETTING_GO_SECONDS)
            dist.destroy_process_group()
        sys.excepthook = hook  # torch puts its own before it


def _join(world: World, device: torch.device) -> None:
    try:
        store, rank, ranks = next(rendezvous("env://", world.rank, world.ranks, timeout=PATIENCE))
        # A training of before, in the same processes, has left its addresses there.
        own = dist.PrefixStore(f"augcli {next(_joinings)}", store)  # type: ignore[attr-defined]
        dist.init_process_group(
            _BACKENDS[device.type], store=own, rank=rank, world_size=ranks, timeout=PATIENCE
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise AugcliError(
            f"rank {world.rank}: can't join the others: {reason}; were all started by torchrun?"
        ) from error
