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
    RandomBrightnessContrast RandomCropFromBorders RandomFog RandomGamma RandomGravel
    RandomGridShuffle RandomRain RandomResizedCrop RandomRotate90 RandomShadow RandomSizedCrop
    RandomSnow RandomSunFlare RandomToneCurve RingingOvershoot Rotate SafeRotate SaltAndPepper
    Sharpen ShiftScaleRotate ShotNoise Solarize Spatter SquareSymmetry Superpixels
    ThinPlateSpline ToGray ToSepia Transpose UnsharpMask VerticalFlip XYMasking ZoomBlur
    """.split()
)

OWN_TRANSFORMS = {f"{cls.__module__}.{cls.__name__}": cls for cls in autoaugment.TRANSFORMS}

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
    return A.Compose(built.transforms, p=built.p, save_applied_params=True)


def _build(node: object, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UsageError(f"{where}: nested more than {MAX_DEPTH} deep")
    if not isinstance(node, Mapping) or "__class_fullname__" not in node:
        raise UsageError(f"{where}: expected a mapping with '__class_fullname__'")
    name = str(node["__class_fullname__"])
    arguments = {str(k): v for k, v in node.items() if k != "__class_fullname__"}
    where = f"{where}.{name.rpartition('.')[2]}"
    check_finite(arguments, where)
    if name in COMPOSITIONS:
        return _build_composition(name, arguments, where, depth)
    return _instantiate(_transform_class(name, where), arguments, where)


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


def check_finite(value: object, where: str, depth: int = 0) -> None:
    """Refuse numbers that JSON can't hold, and nesting without end.

    Raises:
        UsageError: naming the field.
    """
    if depth > MAX_DEPTH:
        raise UsageError(f"{where}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: {value} is not a finite number")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "transforms":
                check_finite(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_finite(item, where, depth + 1)


def _count(transform: Any) -> int:
    if isinstance(transform, BaseCompose):
        return sum(_count(inner) for inner in transform.transforms)
    return 1
