"""A compiled policy draws what albumentations draws, and their pictures are held together.

Draws: the same transforms with the same parameters from the same stream. Pictures: where each
pixel is resampled at most once, equal to a level or two; where one resampling does for several,
the same geometry to a fraction of a pixel (told by pictures whose colours are coordinates), and
never less sharp.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from albumentations.augmentations.geometric import functional as geometric

from augcli.augment.decode import Pixels
from augcli.augment.pipeline import A
from augcli.augment.policy import Policy, resolve_policy
from augcli.augment.presets import PRESETS

SIDES = (48, 47)
SEEDS = [s * 7919 + (s << 100) for s in range(12)]
SLOPE = 4  # grey levels per pixel of the coordinate picture
BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
    "reflect101": cv2.BORDER_REFLECT_101,
}
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}

pytestmark = pytest.mark.filterwarnings("ignore:ShiftScaleRotate is a special case")

Draw = Callable[[Pixels, int], tuple[Pixels, Any]]
Transforms = Callable[[int], list[Any]]
Reference = Callable[[dict[str, Any]], Draw]
Serialized = Callable[[Sequence[Any]], dict[str, Any]]


def smooth(height: int, width: int) -> Pixels:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(noise, (9, 9), 0)
    return np.asarray(cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def textured(height: int, width: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stripes(height: int, width: int) -> Pixels:
    """One pixel wide, along x, along y, and a checkerboard: half a pixel off, and they're gone."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x % 2, y % 2, (x + y) % 2], axis=2).astype(np.uint8) * 255


def coordinates(height: int, width: int) -> Pixels:
    """Red is x, green is y, and blue says that it is picture, not fill."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([30 + SLOPE * x, 30 + SLOPE * y, x * 0 + 255], axis=2).astype(np.uint8)


PICTURES = {"smooth": smooth, "textured": textured, "stripes": stripes}


def levels_apart(first: Pixels, second: Pixels) -> npt.NDArray[np.int16]:
    return np.abs(first.astype(np.int16) - second)


def one(make: Callable[..., Any], **arguments: Any) -> Transforms:
    return lambda side: [make(**arguments)]


def crop(make: Callable[..., Any], **arguments: Any) -> Transforms:
    return lambda side: [make(size=(side, side), **arguments)]


FLIPS: dict[str, Transforms] = {
    "horizontal": one(A.HorizontalFlip, p=0.5),
    "vertical": one(A.VerticalFlip, p=0.5),
    "transpose": one(A.Transpose, p=0.5),
    "d4": one(A.D4, p=0.9),
    "square": one(A.SquareSymmetry, p=0.9),
    "rotate90": one(A.RandomRotate90, p=0.9),
}
WARPS: dict[str, Transforms] = {
    "rotate": one(A.Rotate, limit=40, p=0.9),
    "rotate-all": one(A.Rotate, limit=(-720, 720), border_mode=2, p=1),
    "rotate-fill": one(A.Rotate, limit=(20, 60), fill=(9, 200, 33), p=1),
    "rotate-fill-grey": one(A.Rotate, limit=(20, 60), fill=77.6, p=1),
    "rotate-fill-short": one(A.Rotate, limit=(20, 60), fill=(50,), p=1),
    "rotate-fill-long": one(A.Rotate, limit=(20, 60), fill=(50, 60, 70, 80), p=1),
    "scale": one(A.Affine, scale=(0.5, 1.5), p=0.9),
    "scale-number": one(A.Affine, scale=0.7, p=1),
    "scale-each": one(A.Affine, scale={"x": (0.5, 1.1), "y": (1.0, 2.0)}, p=1),
    "scale-x": one(A.Affine, scale={"x": (0.5, 2.0)}, border_mode=1, p=1),
    "keep-ratio": one(A.Affine, scale=(0.5, 2.0), keep_ratio=True, p=1),
    "shift-px": one(A.Affine, translate_px=(-9, 9), p=1),
    "shift-px-each": one(A.Affine, translate_px={"x": (-9, 9), "y": (2, 4)}, border_mode=3, p=1),
    "shift-px-floats": one(A.Affine, translate_px={"x": (-3.7, 5.2)}, p=1),
    "shift-part": one(A.Affine, translate_percent=(-0.4, 0.4), border_mode=4, p=1),
    "shift-part-each": one(A.Affine, translate_percent={"y": (-0.4, 0.4)}, p=1),
    "shear": one(A.Affine, shear=(-25, 25), p=1),
    "shear-number": one(A.Affine, shear=20, p=1),
    "shear-each": one(A.Affine, shear={"x": (-20, 30), "y": (0, 40)}, border_mode=2, p=1),
    "shift-scale-rotate": one(A.ShiftScaleRotate, p=0.9),
    "shift-scale-rotate-each": one(
        A.ShiftScaleRotate,
        shift_limit_x=(-0.3, 0.1),
        shift_limit_y=0.2,
        scale_limit=(-0.5, 0.2),
        rotate_limit=90,
        border_mode=2,
        p=1,
    ),
    "identity": one(A.Affine, p=1),
} | {
    f"affine-{border}-{interpolation}": one(
        A.Affine,
        rotate=(-60, 60),
        scale=(0.6, 1.4),
        shear=(-9, 9),
        translate_percent=(-0.2, 0.2),
        border_mode=BORDERS[border],
        interpolation=INTERPOLATIONS[interpolation],
        fill=(255, 128, 7),
        p=1,
    )
    for border, interpolation in itertools.product(BORDERS, INTERPOLATIONS)
}
CROPS: dict[str, Transforms] = {
    "resized": crop(A.RandomResizedCrop, p=0.9),
    "resized-whole": crop(A.RandomResizedCrop, scale=(1, 1), ratio=(1, 1)),
    "resized-wide": crop(A.RandomResizedCrop, scale=(1, 1), ratio=(3, 4)),
    "resized-tall": crop(A.RandomResizedCrop, scale=(0.9, 1), ratio=(0.1, 0.3)),
    "resized-cubic": crop(A.RandomResizedCrop, interpolation=cv2.INTER_CUBIC),
    "resized-lanczos": crop(A.RandomResizedCrop, interpolation=cv2.INTER_LANCZOS4),
    "resized-area": crop(A.RandomResizedCrop, area_for_downscale="image"),
    "sized": crop(A.RandomSizedCrop, min_max_height=(20, 40), p=0.9),
    "sized-narrow": crop(A.RandomSizedCrop, min_max_height=(20, 40), w2h_ratio=0.4),
    "sized-large": crop(A.RandomSizedCrop, min_max_height=(30, 200), w2h_ratio=1.5),
}
LIGHTS: dict[str, Transforms] = {
    "light": one(A.RandomBrightnessContrast, p=0.9),
    "brightness": one(A.RandomBrightnessContrast, brightness_limit=1, contrast_limit=0, p=1),
    "contrast": one(A.RandomBrightnessContrast, brightness_limit=0, contrast_limit=(-1, 4), p=1),
    "flat": one(A.RandomBrightnessContrast, contrast_limit=(-1, -1), p=1),
    "gamma": one(A.RandomGamma, p=0.9),
    "gamma-wide": one(A.RandomGamma, gamma_limit=(20, 500), p=1),
    "invert": one(A.InvertImg, p=0.7),
    "posterize": one(A.Posterize, num_bits=(1, 7), p=0.9),
    "posterize-each": one(A.Posterize, num_bits=[[1, 7], [2, 3], [5, 6]], p=1),
    "solarize": one(A.Solarize, p=0.9),
    "tone": one(A.RandomToneCurve, scale=0.4, p=0.9),
    "tone-each": one(A.RandomToneCurve, scale=0.4, per_channel=True, p=1),
    "rgb": one(A.RGBShift, p=0.9),
    "rgb-wide": one(
        A.RGBShift, r_shift_limit=(-255, 255), g_shift_limit=(-1, 1), b_shift_limit=(0.5, 0.9), p=1
    ),
}
LEFT_ALONE: dict[str, Transforms] = {
    "noise": one(A.GaussNoise, p=0.9),
    "elastic": one(A.ElasticTransform, p=0.9),
    "erasing": one(A.Erasing, p=0.9),
    "light-by-mean": one(A.RandomBrightnessContrast, brightness_by_max=False, p=1),
    "light-safe": one(A.RandomBrightnessContrast, ensure_safe_range=True, p=1),
    "balanced": one(A.Affine, scale=(0.5, 2.0), balanced_scale=True, p=1),
    "resized-nearest": crop(A.RandomResizedCrop, interpolation=cv2.INTER_NEAREST),
    "resized-nearest-exact": crop(A.RandomResizedCrop, interpolation=cv2.INTER_NEAREST_EXACT),
    "resized-linear-exact": crop(A.RandomResizedCrop, interpolation=cv2.INTER_LINEAR_EXACT),
    "resized-by-area": crop(A.RandomResizedCrop, interpolation=cv2.INTER_AREA),
    "nothing": one(A.NoOp, p=0.5),
}
ALL = FLIPS | WARPS | CROPS | LIGHTS | LEFT_ALONE


# ---- each transform by itself


@pytest.mark.parametrize("name", [*FLIPS, *WARPS, *LIGHTS, *LEFT_ALONE])
@pytest.mark.parametrize("side", SIDES)
def test_one_transform_makes_the_same_picture(
    name: str, side: int, reference: Reference, serialized: Serialized
) -> None:
    policy = serialized(ALL[name](side))
    compiled, expected = Policy(policy), reference(policy)
    resampled = name in WARPS
    for image in (make(side, side) for make in PICTURES.values()):
        for seed in SEEDS:
            apart = levels_apart(compiled(image, seed)[0], expected(image, seed)[0])
            if "nearest" in name and resampled:  # ties between pixels may fall to either side
                assert (apart > 0).mean() < 0.001
            else:
                assert apart.max() <= int(resampled)


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize("side", SIDES)
def test_a_crop_shows_the_same_place(
    name: str, side: int, reference: Reference, serialized: Serialized
) -> None:
    """albumentations' own crops see nothing beyond their edge, so half a pixel there may differ;
    and `cv2.resize` rounds down where `cv2.warpAffine` rounds."""
    policy = serialized(CROPS[name](side))
    compiled, expected = Policy(policy), reference(policy)
    for seed in SEEDS:
        (found, _), (wanted, _) = (
            draw(coordinates(side, side), seed) for draw in (compiled, expected)
        )
        offset = (found.astype(int) - wanted)[:, :, :2] / SLOPE
        assert np.abs(offset).max() <= 0.8
        assert np.abs(offset.mean(axis=(0, 1))).max() <= 0.2
        apart = levels_apart(*(draw(smooth(side, side), seed)[0] for draw in (compiled, expected)))
        assert np.median(apart) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 40), (33, 64)])
@pytest.mark.parametrize("border", BORDERS)
def test_pictures_of_any_shape(
    shape: tuple[int, int], border: str, reference: Reference, serialized: Serialized
) -> None:
    warp = A.Affine(rotate=(-90, 90), scale=(0.6, 1.4), border_mode=BORDERS[border], p=1)
    policy = serialized([A.HorizontalFlip(p=0.5), warp, A.RandomGamma(p=0.5)])
    compiled, expected = Policy(policy), reference(policy)
    for seed in SEEDS:
        apart = levels_apart(*(draw(smooth(*shape), seed)[0] for draw in (compiled, expected)))
        assert apart.max() <= 2


@pytest.mark.parametrize("between", ["noise", "light", "rotate", "nothing"])
def test_a_picture_turned_on_its_side_and_back(
    between: str, reference: Reference, serialized: Serialized
) -> None:
    """Regression: a picture that albumentations made was loaded at the size of the turned one."""
    noise, turn = A.GaussNoise(p=1), A.Transpose(p=1)
    policy = serialized([noise, turn, *ALL[between](0), noise, turn, A.RandomRotate90(), noise])
    compiled, expected = Policy(policy), reference(policy)
    image, tried = smooth(30, 44), 0
    for seed in SEEDS:
        wanted, _ = expected(image, seed)
        if wanted.shape == image.shape:
            tried += 1
            assert levels_apart(compiled(image, seed)[0], wanted).max() <= 1
    assert tried > 3


# ---- what was drawn


def matrix_of(name: str, drawn: dict[str, Any], side: int) -> npt.NDArray[np.float64]:
    """albumentations' matrix for what the compiled form says that it drew."""
    if name == "Rotate":
        drawn = {"rotate": drawn["rotate"], "scale": (1, 1), "shear": (0, 0), "shift": (0, 0)}
    shear_x, shear_y = drawn["shear"]  # as asked for; the matrix takes it with the other sign
    drawn = {**drawn, "shear": (-shear_x, -shear_y)}
    pairs = ({"x": drawn[key][0], "y": drawn[key][1]} for key in ("shift", "shear", "scale"))
    middle = geometric.center((side, side))
    return np.asarray(
        geometric.create_affine_transformation_matrix(*pairs, drawn["rotate"], middle), np.float64
    )


def assert_same_draws(found: list[Any], wanted: list[Any], side: int) -> None:
    assert [name for name, _ in found] == [name for name, _ in wanted]
    for (name, drawn), (_, theirs) in zip(found, wanted, strict=True):
        if name == "Rotate" or "shift" in drawn:  # the compiled form's own words
            matrix = matrix_of(name, drawn, side)
            np.testing.assert_allclose(matrix, theirs["matrix"], rtol=1e-4, atol=side * 1e-4)
            for key in ("rotate", "scale") if "scale" in theirs else ():
                value = theirs[key]
                value = [value["x"], value["y"]] if key == "scale" else value
                np.testing.assert_allclose(drawn[key], value, rtol=1e-5)
            continue
        for key, value in drawn.items():
            if isinstance(value, int | float | list):
                np.testing.assert_allclose(value, theirs[key], rtol=1e-5, err_msg=f"{name} {key}")
            elif isinstance(value, str) and value.startswith("array"):
                assert value == f"array{theirs[key].shape}"
            elif isinstance(value, dict):
                assert value == pytest.approx(theirs[key], rel=1e-5)
            else:
                assert value == theirs[key], f"{name} {key}"


@pytest.mark.parametrize("name", ALL)
def test_a_transform_draws_the_same_parameters(
    name: str, reference: Reference, serialized: Serialized
) -> None:
    policy = serialized(ALL[name](48))
    compiled, expected = Policy(policy), reference(policy)
    for seed in range(60):
        image = smooth(48, 48)
        assert_same_draws(compiled(image, seed)[1], expected(image, seed)[1], 48)


COMPOSITIONS: dict[str, Callable[[], list[Any]]] = {
    "one-of": lambda: [
        A.OneOf([A.D4(p=0.3), A.Rotate(p=0.5), A.GaussNoise(p=1), A.OneOf([A.VerticalFlip()])]),
        A.RandomGamma(),
    ],
    "one-of-never": lambda: [A.OneOf([A.D4(p=0), A.Rotate(p=0.01)], p=0.5), A.RandomGamma()],
    "some-of": lambda: [
        A.SomeOf([A.RandomGamma(), A.HorizontalFlip(), A.GaussNoise(), A.Rotate()], n=2, p=0.8),
        A.RandomGamma(),
    ],
    "some-of-again": lambda: [A.SomeOf([A.D4(), A.RandomGamma()], n=5, replace=True), A.D4()],
    "random-order": lambda: [
        A.RandomOrder([A.VerticalFlip(p=0.5), A.Rotate(p=1), A.InvertImg(p=1)], n=3, p=0.9),
        A.RandomGamma(),
    ],
    "sequential": lambda: [A.Sequential([A.Rotate(p=0.5), A.NoOp(p=0.5)], p=0.5), A.RandomGamma()],
    "compose": lambda: [
        A.Compose([A.Rotate(), A.Compose([A.D4()], p=0.3)], p=0.6),
        A.RandomGamma(),
    ],
    "in-one-of": lambda: [
        A.OneOf(
            [
                A.Sequential([A.D4(p=0.5), A.InvertImg(p=0.5)], p=0.2),
                A.SomeOf([A.RandomGamma(p=1), A.VerticalFlip(p=1)], n=1, p=0.4),
            ],
            p=1,
        ),
        A.GaussNoise(),
    ],
    "first-or-other": lambda: [
        A.OneOrOther(A.Sequential([A.Rotate(p=0.5)], p=0.1), A.RandomGamma(p=0.1), p=0.3),
        A.GaussNoise(),
    ],
    "empty": lambda: [],
}
UNTRACKED = ("first-or-other",)  # albumentations doesn't say what it applied inside


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions_draw_the_same(
    name: str, reference: Reference, serialized: Serialized
) -> None:
    policy = serialized(COMPOSITIONS[name]())
    compiled, expected = Policy(policy), reference(policy)
    image, seen = smooth(48, 48), set()
    for seed in range(80):
        found, drawn = compiled(image, seed)
        wanted, theirs = expected(image, seed)
        assert levels_apart(found, wanted).max() <= 2
        if name not in UNTRACKED:
            assert_same_draws(drawn, theirs, 48)
        seen.add(tuple(step for step, _ in drawn))
    assert len(seen) > 2 or name == "empty"


# ---- presets


PRESET_NAMES = [
    *PRESETS,
    "autoaugment:cifar10",
    "keras:rotation_range=20,fill_mode=constant,channel_shift_range=30,vertical_flip=true",
    "keras:width_shift_range=5,height_shift_range=3,fill_mode=wrap,brightness_range=[0.5,1.5]",
    "basic+top-down",
    "rotate-flip+autoaugment",
]
SEVERAL_RESAMPLINGS = ("basic+top-down",)


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_presets(name: str, reference: Reference) -> None:
    policy = resolve_policy(name, 48).serialized
    compiled, expected = Policy(policy), reference(policy)
    image = smooth(48, 48)
    for seed in SEEDS:
        found, drawn = compiled(image, seed)
        wanted, theirs = expected(image, seed)
        assert [step for step, _ in drawn] == [step for step, _ in theirs]
        apart = levels_apart(found, wanted)
        if name in SEVERAL_RESAMPLINGS:
            assert apart.mean() < 3
        else:
            assert apart.max() <= 2  # one of the resampling, one of the contrast after it


# ---- two of them, in either order


PAIRED = {
    name: ALL[name]
    for name in (
        "d4 transpose rotate rotate-fill affine-constant-cubic affine-reflect101-linear "
        "affine-replicate-nearest shift-px-each shear resized sized light gamma posterize "
        "tone-each noise elastic"
    ).split()
} | {"zoom": one(A.Affine, scale=(1.3, 2.0), rotate=(-9, 9), border_mode=2, p=1)}
LIGHT = {"light", "gamma", "posterize", "tone-each"}
RESAMPLING = set(PAIRED) - LIGHT - {"d4", "transpose", "noise"}


@pytest.mark.parametrize("first", PAIRED)
def test_pairs(first: str, reference: Reference, serialized: Serialized) -> None:
    """Where at most one of the two resamples, nothing may be told apart, whatever the order."""
    image = smooth(48, 48)
    for second in PAIRED:
        policy = serialized(PAIRED[first](48) + PAIRED[second](48))
        compiled, expected = Policy(policy), reference(policy)
        for seed in SEEDS[:6]:
            found, drawn = compiled(image, seed)
            wanted, theirs = expected(image, seed)
            assert [name for name, _ in drawn] == [name for name, _ in theirs]
            apart, where = levels_apart(found, wanted), f"{first}, {second}, seed {seed}"
            if {first, second} <= RESAMPLING:
                assert np.median(apart) <= 4, where
            elif {"sized", "resized", "affine-replicate-nearest", "posterize"} & {first, second}:
                assert np.median(apart) <= 1, where
                assert apart.mean() <= 2.5, where
            else:
                assert apart.max() <= 3, where


GEOMETRY: dict[str, Transforms] = {
    "d4": FLIPS["d4"],
    "rotate90": FLIPS["rotate90"],
    "horizontal": FLIPS["horizontal"],
    "rotate": one(A.Rotate, limit=50, p=0.8),
    "rotate-reflect": one(A.Rotate, limit=50, border_mode=2, p=0.8),
    "zoom": one(A.Affine, rotate=(-15, 15), scale=(1.5, 2.0), p=0.9),
    "zoom-little": one(A.Affine, scale=(1.0, 1.3), border_mode=4, p=1),
    "shear": one(A.Affine, shear=(-15, 15), scale=(1.3, 1.6), border_mode=1, p=1),
    "shift": one(A.Affine, translate_px=(-9, 9), border_mode=1, p=1),
    "resized": crop(A.RandomResizedCrop, scale=(0.3, 1)),
    "sized": crop(A.RandomSizedCrop, min_max_height=(24, 40)),
}


def geometry_apart(compiled: Draw, expected: Draw, side: int, seed: int) -> tuple[float, ...]:
    """Greatest and mean distance, in pixels of the original, and the share that both show of it."""
    image = coordinates(side, side)
    found, wanted = compiled(image, seed)[0], expected(image, seed)[0]
    both = (found[:, :, 2] == 255) & (wanted[:, :, 2] == 255)
    if not both.any():
        return 0.0, 0.0, 0.0
    offset = (found.astype(int) - wanted)[both][:, :2] / SLOPE
    return float(np.abs(offset).max()), float(np.abs(offset.mean(axis=0)).max()), both.mean()


@pytest.mark.parametrize("first", GEOMETRY)
def test_two_maps_in_one_resampling_are_the_same_two_maps(
    first: str, reference: Reference, serialized: Serialized
) -> None:
    for side, second in itertools.product(SIDES, GEOMETRY):
        policy = serialized(GEOMETRY[first](side) + GEOMETRY[second](side))
        compiled, expected = Policy(policy), reference(policy)
        has_crop = bool({first, second} & {"resized", "sized"})
        shares = []
        for seed in SEEDS[:5]:
            greatest, mean, share = geometry_apart(compiled, expected, side, seed)
            assert greatest <= 0.8, f"{first}, {second}, seed {seed}"
            assert mean <= (0.25 if has_crop else 0.05), f"{first}, {second}, seed {seed}"
            shares.append(share)
        assert np.mean(shares) > 0.5


# ---- any number of them


def random_policy(rng: np.random.Generator, kinds: Sequence[str], side: int) -> list[Any]:
    count = int(rng.integers(1, 7))
    chosen = [ALL[str(name)](side)[0] for name in rng.choice(kinds, count)]
    shape = int(rng.integers(0, 6))
    if shape == 0:
        return [A.OneOf(chosen, p=0.9), *ALL["rotate"](side)]
    if shape == 1:
        return [A.SomeOf(chosen, n=max(1, count - 1), p=0.9), *ALL["light"](side)]
    if shape == 2:
        return [A.RandomOrder(chosen, n=count, p=0.9), A.Sequential(ALL["d4"](side), p=0.5)]
    return chosen


SAFE = ["d4", "horizontal", "vertical", "transpose", "rotate90", "light", "gamma", "tone", "rgb"]
SAFE += ["invert", "rotate", "rotate-fill", "shift-part", "keep-ratio", "shear", "erasing"]
SAFE += [
    "shift-scale-rotate",
    "resized",
    "sized-narrow",
    "affine-wrap-linear",
    "nothing",
    "elastic",
]


def without_detail(image: Pixels) -> Pixels:
    """One resampling keeps more of it than several do."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.uint8)


@pytest.mark.parametrize("number", range(40))
def test_random_policies(number: int, reference: Reference, serialized: Serialized) -> None:
    rng = np.random.default_rng(number)
    side = SIDES[number % 2]
    policy = serialized(random_policy(rng, SAFE, side))
    compiled, expected = Policy(policy), reference(policy)
    image = smooth(side, side)
    for seed in SEEDS[:6]:
        found, drawn = compiled(image, seed)
        wanted, theirs = expected(image, seed)
        assert_same_draws(drawn, theirs, side)
        apart = levels_apart(without_detail(found), without_detail(wanted))
        assert apart.mean() < 2, drawn
        assert apart.max() < 25, drawn


@pytest.mark.parametrize("number", range(20))
def test_random_geometry(number: int, reference: Reference, serialized: Serialized) -> None:
    rng = np.random.default_rng(1000 + number)
    side = SIDES[number % 2]
    names = [str(name) for name in rng.choice(list(GEOMETRY), int(rng.integers(2, 7)))]
    transforms = [GEOMETRY[name](side)[0] for name in names]
    policy = serialized(transforms)
    compiled, expected = Policy(policy), reference(policy)
    for seed in SEEDS[:6]:
        greatest, mean, _ = geometry_apart(compiled, expected, side, seed)
        assert greatest <= 0.5 * len(names), names
        assert mean <= 0.15 * len(names), names


# ---- sharper, never different


JOINED: dict[str, Transforms] = {
    "zoom of a rotation": lambda side: [*WARPS["rotate-all"](side), *GEOMETRY["zoom"](side)],
    "crop of a zoom": lambda side: [*GEOMETRY["zoom"](side), *GEOMETRY["resized"](side)],
    "three": lambda side: [
        *WARPS["shift-part"](side),
        *GEOMETRY["zoom"](side),
        *FLIPS["d4"](side),
        *GEOMETRY["zoom-little"](side),
    ],
}


def detail(image: Pixels) -> float:
    return float(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F).std())


@pytest.mark.parametrize("name", JOINED)
def test_one_resampling_is_sharper_and_nowhere_else(
    name: str, reference: Reference, serialized: Serialized
) -> None:
    policy = serialized(JOINED[name](96))
    compiled, expected = Policy(policy), reference(policy)
    image = cv2.GaussianBlur(textured(96, 96), (0, 0), 1.0)
    sharper = []
    for seed in SEEDS:
        found, wanted = compiled(image, seed)[0], expected(image, seed)[0]
        grey = [cv2.cvtColor(view, cv2.COLOR_RGB2GRAY) for view in (found, wanted)]
        (x, y), _ = cv2.phaseCorrelate(*(view.astype(np.float64) for view in grey))
        assert math.hypot(x, y) < 0.1
        sharper.append(detail(found) / detail(wanted))
    assert min(sharper) > 0.99
    assert np.mean(sharper) > 1.1
