"""Which samples make which batch on which rank: each once, in step, whatever the counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from augcli.train.order import (
    LEAST_PER_RANK,
    Batching,
    Indices,
    Share,
    epoch_order,
    windowed_order,
)

SAMPLES = (*range(1, 34), 64, 97, 100)
BATCH_SIZES = (1, 2, 3, 4, 5, 6, 8, 12, 16, 31, 64)
RANKS = (1, 2, 3, 4, 5, 8)
COUNTS = list(itertools.product(SAMPLES, BATCH_SIZES, RANKS))


def of_ranks(samples: int, batch_size: int, ranks: int) -> list[Batching]:
    return [Batching(samples, batch_size, Share(rank, ranks)) for rank in range(ranks)]


def cut(batching: Batching, order: Indices, own_part: bool) -> list[Indices]:
    return batching.of_own_part(order) if own_part else batching.of_global_batches(order)


@pytest.mark.parametrize("own_part", [False, True], ids=["global batches", "own part"])
def test_each_sample_once_over_all_ranks_and_as_many_batches_on_each(own_part: bool) -> None:
    for samples, batch_size, ranks in COUNTS:
        order = epoch_order(samples, 0, 0)
        cuts = [cut(each, order, own_part) for each in of_ranks(samples, batch_size, ranks)]
        assert {len(batches) for batches in cuts} == {-(-samples // batch_size)}
        seen = np.concatenate([part for batches in cuts for part in batches])
        assert sorted(seen.tolist()) == list(range(samples)), (samples, batch_size, ranks)


@pytest.mark.parametrize("own_part", [False, True], ids=["global batches", "own part"])
def test_shares_of_a_batch_are_as_large_but_for_one(own_part: bool) -> None:
    for samples, batch_size, ranks in COUNTS:
        shares = of_ranks(samples, batch_size, ranks)
        sizes = np.array(
            [[len(part) for part in cut(each, np.arange(samples), own_part)] for each in shares]
        )
        assert (np.ptp(sizes, axis=0) <= 1).all()
        assert (sizes.sum(axis=0) == np.diff(shares[0].bounds)).all()
        assert sizes.sum(axis=0).max() <= batch_size
        assert {each.smallest for each in shares} == {sizes.min()}


def test_several_ranks_share_the_very_batches_of_one() -> None:
    """But for where the last of them begins."""
    for samples, batch_size, ranks in COUNTS:
        order = epoch_order(samples, 3, 1)
        cuts = [each.of_global_batches(order) for each in of_ranks(samples, batch_size, ranks)]
        together = [np.concatenate(shares) for shares in zip(*cuts, strict=True)]
        assert np.concatenate(together).tolist() == order.tolist()
        alone = Batching(samples, batch_size).of_global_batches(order)
        for batch, same in zip(alone[:-2], together, strict=False):
            assert same.tolist() == batch.tolist()


def test_no_rank_goes_without_where_there_is_enough() -> None:
    for samples, batch_size, ranks in COUNTS:
        batching = Batching(samples, batch_size, Share(0, ranks))
        if ranks > 1 and batch_size >= 2 * ranks and samples >= ranks:
            assert batching.smallest >= 1, (samples, batch_size, ranks)
        wanted = LEAST_PER_RANK * ranks
        if ranks > 1 and batch_size >= 2 * wanted and samples >= wanted:
            assert batching.smallest >= LEAST_PER_RANK, (samples, batch_size, ranks)


def test_alone_only_the_last_batch_is_smaller() -> None:
    assert Batching(13, 4).bounds.tolist() == [0, 4, 8, 12, 13]
    assert Batching(13, 4, Share(1, 2)).bounds.tolist() == [0, 4, 8, 11, 13]
    assert Batching(0, 4).batches == Batching(0, 4).smallest == 0


@pytest.mark.parametrize("samples, batch_size, ranks", [(29, 6, 2), (29, 6, 3), (97, 16, 4)])
@pytest.mark.parametrize("own_part", [False, True], ids=["global batches", "own part"])
def test_each_key_once_per_epoch_wherever_it_was_interrupted(
    samples: int, batch_size: int, ranks: int, own_part: bool
) -> None:
    shards = np.arange(samples) // 10
    for epoch in range(3):
        order = windowed_order(shards, 5, 7, epoch) if own_part else epoch_order(samples, 7, epoch)
        for stop in range(-(-samples // batch_size) + 1):
            seen: list[int] = []
            for batching in of_ranks(samples, batch_size, ranks):
                before = cut(batching, order, own_part)[:stop]
                after = cut(batching, order.copy(), own_part)[stop:]
                seen += [int(index) for part in (*before, *after) for index in part]
            assert sorted(seen) == list(range(samples))


def test_an_order_is_a_permutation_of_its_own_for_each_seed_and_epoch() -> None:
    orders = [epoch_order(50, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("window", [1, 4, 1000])
def test_a_window_moves_samples_within_the_turn_of_their_shards(window: int) -> None:
    shards = np.repeat(np.arange(6), 10)
    for epoch in range(3):
        order = windowed_order(shards, window, 0, epoch)
        assert sorted(order.tolist()) == list(range(60))
        turns = list(dict.fromkeys(shards[windowed_order(shards, 1, 0, epoch)].tolist()))
        in_turn = np.concatenate([np.flatnonzero(shards == shard) for shard in turns])
        place = np.empty(60, np.int64)
        place[in_turn] = np.arange(60)
        assert (abs(place[order] - np.arange(60)) < window).all()
