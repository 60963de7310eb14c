"""Who this process is among those that train together, and what they tell each other."""

from __future__ import annotations

import pytest
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.stop import StopRequest
from augcli.train.together import OtherRankEndedError, Together, joined
from augcli.train.world import ALONE, NAMES, World, world_of_environment

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_one_is_alone() -> None:
    assert world_of_environment() == ALONE
    assert ALONE.is_first and (ALONE.share.rank, ALONE.share.ranks) == (0, 1)


def test_torchrun_says_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, "5812", strict=True):
        monkeypatch.setenv(name, value)
    assert world_of_environment() == World(rank=5, ranks=8, local_rank=1, local_ranks=2)


@pytest.mark.parametrize("local_rank", [None, "one"])
def test_half_of_what_torchrun_says(
    monkeypatch: pytest.MonkeyPatch, local_rank: str | None
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    with pytest.raises(UsageError, match="start with torchrun, or unset them"):
        world_of_environment()


def test_one_alone_tells_itself_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "init_process_group", None)
    tensor = torch.tensor([0.1, 2.0])
    with joined(ALONE, CPU) as together, StopRequest() as stop:
        assert together.is_alone and together.is_first
        assert together.sums([0.1, 3]) == together.greatest([0.1, 3]) == [0.1, 3]
        assert together.add_(tensor) is together.first_(tensor) is together.stacked(tensor)
        assert tensor.tolist() == torch.tensor([0.1, 2.0]).tolist()
        assert together.first_bytes(b"all") == b"all"
        assert together.first_flag(True) and not together.first_flag(False)
        together.wait()
        stop.count(together.sums(stop.votes))
        assert stop.signal is None


def test_of_what_all_find_out_alike_the_first_one_tells() -> None:
    for rank in (0, 1):
        with (
            pytest.raises(AugcliError) as raised,
            Together(World(rank, 2, rank, 2)).one_voice(),
        ):
            raise UsageError("too small")
        assert raised.value.told_elsewhere == (rank == 1)


def test_a_line_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Together(World(1, 2, 1, 2))
    for reason, told in (
        ("Connection closed by peer", "rank 1: another rank ended: see its message"),
        ("no such device", "rank 1: can't talk to the others: no such device"),
        ("Timed out waiting 1800000ms", "rank 1: another rank has not answered for 30 minutes"),
    ):

        def broken(*_: object, reason: str = reason) -> None:
            raise RuntimeError(reason)

        monkeypatch.setattr(torch.distributed, "all_reduce", broken)
        with pytest.raises(OtherRankEndedError) as raised:
            together.sums([1.0])
        assert str(raised.value) == told


def test_who_is_in_a_group_already_is_not_taken_into_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with (
        pytest.raises(UsageError, match="leave its process group"),
        joined(World(0, 2, 0, 2), CPU),
    ):
        pass


def test_ranks_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(AugcliError, match=r"rank 0: can't join the others: .*MASTER_"),
        joined(World(0, 2, 0, 2), CPU),
    ):
        pass
