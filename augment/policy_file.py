"""Policies in albumentations' serialised form: read strictly, built from an allow-list.

Nothing is imported or executed from a file: a class that is not named here is refused. Left out
are transforms that read other files or images, need masks or boxes, or change size or type.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from augcli.augment import autoaugment
from augcli.augment.pipeline import A, BaseCompose, BasicTransform
from augcli.manifests.errors import UsageError

MAX_DEPTH = 8
MAX_TRANSFORMS = 200

# No argument of a sound policy is larger: not a size in pixels, a grey level or an angle. Where
# the cost grows with the square of an argument, or worse, its limit is where a view takes seconds.
MAX_MAGNITUDE = 10_000
_LIMITS = {
    "blur_limit": 256,
    "grid": 256,
    "holes_number_xy": 256,
    "iterations": 100,
    "max_delta": 100,
    "max_factor": 10,
    "nb_cols": 100,
    "nb_rows": 100,
    "num_control_points": 20,
    "num_grid_xy": 20,
    "radius": 256,
    "scale": 256,
    "sigma": 256,
    "sigma_limit": 256,
    "sigma_x_limit": 256,
    "sigma_y_limit": 256,
    "temperature_limit": 40_000,  # kelvin
}
MIN_ZOOM_STEP = 0.001  # ZoomBlur averages as many images as there are steps

COMPOSITIONS = ("Compose", "OneOf", "OneOrOther", "RandomOrder", "Sequential", "SomeOf")

TRANSFORMS = tuple(
    """
    AdditiveNoise AdvancedBlur Affine AutoContrast Blur CLAHE ChannelDropout ChannelShuffle
    ChromaticAberration CoarseDropout ColorJitter CropAndPad D4 Defocus Downscale
    ElasticTransform Emboss Equalize Erasing FancyPCA GaussNoise GaussianBlur GlassBlur
    GridDistortion GridDropout GridElasticDeform HEStain HorizontalFlip HueSaturationValue
    ISONoise Illumination ImageCompression InvertImg MedianBlur Morphological MotionBlur
    MultiplicativeNoise NoOp OpticalDistortion Perspective PiecewiseAffine PixelDropout
    PlanckianJitter PlasmaBrightnessContrast PlasmaShadow Posterize RGBShift
    RandomBrightnessContrast RandomFog RandomGamma RandomGravel
    RandomGridShuffle RandomRain RandomResizedCrop RandomRotate90 RandomShadow RandomSizedCrop
    RandomSnow RandomSunFlare RandomToneCurve RingingOvershoot Rotate SafeRotate SaltAndPepper
    Sharpen ShiftScaleRotate ShotNoise Solarize Spatter SquareSymmetry Superpixels
    ThinPlateSpline ToGray ToSepia Transpose UnsharpMask VerticalFlip XYMasking ZoomBlur
    """.split()
)

OWN_TRANSFORMS = {f"{cls.__module__}.{cls.__name__}": cls for cls in autoaugment.TRANSFORMS}

# Settings that change the size of images, some only for some draws: a trial may not meet one.
_CHANGES_SIZE = {
    "Affine": ("fit_output", True),
    "CropAndPad": ("keep_size", False),
    "Perspective": ("keep_size", False),
    "Rotate": ("crop_border", True),
}

# What albumentations says of sound transforms; all its other warnings are of bad arguments.
_ADVICE = (".*is a special case of Affine", ".*is very slow")

# Fields that albumentations writes for a Compose; only these two mean anything for one image.
_COMPOSE_FIELDS = ("p", "transforms")
_IGNORED_WHEN_EMPTY = [
    "bbox_params",
    "keypoint_params",
    "additional_targets",
    "mask_interpolation",
    "seed",
    "strict",
    "is_check_shapes",
    "is_check_args",
    "save_applied_params",
    "telemetry",
]


def build_pipeline(node: object) -> Any:
    """The `Compose` described by `node`, the field `transform` of a serialised policy.

    Raises:
        UsageError: naming the path of the bad field, e.g. `transforms[2].Affine`.
    """
    built = _build(node, "transform", 0)
    if not isinstance(built, A.Compose):
        built = A.Compose([built])
    count = _count(built)
    if count > MAX_TRANSFORMS:
        raise UsageError(f"{count} transforms; at most {MAX_TRANSFORMS} are allowed")
    transforms = built.transforms
    if built.p < 1 and transforms:  # as one of its steps, so that policies can still be joined
        transforms = [A.Sequential(transforms, p=built.p)]
    return A.Compose(transforms, save_applied_params=True)


def build_transform(node: object) -> Any:
    """One transform of albumentations from its node.

    Raises:
        UsageError: naming the bad field.
    """
    return _build(node, "transform", 0)


def _build(node: object, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UsageError(f"{where}: nested more than {MAX_DEPTH} deep")
    if not isinstance(node, Mapping) or "__class_fullname__" not in node:
        raise UsageError(f"{where}: expected a mapping with '__class_fullname__'")
    name = str(node["__class_fullname__"])
    arguments = {str(k): v for k, v in node.items() if k != "__class_fullname__"}
    where = f"{where}.{name.rpartition('.')[2]}"
    check_numbers(arguments, where)
    _check_probability(arguments, where)
    if name in COMPOSITIONS:
        return _build_composition(name, arguments, where, depth)
    cls = _transform_class(name, where)
    _check_keeps_size(cls, arguments, where)
    built = _instantiate(cls, arguments, where)
    _check_ranges(built, where)
    return built


def _check_probability(arguments: Mapping[str, Any], where: str) -> None:
    """albumentations checks the `p` of a transform but not that of a composition."""
    p = arguments.get("p", 1.0)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise UsageError(f"{where}.p: expected a probability, a number from 0 to 1")


def _check_keeps_size(cls: type[Any], arguments: Mapping[str, Any], where: str) -> None:
    field, changing = _CHANGES_SIZE.get(cls.__name__, ("", None))
    if field in arguments and arguments[field] == changing:
        raise UsageError(f"{where}.{field}: a policy must keep size: leave this field out")


def _check_ranges(transform: BasicTransform, where: str) -> None:
    """What albumentations accepts and can't compute."""
    if isinstance(transform, A.Affine) and min(low for low, _ in transform.scale.values()) <= 0:
        raise UsageError(f"{where}: the scale must be above 0")
    if isinstance(transform, A.ZoomBlur) and transform.step_factor[0] < MIN_ZOOM_STEP:
        raise UsageError(f"{where}.step_factor: at least {MIN_ZOOM_STEP} is needed")


def _transform_class(name: str, where: str) -> type[BasicTransform]:
    if name in OWN_TRANSFORMS:
        return OWN_TRANSFORMS[name]
    if name in TRANSFORMS:
        found: type[BasicTransform] = getattr(A, name)
        return found
    own = (cls.__name__ for cls in OWN_TRANSFORMS.values())
    for full, cls in OWN_TRANSFORMS.items():
        if name == cls.__name__:
            return OWN_TRANSFORMS[full]
    listed = ", ".join(sorted([*COMPOSITIONS, *TRANSFORMS, *own]))
    raise UsageError(f"{where}: unknown or not allowed; choose from {listed}")


def _build_composition(name: str, arguments: dict[str, Any], where: str, depth: int) -> Any:
    children = arguments.get("transforms")
    if not isinstance(children, list) or (not children and name != "Compose"):
        raise UsageError(f"{where}: expected a list 'transforms'")
    if name == "Compose":
        _check_compose_fields(arguments, where)
        arguments = {key: arguments[key] for key in _COMPOSE_FIELDS if key in arguments}
    arguments["transforms"] = [
        _build(child, f"{where}.transforms[{index}]", depth + 1)
        for index, child in enumerate(children)
    ]
    return _instantiate(getattr(A, name), arguments, where)


def _check_compose_fields(arguments: Mapping[str, Any], where: str) -> None:
    for key, value in arguments.items():
        if key in _COMPOSE_FIELDS:
            continue
        if key not in _IGNORED_WHEN_EMPTY:
            raise UsageError(f"{where}: unknown field '{key}'")
        if key in ("bbox_params", "keypoint_params", "additional_targets") and value:
            raise UsageError(f"{where}: '{key}' has no meaning for a classifier's images")
        if key == "seed" and value is not None:
            raise UsageError(f"{where}: 'seed' belongs to --seed, not into a policy")


def _instantiate(cls: type[Any], arguments: dict[str, Any], where: str) -> Any:
    """Call the class; albumentations' warnings of unknown arguments count as errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for advice in _ADVICE:
                warnings.filterwarnings("ignore", message=advice)
            return cls(**arguments)
    except Exception as error:  # pydantic's, albumentations' and plain TypeErrors alike
        raise UsageError(f"{where}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """One line of what pydantic says in three: the field and what is wrong with it."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    if "validation error" in lines[0]:
        lines = [": ".join(lines[1:3]).partition(" [type=")[0]]
    return lines[0]


def check_numbers(value: object, where: str, limit: float = MAX_MAGNITUDE, depth: int = 0) -> None:
    """Refuse numbers that JSON can't hold or no view is ever made with, and endless nesting.

    Raises:
        UsageError: naming the field.
    """
    if depth > MAX_DEPTH:
        raise UsageError(f"{where}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: {value} is not a finite number")
    if isinstance(value, int | float) and abs(value) > limit:
        raise UsageError(f"{where}: too large: at most {limit} is allowed")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "transforms":
                inner = _LIMITS.get(str(key), limit)
                check_numbers(item, f"{where}.{key}", inner, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_numbers(item, where, limit, depth + 1)


def _count(transform: Any) -> int:
    if isinstance(transform, BaseCompose):
        return sum(_count(inner) for inner in transform.transforms)
    return 1
