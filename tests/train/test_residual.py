"""The residual policy as a whole: pure, in order, in the right memory, and its loss."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from augcli.manifests.errors import UsageError
from augcli.train.residual import Mixed, Residual, mixed_loss
from augcli.train.residual_affine import affine_matrices, warp
from augcli.train.residual_draws import (
    Ids,
    draw_affine,
    draw_colours,
    draw_erased,
    draw_flips,
    draw_mixing,
    draw_shifts,
)
from augcli.train.residual_spec import ResidualSpec, parse_residual

SAMPLES = 40
SIZE = (24, 32)
IDS = np.random.default_rng(3).integers(0, 2**64, SAMPLES, dtype=np.uint64)
PIXELS = torch.from_numpy(
    np.random.default_rng(4).integers(0, 256, (SAMPLES, *SIZE, 3), dtype=np.uint8)
).permute(0, 3, 1, 2)
LABELS = torch.arange(SAMPLES) % 5

EVERY_SPEC = [
    "flip",
    "shift",
    "shift=5",
    "affine",
    "colour=0.5",
    "erase",
    "erase=1",
    "mixup",
    "cutmix",
    "mixup,cutmix",
    "flip,shift,erase",
    "flip,shift,erase,mixup",
    "flip,shift,erase,cutmix",
    "flip,shift,erase,mixup,cutmix",
    "flip,shift,affine,colour,erase,cutmix",
]


def residual(text: str, seed: int = 0, rounds: int | None = None) -> Residual:
    return Residual(parse_residual(text), seed=seed, rounds=rounds)


def batch(rows: slice | list[int]) -> tuple[torch.Tensor, torch.Tensor, Ids]:
    return PIXELS[rows], LABELS[rows], IDS[rows]


def by_hand(text: str, epoch: int, number: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """The images, float64 (B, H, W, 3), one by one and in the order that the docs give."""
    spec = parse_residual(text)
    images = PIXELS.permute(0, 2, 3, 1).numpy().astype(np.float64)
    flips = draw_flips(seed, IDS, epoch, None) & spec.flip
    most_y, most_x = spec.shift_limits(*SIZE)
    shifts = draw_shifts(seed, IDS, epoch, most_y, most_x)
    if spec.affine_strength is not None:  # all in one
        drawn = draw_affine(seed, IDS, epoch, spec.affine_strength)
        matrices = affine_matrices(drawn, flips, *shifts, SIZE, SIZE)
        images = warp(PIXELS, matrices, SIZE).permute(0, 2, 3, 1).numpy().astype(np.float64)
    else:
        images = np.stack([i[:, ::-1] if f else i for i, f in zip(images, flips, strict=True)])
        pads = (most_y, most_y), (most_x, most_x), (0, 0)
        padded = [np.pad(image, pads, mode="reflect") for image in images]
        images = np.stack(
            [
                image[most_y + y : most_y + y + SIZE[0], most_x + x : most_x + x + SIZE[1]]
                for image, (y, x) in zip(padded, zip(*shifts, strict=True), strict=True)
            ]
        )
    images = images.copy()
    if spec.colour_strength is not None:
        matrices = draw_colours(seed, IDS, epoch, spec.colour_strength)
        ones = np.ones((*images.shape[:3], 1))
        coloured = np.concatenate([images, ones], axis=3) @ matrices[:, None].swapaxes(2, 3)
        images = coloured.clip(0, 255).round()
    if spec.erase_probability is not None:
        for row, box in draw_erased(seed, IDS, epoch, spec.erase_probability, SIZE):
            images[row, box.top : box.bottom, box.left : box.right] = 128
    mixing = draw_mixing(spec, seed, epoch, number, SIZE)
    partners = images[[row - 1 for row in range(SAMPLES)]]
    if mixing is not None and mixing.box is not None:
        box = mixing.box
        window = slice(None), slice(box.top, box.bottom), slice(box.left, box.right)
        images[window] = partners[window]
    elif mixing is not None:
        images = mixing.share * images + (1 - mixing.share) * partners
    return images


def same(one: Mixed, other: Mixed) -> bool:
    pairs = [
        (getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(Mixed)
    ]
    return all(
        a is b if a is None or b is None else a.dtype == b.dtype and torch.equal(a, b)
        for a, b in pairs
    )


@pytest.mark.parametrize("text", EVERY_SPEC)
def test_pixels_are_those_of_one_image_after_another(text: str) -> None:
    for epoch, number in [(0, 0), (1, 0), (7, 3), (8, 2)]:
        result = residual(text)(PIXELS, LABELS, IDS, epoch=epoch, number=number)
        pixels = result.images.permute(0, 2, 3, 1).numpy()
        expected = by_hand(text, epoch, number)
        tolerance = 0 if result.images.dtype == torch.uint8 else 5e-5
        tolerance = 1 if "colour" in text else tolerance  # it rounds, which libraries do apart
        np.testing.assert_allclose(pixels, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("text", EVERY_SPEC)
@pytest.mark.parametrize("count", [0, 1, 2, SAMPLES])
def test_types_memory_and_what_is_left_alone(text: str, count: int) -> None:
    spec = parse_residual(text)
    for size in (SIZE, (11, 11), (12, 90)):
        images, labels, ids = PIXELS[:count, :, :1, :1], LABELS[:count], IDS[:count]
        images = images.repeat(1, 1, *size).contiguous(memory_format=torch.channels_last)
        before, ids_before = images.clone(), ids.copy()
        for number in range(6):
            result = residual(text)(images, labels, ids, epoch=number, number=number)
            mixing = draw_mixing(spec, 0, number, number, size)
            blended = mixing is not None and mixing.box is None
            assert result.images.dtype == (torch.float32 if blended else torch.uint8)
            assert result.images.shape == images.shape
            assert not count or result.images.is_contiguous(memory_format=torch.channels_last)
            assert result.labels is labels
            if mixing is None:
                assert result.partners is None and result.weights is None
            else:
                assert result.partners is not None and result.weights is not None
                assert result.partners.dtype == torch.int64
                assert torch.equal(result.partners, labels.roll(1))
                assert result.weights.dtype == torch.float32
                assert result.weights.tolist() == pytest.approx([mixing.share] * count)
            assert torch.equal(images, before) and np.array_equal(ids, ids_before)


@pytest.mark.parametrize(
    "text", ["flip", "shift", "affine", "colour", "erase=0.5", "flip,shift=3,affine,erase=0.5"]
)
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batch_size_and_order_change_no_sample(text: str, batch_size: int) -> None:
    for epoch in range(3):
        whole = residual(text)(PIXELS, LABELS, IDS, epoch=epoch, number=0).images
        order = np.random.default_rng(epoch).permutation(SAMPLES).tolist()
        policy = residual(text)
        for number, first in enumerate(range(0, SAMPLES, batch_size)):
            rows = order[first : first + batch_size]
            part = policy(*batch(rows), epoch=epoch, number=number).images
            assert torch.equal(part, whole[rows])


@pytest.mark.parametrize("text", EVERY_SPEC)
@pytest.mark.parametrize("rounds", [None, 4])
def test_a_resumed_run_goes_on_with_the_same_batches(text: str, rounds: int | None) -> None:
    """A new object that begins in the middle, or goes backwards, makes what the first one did."""
    places = [(epoch, number) for epoch in range(6) for number in range(3)]
    policy = residual(text, 5, rounds)
    rows = [slice(number * 13, number * 13 + 13) for _, number in places]
    run = [
        policy(*batch(part), epoch=epoch, number=number)
        for part, (epoch, number) in zip(rows, places, strict=True)
    ]
    for index in reversed(range(len(places))):
        epoch, number = places[index]
        resumed = residual(text, 5, rounds)
        assert same(resumed(*batch(rows[index]), epoch=epoch, number=number), run[index])


@pytest.mark.parametrize("text", [text for text in EVERY_SPEC if text not in ("flip", "mixup")])
def test_seed_and_epoch_decide(text: str) -> None:
    first = residual(text, 0)(PIXELS, LABELS, IDS, epoch=0, number=0)
    assert not same(first, residual(text, 1)(PIXELS, LABELS, IDS, epoch=0, number=0))
    assert not same(first, residual(text, 0)(PIXELS, LABELS, IDS, epoch=1, number=0))


def test_the_batch_number_decides_how_it_is_mixed_and_nothing_else() -> None:
    text = "flip,shift,erase=0.5"
    first, second = (
        residual(text)(PIXELS, LABELS, IDS, epoch=0, number=number) for number in (0, 1)
    )
    assert same(first, second)
    first, second = (
        residual(f"{text},cutmix")(PIXELS, LABELS, IDS, epoch=0, number=number) for number in (0, 1)
    )
    assert not same(first, second)


def test_flips_follow_the_stored_rounds() -> None:
    """Two rounds: epochs 0 and 2 show the same stored view, in its two states."""
    policy = residual("flip", rounds=2)
    epochs = [policy(PIXELS, LABELS, IDS, epoch=epoch, number=0).images for epoch in range(4)]
    assert torch.equal(epochs[2], epochs[0].flip(3))
    assert torch.equal(epochs[3], epochs[1].flip(3))
    fresh = residual("flip", rounds=None)
    epochs = [fresh(PIXELS, LABELS, IDS, epoch=epoch, number=0).images for epoch in range(4)]
    assert torch.equal(epochs[1], epochs[0].flip(3)) and torch.equal(epochs[2], epochs[0])


@pytest.mark.parametrize("text", ["flip", "erase=0.01", "flip,erase=1e-9"])
def test_a_batch_that_no_draw_touches_is_not_copied(text: str) -> None:
    single = [row for row in range(SAMPLES) if not draw_flips(0, IDS, 0, None)[row]][:1]
    images, labels, ids = batch(single)
    result = residual(text)(images, labels, ids, epoch=0, number=0)
    assert result.images is images
    images, labels, ids = PIXELS[:0], LABELS[:0], IDS[:0]
    assert residual(text)(images, labels, ids, epoch=0, number=0).images is images


def test_a_spec_without_transforms_changes_nothing() -> None:
    result = Residual(ResidualSpec(), seed=0, rounds=None)(PIXELS, LABELS, IDS, epoch=0, number=0)
    assert result.images is PIXELS and result.partners is None


@pytest.mark.parametrize("size", [(8, 16), (48, 40)])
def test_affine_resamples_at_once_to_the_size_that_is_asked_for(size: tuple[int, int]) -> None:
    policy = residual("flip,affine=1e-9,colour=1e-9,erase=0.5,cutmix")
    result = policy(PIXELS, LABELS, IDS, epoch=0, number=0, size=size)
    assert result.images.shape == (SAMPLES, 3, *size)
    mixing = draw_mixing(parse_residual("cutmix"), 0, 0, 0, size)
    assert mixing is not None and mixing.box is not None and result.weights is not None
    assert result.weights[0] == pytest.approx(1 - mixing.box.area / (size[0] * size[1]))
    without = residual("flip,colour")(PIXELS, LABELS, IDS, epoch=0, number=0, size=size)
    assert without.images.shape == PIXELS.shape


def test_samples_that_share_an_id_share_their_draws() -> None:
    ids = np.full(SAMPLES, 77, np.uint64)
    images = PIXELS[:1].expand(SAMPLES, -1, -1, -1).clone(memory_format=torch.channels_last)
    result = residual("flip,shift,affine,colour,erase")(
        images, LABELS, ids, epoch=0, number=0
    ).images
    assert (result == result[:1]).all()


def test_no_global_generator_is_used() -> None:
    before = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    for text in EVERY_SPEC:
        residual(text)(PIXELS, LABELS, IDS, epoch=0, number=0)
    after = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]


def test_a_shift_too_large_for_the_images() -> None:
    with pytest.raises(UsageError, match=r"--residual shift=12: .* 32 x 24 pixels: at most 11"):
        residual("shift=12")(PIXELS, LABELS, IDS, epoch=0, number=0)


@pytest.mark.parametrize("text", ["flip,shift,erase,mixup", "flip,shift,colour,erase,cutmix"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_makes_the_same_batches(text: str) -> None:
    here = residual(text)(PIXELS, LABELS, IDS, epoch=1, number=2)
    there = residual(text)(PIXELS.cuda(), LABELS.cuda(), IDS, epoch=1, number=2)
    assert {
        t.device.type for t in (there.images, there.partners, there.weights) if t is not None
    } == {"cuda"}
    torch.testing.assert_close(there.images.cpu(), here.images, rtol=0, atol=5e-5)
    assert there.partners is not None and here.partners is not None
    assert torch.equal(there.partners.cpu(), here.partners)


CLASSES = 5


def logits() -> torch.Tensor:
    values = np.random.default_rng(0).normal(size=(SAMPLES, CLASSES)).astype(np.float32)
    return torch.from_numpy(values * 3).requires_grad_()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_soft_targets(smoothing: float) -> None:
    partners = LABELS.roll(1)
    weights = torch.linspace(0, 1, SAMPLES)
    mixed = Mixed(PIXELS, LABELS, partners, weights)
    hot, partner_hot = (functional.one_hot(x, CLASSES).float() for x in (LABELS, partners))
    targets = weights[:, None] * hot + (1 - weights[:, None]) * partner_hot
    ours, theirs = logits(), logits()
    loss = mixed_loss(ours, mixed, smoothing)
    expected = functional.cross_entropy(theirs, targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    assert ours.grad is not None and theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_what_is_not_mixed_is_plain(smoothing: float) -> None:
    expected = functional.cross_entropy(logits(), LABELS, label_smoothing=smoothing)
    assert torch.equal(mixed_loss(logits(), Mixed(PIXELS, LABELS), smoothing), expected)
    whole = Mixed(PIXELS, LABELS, LABELS.roll(1), torch.ones(SAMPLES))
    torch.testing.assert_close(mixed_loss(logits(), whole, smoothing), expected)
    other = Mixed(PIXELS, LABELS.roll(1), LABELS, torch.zeros(SAMPLES))
    torch.testing.assert_close(mixed_loss(logits(), other, smoothing), expected)


def test_the_loss_takes_logits_of_half_precision() -> None:
    mixed = Mixed(PIXELS, LABELS, LABELS.roll(1), torch.full((SAMPLES,), 0.3))
    loss = mixed_loss(logits().bfloat16(), mixed, 0.1)
    torch.testing.assert_close(loss.float(), mixed_loss(logits(), mixed, 0.1), rtol=0.02, atol=0.02)
