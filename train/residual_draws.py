"""What the residual policy draws, and for whom: pure functions, in numpy, on the CPU.

What concerns a sample is a function of (seed, sample id, epoch, name of the transform); what
concerns a whole batch, of (seed, epoch, number of the batch in it). `ids` are uint64, shape (B,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from augcli.manifests.hashing import view_seed
from augcli.train.residual_spec import ResidualSpec

Ids = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

ERASE_AREA = (0.02, 0.33)
"""Share of the image's area."""
ERASE_ASPECT = (0.3, 3.3)
"""Height over width."""
LUMA = (0.299, 0.587, 0.114)
"""Of R, G and B in grey (ITU-R BT.601), as in albumentations' and torchvision's saturation."""
MIDDLE_GREY = 128
"""What changes of contrast leave alone."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_LOW_HALF = (1 << 64) - 1


@dataclass(frozen=True)
class Box:
    """The pixels with top <= row < bottom and left <= column < right."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class Mixing:
    """How every image of one batch is mixed with its partner."""

    share: float
    """Of the image and its label; the partner has the rest."""
    box: Box | None
    """The pixels that become the partner's; None: all are blended."""


def sample_words(seed: int, name: str, epoch: int, ids: Ids, count: int) -> npt.NDArray[np.uint64]:
    """`count` random words for each sample, uint64 (count, B); another `name`, other words.

    SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195) with a state
    of its own for each sample, so that a word needs no other sample's and all are made at once.
    """
    key = view_seed(seed, f"residual {name}", epoch)  # no sample's key has a space
    states = _finalised(ids ^ np.uint64(key & _LOW_HALF)) ^ np.uint64(key >> 64)
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    return _finalised(states + steps[:, None])


def _finalised(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser, a bijection: every bit in decides every bit out."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _fractions(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Each word as a number in [0, 1), from its upper 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_flips(seed: int, ids: Ids, epoch: int, rounds: int | None) -> npt.NDArray[np.bool_]:
    """Which samples are mirrored, bool (B,): every stored view in every second visit to it.

    A hash decides how a sample begins, then it alternates (Jordan 2024, section on alternating
    flip, https://arxiv.org/abs/2404.00498). Epoch `e` shows stored view `e mod rounds`: an even
    number of rounds would show each view in one state for ever, so every pass over the rounds
    begins with the other state than the last.
    """
    passes = epoch // rounds if rounds is not None and rounds % 2 == 0 else 0
    first = sample_words(seed, "flip", 0, ids, 1)[0] >> np.uint64(63)
    flips: npt.NDArray[np.bool_] = first != (epoch + passes) % 2
    return flips


def draw_shifts(
    seed: int, ids: Ids, epoch: int, most_y: int, most_x: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pixels in y and in x, int64 (B,) each, uniform from -most to most: where to read from."""
    down, right = _fractions(sample_words(seed, "shift", epoch, ids, 2))
    return _whole(down, -most_y, most_y), _whole(right, -most_x, most_x)


def draw_affine(seed: int, ids: Ids, epoch: int, strength: float) -> Floats:
    """Zoom, turn in radians, and moves down and right as shares of the sides: float64 (4, B).

    Zooms lie between 1 / (1 + strength) and 1 + strength, uniform in their logarithm; turns go up
    to `strength` radians either way, and moves to half of it.
    """
    zoom, turn, down, right = 2 * _fractions(sample_words(seed, "affine", epoch, ids, 4)) - 1
    most = strength / 2
    return np.stack([(1 + strength) ** zoom, strength * turn, most * down, most * right])


def draw_colours(seed: int, ids: Ids, epoch: int, strength: float) -> Floats:
    """For each sample a matrix of R, G, B and 1 to R, G and B, 0..255: float64 (B, 3, 4).

    Saturation, contrast and brightness in turn, each by a factor uniform in 1 - strength to
    1 + strength: the distance from the pixel's own grey, from middle grey, and from black.
    """
    words = sample_words(seed, "colour", epoch, ids, 3)
    factors = 1 + strength * (2 * _fractions(words) - 1)
    saturation, contrast, brightness = factors[:, :, None, None]
    mixed = saturation * np.eye(3) + (1 - saturation) * np.array(LUMA)
    offset = np.broadcast_to(MIDDLE_GREY * (1 - contrast) * brightness, (len(ids), 3, 1))
    return np.concatenate([brightness * contrast * mixed, offset], axis=2)


def draw_erased(
    seed: int, ids: Ids, epoch: int, probability: float, size: tuple[int, int]
) -> list[tuple[int, Box]]:
    """The samples that lose a box, by their place in the batch, and the boxes.

    Random erasing (Zhong et al. 2020, https://arxiv.org/abs/1708.04896): the area is uniform, the
    aspect uniform in its logarithm so that tall and wide are alike, and the place uniform. Where
    the paper draws again until a box fits, the aspect is drawn among those that fit.
    """
    height, width = size
    chance, area, aspect, top, left = _fractions(sample_words(seed, "erase", epoch, ids, 5))
    areas = (ERASE_AREA[0] + area * (ERASE_AREA[1] - ERASE_AREA[0])) * height * width
    least, most = (np.clip(a, areas / width**2, height**2 / areas) for a in ERASE_ASPECT)
    aspects = least * (most / least) ** aspect
    heights = np.clip(np.rint(np.sqrt(areas * aspects)), 1, height).astype(np.int64)
    widths = np.clip(np.rint(np.sqrt(areas / aspects)), 1, width).astype(np.int64)
    tops, lefts = _whole(top, 0, height - heights), _whole(left, 0, width - widths)
    edges = np.stack([tops, tops + heights, lefts, lefts + widths], axis=1)
    erased = np.flatnonzero(chance < probability)
    return [(int(row), Box(*edges[row].tolist())) for row in erased]


def _whole(
    fractions: npt.NDArray[np.float64], least: int, most: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Whole numbers from `least` to `most`, both included."""
    return least + (fractions * (most - least + 1)).astype(np.int64)


def draw_mixing(
    spec: ResidualSpec, seed: int, epoch: int, number: int, size: tuple[int, int]
) -> Mixing | None:
    """How batch `number` of `epoch` is mixed; None without mixup and cutmix, half each with both.

    Mixup: Zhang et al. 2018, https://arxiv.org/abs/1710.09412. Cutmix: Yun et al. 2019,
    https://arxiv.org/abs/1905.04899, with boxes as in the authors' code: uniform centres, cut off
    at the border, the share corrected to what is left of the box.
    """
    mixup, cutmix = spec.mixup_alpha, spec.cutmix_alpha
    key = view_seed(seed, f"residual batch {number}", epoch)
    rng = np.random.Generator(np.random.Philox(key=key))
    cutmix_turn = rng.random() < 0.5
    if cutmix is not None and (mixup is None or cutmix_turn):
        box = _cut(rng, 1 - rng.beta(cutmix, cutmix), size)
        return Mixing(share=1 - box.area / (size[0] * size[1]), box=box)
    if mixup is not None:
        return Mixing(share=rng.beta(mixup, mixup), box=None)
    return None


def _cut(rng: np.random.Generator, share: float, size: tuple[int, int]) -> Box:
    """A box in the image's own aspect that would cover `share` of it without the border."""
    edges = []
    for side in size:
        length = int(side * share**0.5)
        first = int(rng.integers(side)) - length // 2
        edges += [max(0, first), min(side, first + length)]
    return Box(*edges)
