"""The residual policy's draws: known answers, rates, ranges, and independence of all from all."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from augcli.manifests.hashing import view_seed
from augcli.train.residual_draws import (
    ERASE_AREA,
    ERASE_ASPECT,
    Box,
    Ids,
    Mixing,
    draw_affine,
    draw_colours,
    draw_erased,
    draw_flips,
    draw_mixing,
    draw_shifts,
    sample_words,
)
from augcli.train.residual_spec import ResidualSpec, parse_residual

MANY = 20_000
IN_ORDER = np.arange(MANY, dtype=np.uint64)
"""The hardest ids: neighbours differ in their lowest bits only."""
WORD = (1 << 64) - 1


def splitmix64(state: int) -> int:
    """The finaliser in whole numbers, from its definition."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & WORD
    return state ^ (state >> 31)


def near(observed: float, expected: float, deviation: float) -> bool:
    """Within 4.5 standard deviations; nothing here changes from run to run."""
    return abs(observed - expected) < 4.5 * deviation


def fractions(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    return words.astype(np.float64) / 2.0**64


def test_words_are_splitmix64s() -> None:
    """Its first five for the seed 1234567, as published with its C code's ports."""
    gamma = 0x9E3779B97F4A7C15
    known = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [splitmix64(1234567 + n * gamma & WORD) for n in range(1, 6)] == known

    key = view_seed(3, "residual shift", 7)
    for sample in (0, 1, 2**63, WORD, 0xDEADBEEF):
        state = splitmix64(sample ^ (key & WORD)) ^ (key >> 64)
        expected = [splitmix64(state + n * gamma & WORD) for n in range(1, 5)]
        words = sample_words(3, "shift", 7, np.array([sample], np.uint64), 4)
        assert words[:, 0].tolist() == expected


def test_words_are_uniform() -> None:
    words = sample_words(0, "shift", 0, IN_ORDER, 3)
    for word in words:
        counts = np.bincount((word >> np.uint64(56)).astype(np.int64), minlength=256)
        expected = MANY / 256
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        assert near(chi_square, 255, (2 * 255) ** 0.5)
        for bit in range(64):
            ones = int((word >> np.uint64(bit) & np.uint64(1)).sum())
            assert near(ones, MANY / 2, MANY**0.5 / 2)


def test_streams_are_independent() -> None:
    """Of seeds, epochs, transforms, words within one, and neighbouring samples."""
    streams = [
        fractions(sample_words(seed, name, epoch, IN_ORDER, 2))
        for seed, name, epoch in itertools.product((0, 1), ("flip", "shift", "erase"), (0, 1, 2))
    ]
    words = np.concatenate(streams)
    assert len(np.unique(words)) == words.size
    shifted = np.concatenate([words, np.roll(words, 1, axis=1)])
    correlations = np.corrcoef(shifted) - np.eye(len(shifted))
    # 2,556 pairs: the largest of as many independent ones is at 3.6 deviations.
    assert np.abs(correlations).max() < 5 / MANY**0.5


def test_neighbours_differ_in_half_of_their_bits() -> None:
    words = sample_words(0, "flip", 0, IN_ORDER, 1)[0]
    changed = np.unpackbits((words[1:] ^ words[:-1]).view(np.uint8))
    assert near(float(changed.mean()), 0.5, 0.5 / len(changed) ** 0.5)


def test_draws_stay_what_they_are() -> None:
    """A run begun with one version of augcli goes on with the next."""
    ids = np.array([0, 1, 2**63, WORD, 0xC0FFEE], np.uint64)
    first = (sample_words(7, "flip", 0, ids, 1)[0] >> np.uint64(63)).tolist()
    for epoch, passes in ((0, 0), (3, 0), (4, 1), (9, 2)):
        expected = [(bit + epoch + passes) % 2 == 1 for bit in first]
        assert draw_flips(7, ids, epoch, 4).tolist() == expected
    assert draw_flips(7, ids, 3, 4).tolist() == [True, True, False, True, True]
    down, right = draw_shifts(7, ids, 3, 9, 9)
    assert down.tolist() == [-4, -7, 3, -7, -2] and right.tolist() == [5, 4, 1, 3, -8]
    zoom, turn, _, right = draw_affine(7, ids, 3, 0.2)[:, 0]
    assert [zoom, turn, right] == pytest.approx([1.1150624, 0.0966637, -0.0180787], abs=1e-6)
    red, _, _ = draw_colours(7, ids, 3, 0.2)[0].tolist()
    assert red == pytest.approx([1.141168, -0.086526, -0.016804, -14.737678], abs=1e-5)
    erased = draw_erased(7, ids, 3, 0.5, (64, 96))
    assert erased == [(0, Box(19, 61, 5, 51)), (1, Box(2, 40, 39, 57))]
    spec = parse_residual("mixup,cutmix")
    assert draw_mixing(spec, 7, 3, 1, (64, 96)) == Mixing(1 - 8 * 17 / (64 * 96), Box(0, 8, 2, 19))
    assert draw_mixing(spec, 7, 3, 2, (64, 96)) == Mixing(pytest.approx(0.100967, abs=1e-6), None)


PER_SAMPLE: dict[str, Callable[[int, Ids, int], list[object]]] = {
    "flip": lambda seed, ids, epoch: list(draw_flips(seed, ids, epoch, 4)),
    "shift": lambda seed, ids, epoch: list(
        zip(*(offsets.tolist() for offsets in draw_shifts(seed, ids, epoch, 3, 9)), strict=True)
    ),
    "affine": lambda seed, ids, epoch: draw_affine(seed, ids, epoch, 0.3).T.tolist(),
    "colour": lambda seed, ids, epoch: draw_colours(seed, ids, epoch, 0.3).tolist(),
    "erase": lambda seed, ids, epoch: [
        dict(draw_erased(seed, ids, epoch, 0.5, (24, 32))).get(row) for row in range(len(ids))
    ],
}


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_a_sample_draws_the_same_in_any_company(name: str) -> None:
    draw, ids = PER_SAMPLE[name], IN_ORDER[:60]
    whole = draw(5, ids, 2)
    assert draw(5, ids, 2) == whole
    assert draw(5, ids[::-1].copy(), 2) == whole[::-1]
    for size in (1, 7, 60):
        parts = [draw(5, ids[first : first + size], 2) for first in range(0, 60, size)]
        assert list(itertools.chain(*parts)) == whole
    assert draw(6, ids, 2) != whole
    assert draw(5, ids, 3) != whole
    assert draw(5, ids + np.uint64(1000), 2) != whole


def visits(epochs: int, rounds: int | None) -> npt.NDArray[np.bool_]:
    """Whether each of 500 samples is mirrored, bool (epochs, 500)."""
    return np.array([draw_flips(1, IN_ORDER[:500], epoch, rounds) for epoch in range(epochs)])


@pytest.mark.parametrize("rounds", [None, 1, 2, 3, 4, 5, 6, 7])
def test_every_stored_view_alternates_over_its_visits(rounds: int | None) -> None:
    """Fresh views count as one stored view of each sample."""
    epochs = visits(40, rounds)
    for stored in range(rounds or 1):
        states = epochs[stored :: rounds or 1]
        assert (states[1:] != states[:-1]).all()


@pytest.mark.parametrize("rounds", [None, 1, 2, 3, 4, 5, 6, 7])
def test_samples_alternate_by_epoch_within_a_pass_over_the_rounds(rounds: int | None) -> None:
    epochs = visits(40, rounds)
    for epoch in range(1, 40):
        new_pass = rounds is not None and rounds % 2 == 0 and epoch % rounds == 0
        assert ((epochs[epoch] == epochs[epoch - 1]) == new_pass).all()


@pytest.mark.parametrize("rounds", [None, 3, 4])
def test_half_of_the_samples_begin_mirrored(rounds: int | None) -> None:
    for seed in range(5):
        assert near(draw_flips(seed, IN_ORDER, 0, rounds).mean(), 0.5, 0.5 / MANY**0.5)
    begin = np.array([draw_flips(seed, IN_ORDER, 0, rounds) for seed in (0, 1)])
    assert near((begin[0] == begin[1]).mean(), 0.5, 0.5 / MANY**0.5)


def test_shifts_are_uniform_and_independent() -> None:
    down, right = draw_shifts(0, IN_ORDER, 0, 2, 7)
    for offsets, most in ((down, 2), (right, 7)):
        assert offsets.dtype == np.int64
        values, counts = np.unique(offsets, return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        share = 1 / len(values)
        assert all(near(n, MANY * share, (MANY * share * (1 - share)) ** 0.5) for n in counts)
    assert near(float(np.corrcoef(down, right)[0, 1]), 0, 1 / MANY**0.5)
    flips = draw_flips(0, IN_ORDER, 0, None)
    assert near(float(np.corrcoef(flips, right)[0, 1]), 0, 1 / MANY**0.5)
    assert not any(offsets.any() for offsets in draw_shifts(0, IN_ORDER, 0, 0, 0))


def test_affine_draws_fill_their_ranges_and_are_independent() -> None:
    drawn = draw_affine(0, IN_ORDER, 0, 0.2)
    zoom, turn, down, right = drawn
    for values, most in ((np.log(zoom), np.log(1.2)), (turn, 0.2), (down, 0.1), (right, 0.1)):
        assert np.abs(values).max() <= most
        counts = np.histogram(values, bins=10, range=(-most, most))[0]
        assert all(near(n, MANY / 10, (MANY * 0.09) ** 0.5) for n in counts)
    shifts = draw_shifts(0, IN_ORDER, 0, 99, 99)
    correlations = np.corrcoef([*drawn, *shifts]) - np.eye(6)
    assert np.abs(correlations).max() < 4.5 / MANY**0.5


def test_colours_are_three_factors() -> None:
    """Greys show contrast and brightness: the saturation leaves them alone."""
    matrices = draw_colours(0, IN_ORDER, 0, 0.3)
    white, black, middle = (matrices @ np.array([v, v, v, 1.0]) for v in (255, 0, 128))
    for greys in (white, black, middle):
        np.testing.assert_allclose(greys, greys[:, :1] @ np.ones((1, 3)), atol=1e-9)
    brightness = middle[:, 0] / 128
    contrast = (white - black)[:, 0] / 255 / brightness
    red_over_green = (matrices @ np.array([100.0, 0, 0, 0]))[:, :2]
    saturation = (red_over_green[:, 0] - red_over_green[:, 1]) / 100 / brightness / contrast
    factors = np.stack([saturation, contrast, brightness])
    assert factors.min() >= 0.7 and factors.max() <= 1.3
    for values in factors:
        counts = np.histogram(values, bins=10, range=(0.7, 1.3))[0]
        assert all(near(n, MANY / 10, (MANY * 0.09) ** 0.5) for n in counts)
    assert np.abs(np.corrcoef(factors) - np.eye(3)).max() < 4.5 / MANY**0.5


def test_full_strength_takes_all_colour_away_at_most() -> None:
    """A saturation near 0 leaves a grey of the pixel's own lightness."""
    matrices = draw_colours(0, IN_ORDER, 0, 1.0)
    flattest = matrices[np.ptp(matrices[:, :, 0], axis=1).argmin()]
    grey = flattest @ np.array([200.0, 30.0, 90.0, 1.0])
    assert np.ptp(grey) < 1


@pytest.mark.parametrize("probability", [0.25, 0.9, 1.0])
def test_erasing_is_as_frequent_as_asked(probability: float) -> None:
    erased = [row for row, _ in draw_erased(0, IN_ORDER, 0, probability, (64, 64))]
    assert erased == sorted(set(erased))
    deviation = (probability * (1 - probability) / MANY) ** 0.5
    assert near(len(erased) / MANY, probability, deviation + 1e-12)


def test_a_higher_probability_keeps_the_boxes() -> None:
    few = dict(draw_erased(0, IN_ORDER, 0, 0.1, (64, 64)))
    many = dict(draw_erased(0, IN_ORDER, 0, 0.6, (64, 64)))
    assert few.items() < many.items()


@pytest.mark.parametrize("size", [(1000, 1000), (1200, 600), (500, 2000)])
def test_erased_boxes_are_those_of_the_paper(size: tuple[int, int]) -> None:
    boxes = [box for _, box in draw_erased(0, IN_ORDER, 0, 1.0, size)]
    edges = np.array([(b.top, b.bottom, b.left, b.right) for b in boxes])
    top, bottom, left, right = edges.T
    heights, widths = bottom - top, right - left
    assert (top >= 0).all() and (bottom <= size[0]).all() and (heights >= 1).all()
    assert (left >= 0).all() and (right <= size[1]).all() and (widths >= 1).all()

    areas = heights * widths / (size[0] * size[1])
    assert areas.min() == pytest.approx(ERASE_AREA[0], abs=2e-3)
    assert areas.max() == pytest.approx(ERASE_AREA[1], abs=2e-3)
    spread = ERASE_AREA[1] - ERASE_AREA[0]
    assert near(float(areas.mean()), sum(ERASE_AREA) / 2, spread / (12 * MANY) ** 0.5)

    aspects = heights / widths
    assert aspects.min() >= ERASE_ASPECT[0] * 0.98 and aspects.max() <= ERASE_ASPECT[1] * 1.02
    # Over what is left free, places are uniform: rounding is all that moves the mean.
    for first, free in ((top, size[0] - heights), (left, size[1] - widths)):
        roomy = free > 50
        assert np.mean(first[roomy] / free[roomy]) == pytest.approx(0.5, abs=0.01)


def test_erased_boxes_are_as_often_tall_as_wide() -> None:
    boxes = [box for _, box in draw_erased(0, IN_ORDER, 0, 1.0, (1000, 1000))]
    logs = np.log([(b.bottom - b.top) / (b.right - b.left) for b in boxes])
    assert near(float(logs.mean()), 0, float(logs.std()) / MANY**0.5)
    assert logs.std() == pytest.approx(np.log(3.3 / 0.3) / 12**0.5, rel=0.02)


def test_all_that_a_sample_draws_is_independent() -> None:
    """Within erasing, and between it, shifts and flips: no two may share a word."""
    size = 1000
    boxes = dict(draw_erased(0, IN_ORDER, 0, 1.0, (size, size)))
    edges = np.array([(box.top, box.bottom, box.left, box.right) for box in boxes.values()])
    top, bottom, left, right = edges.T.astype(np.float64)
    height, width = bottom - top, right - left
    down, across = draw_shifts(0, IN_ORDER, 0, 50, 50)
    drawn = {
        "erased": np.isin(IN_ORDER, [row for row, _ in draw_erased(0, IN_ORDER, 0, 0.5, (9, 9))]),
        "area": height * width,
        "aspect": np.log(height / width),
        "top": top / (size - height),
        "left": left / (size - width),
        "down": down,
        "across": across,
        "flipped": draw_flips(0, IN_ORDER, 0, None),
    }
    correlations = np.corrcoef(np.array(list(drawn.values()), np.float64)) - np.eye(len(drawn))
    assert np.abs(correlations).max() < 4.5 / MANY**0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (8, 8), (5, 200)])
def test_erased_boxes_fit_images_of_any_shape(size: tuple[int, int]) -> None:
    for _, box in draw_erased(0, IN_ORDER[:2000], 0, 1.0, size):
        assert 0 <= box.top < box.bottom <= size[0] and 0 <= box.left < box.right <= size[1]


def mixings(spec: str, count: int = 4000, size: tuple[int, int] = (32, 48)) -> list[Mixing]:
    drawn = [
        draw_mixing(parse_residual(spec), 0, number % 4, number // 4, size)
        for number in range(count)
    ]
    assert all(mixing is not None for mixing in drawn)
    return [mixing for mixing in drawn if mixing is not None]


def test_nothing_is_mixed_unasked() -> None:
    assert draw_mixing(ResidualSpec(flip=True, erase_probability=1.0), 0, 0, 0, (8, 8)) is None


def test_a_batch_is_mixed_the_same_way_each_time() -> None:
    spec = parse_residual("mixup,cutmix")
    first = [
        draw_mixing(spec, 1, epoch, number, (32, 32)) for epoch in range(9) for number in range(9)
    ]
    again = [
        draw_mixing(spec, 1, epoch, number, (32, 32)) for epoch in range(9) for number in range(9)
    ]
    assert first == again
    assert len({str(mixing) for mixing in first}) == 81
    assert draw_mixing(spec, 2, 0, 0, (32, 32)) not in first


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_shares_are_betas(alpha: float) -> None:
    drawn = mixings(f"mixup={alpha}")
    assert all(mixing.box is None for mixing in drawn)
    shares = np.array([mixing.share for mixing in drawn])
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.min() >= 0 and shares.max() <= 1
    assert near(float(shares.mean()), 0.5, (variance / len(shares)) ** 0.5)
    assert shares.var() == pytest.approx(variance, rel=0.06)


def test_cutmix_shares_are_what_the_boxes_leave() -> None:
    height, width = 32, 48
    boxes = [mixing.box for mixing in mixings("cutmix")]
    for mixing, box in zip(mixings("cutmix"), boxes, strict=True):
        assert box is not None
        assert 0 <= box.top <= box.bottom <= height and 0 <= box.left <= box.right <= width
        pixels = np.zeros((height, width))
        pixels[box.top : box.bottom, box.left : box.right] = 1
        assert mixing.share == pytest.approx(1 - pixels.mean())


def test_cutmix_boxes_have_uniform_centres_and_areas() -> None:
    """With alpha 1 a box's full area is uniform; the border cuts nothing of small ones inside."""
    boxes = [mixing.box for mixing in mixings("cutmix", 8000, (400, 200))]
    inside = [
        b for b in boxes if b and b.top > 0 and b.left > 0 and b.bottom < 400 and b.right < 200
    ]
    ratios = [(b.bottom - b.top) / max(1, b.right - b.left) for b in inside if b.area > 400]
    assert np.median(ratios) == pytest.approx(2.0, rel=0.05)
    # E[visible share] for a side share s and a uniform centre is s - s^2 / 4; s^2 is uniform.
    shares = np.array([box.area / (400 * 200) for box in boxes if box])
    sides = np.sqrt((np.arange(100_000) + 0.5) / 100_000)
    assert shares.mean() == pytest.approx(((sides - sides**2 / 4) ** 2).mean(), abs=0.012)
    cut_top = np.mean([box.top == 0 for box in boxes if box])
    cut_bottom = np.mean([box.bottom == 400 for box in boxes if box])
    assert cut_top == pytest.approx(cut_bottom, abs=0.03)


def test_half_of_the_batches_each_where_both_are_asked_for() -> None:
    drawn = mixings("mixup,cutmix")
    cut = np.array([mixing.box is not None for mixing in drawn])
    assert near(float(cut.mean()), 0.5, 0.5 / len(cut) ** 0.5)
    assert near(float((cut[1:] == cut[:-1]).mean()), 0.5, 0.5 / len(cut) ** 0.5)


def test_tiny_alphas_give_whole_shares() -> None:
    assert {mixing.share for mixing in mixings("mixup=1e-300", 50)} == {0.0, 1.0}
    for mixing in mixings("cutmix=1e-300", 50):
        assert mixing.box is not None and 0 <= mixing.share <= 1


def test_boxes_count_their_pixels() -> None:
    assert Box(2, 5, 1, 9).area == 24 and Box(3, 3, 0, 9).area == 0
