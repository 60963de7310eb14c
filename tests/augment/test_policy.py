"""Policies: from names and files to replayable pipelines; everything else is refused by name."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import pytest
import yaml

from augcli.augment.decode import Pixels
from augcli.augment.pipeline import A
from augcli.augment.policy import Policy, checked_spec, resolve_policy, spec_of
from augcli.augment.policy_file import MAX_DEPTH, MAX_TRANSFORMS, OWN_TRANSFORMS, TRANSFORMS
from augcli.augment.policy_serial import serialize
from augcli.augment.policy_source import MAX_FILE_BYTES
from augcli.augment.presets import PRESETS
from augcli.manifests.errors import AugcliError, UsageError

SIZE = 48
REQUIRED: dict[str, dict[str, Any]] = {
    "CropAndPad": {"percent": 0.1},
    "GridElasticDeform": {"num_grid_xy": [3, 3], "magnitude": 4},
    "RandomResizedCrop": {"size": [SIZE, SIZE]},
    "RandomSizedCrop": {"min_max_height": [30, SIZE], "size": [SIZE, SIZE]},
}
USABLE = [*TRANSFORMS, *OWN_TRANSFORMS]


def photo() -> Pixels:
    """Read-only: a policy must not write into what it is given."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    noise = np.random.default_rng(5).normal(0, 8, (SIZE, SIZE, 3))
    image = np.stack([x * 5, y * 5, (x + y) * 2], axis=2) + noise
    pixels: Pixels = np.clip(image, 0, 255).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels


PHOTO = photo()


def compose(*transforms: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"transform": {"__class_fullname__": "Compose", "transforms": [*transforms], **fields}}


def step(name: str, **arguments: Any) -> dict[str, Any]:
    return {"__class_fullname__": name, "p": 1.0, **REQUIRED.get(name, {}), **arguments}


def built(content: dict[str, Any]) -> Policy:
    """The policy of such content, by way of its normal form."""
    return checked_spec("by hand", content).build()


def write(folder: Path, content: object, name: str = "policy.yaml") -> str:
    path = folder / name
    text = json.dumps(content)
    if not name.lower().endswith("json"):
        text = yaml.safe_dump(json.loads(text))
    path.write_text(content if isinstance(content, str) else text)
    return str(path)


def refused(name: str, *parts: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_policy(name, SIZE)
    message = str(error.value)
    assert all(part in message for part in parts), message


# ---- every transform


@pytest.mark.parametrize("name", USABLE)
def test_every_transform_replays_from_its_seed(name: str) -> None:
    policy = built(compose(step(name)))
    views = []
    for seed in (1, 2, 1 << 127, 1):
        random.seed(seed)  # global states decide nothing
        np.random.seed(seed & 0xFFFF)
        views.append(policy(PHOTO, seed))
    assert np.array_equal(PHOTO, photo())
    assert np.array_equal(views[0][0], views[3][0])
    assert views[0][1] == views[3][1]
    for pixels, applied in views:
        assert pixels.shape == PHOTO.shape and pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous and pixels.flags.writeable
        assert not np.shares_memory(pixels, PHOTO)
        json.dumps(applied, allow_nan=False)
    again = Policy(json.loads(json.dumps(policy.serialized)))
    assert again.serialized == policy.serialized
    assert np.array_equal(again(PHOTO, 1)[0], views[0][0])


@pytest.mark.parametrize("name", USABLE)
def test_every_transform_follows_another(name: str) -> None:
    """torchvision's operations hand on memory that can't be written: all must cope."""
    policy = built(compose(step("TrivialAugment"), step(name)))
    for seed in range(3):
        assert np.array_equal(policy(PHOTO, seed)[0], policy(PHOTO, seed)[0])


def test_allowed_transforms_exist_and_build() -> None:
    assert all(hasattr(albumentations, name) for name in TRANSFORMS)
    assert len(set(TRANSFORMS)) == len(TRANSFORMS)


# ---- names


@pytest.mark.parametrize("name", [*PRESETS, "side-on+randaugment", " basic + none ", "none+none"])
def test_presets(name: str) -> None:
    spec = resolve_policy(name, SIZE)
    policy = spec.build()
    first, applied = policy(PHOTO, 9)
    assert spec.name == name
    assert np.array_equal(first, spec.build()(PHOTO, 9)[0])
    assert np.array_equal(first, spec_of(name, spec.serialized).build()(PHOTO, 9)[0])
    assert {step for step, _ in applied} <= set(policy.transform_names)
    views = {policy(PHOTO, seed)[0].tobytes() for seed in (1 << 20 * k for k in range(1, 7))}
    assert (len(views) == 1) == (set(name) <= set("none+ "))


def test_plus_is_one_after_the_other() -> None:
    names = [resolve_policy(name, SIZE).build().transform_names for name in ("basic", "top-down")]
    assert resolve_policy("basic+top-down", SIZE).build().transform_names == names[0] + names[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("autoaugment:svhn", "autoaugment:policy=svhn"),
        ("randaugment:5", "randaugment:num_ops=2,magnitude=5"),
        ("augmix:1", "augmix:severity=1"),
        ("keras:zoom_range=[0.9,1.1]", "keras:zoom_range=[ 0.9, 1.1 ]"),
        ("keras:horizontal_flip=true", "keras:horizontal_flip=True"),
    ],
)
def test_arguments(one: str, other: str) -> None:
    assert resolve_policy(one, SIZE).text == resolve_policy(other, SIZE).text
    assert resolve_policy(one, SIZE).text != resolve_policy(one.split(":")[0], SIZE).text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("side_on", ["'side_on'", *PRESETS]),
        ("", [*PRESETS]),
        ("side-on+", ["side-on"]),
        ("side-on+nope", ["'nope'"]),
        ("autoaugment:mnist", ["mnist", "imagenet, cifar10, svhn"]),
        ("randaugment:magnitude=31", ["magnitude 31", "0 to 30"]),
        ("randaugment:num_ops=0", ["num_ops 0"]),
        ("randaugment:num_ops=2.5", ["num_ops"]),
        ("augmix:severity=11", ["severity 11"]),
        ("side-on:rotate=5", ["rotate"]),
        ("side-on:5", ["NAME:argument=value"]),
        ("keras:rotation_range", ["NAME:argument=value"]),
        ("keras:{", ["NAME:argument=value"]),
        ("keras:rotation_range=.nan", ["rotation_range", "nan"]),
        ("keras:zoom_range=[0.5,.inf]", ["zoom_range", "inf"]),
        ("nowhere.yaml", ["nowhere.yaml", "No such file"]),
    ],
)
def test_names_that_mean_nothing(name: str, parts: list[str]) -> None:
    refused(name, "policy", *parts)


# ---- files

PIPELINE = [
    A.HorizontalFlip(p=0.5),
    A.OneOf([A.Rotate(limit=(-15, 15)), A.GaussNoise(std_range=(0.1, 0.2))], p=0.9),
    A.SomeOf([A.RandomGamma(), A.ToGray(), A.Solarize()], n=2, replace=False),
    A.Sequential([A.VerticalFlip(), A.Affine(translate_px=(-3, 3))], p=0.5),
]


@pytest.mark.parametrize("form", ["yaml", "json", "yml"])
def test_files_that_albumentations_saved(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"saved.{form}"
    data_format = "json" if form == "json" else "yaml"
    albumentations.save(A.Compose(PIPELINE), path, data_format=data_format)
    spec = resolve_policy(str(path), SIZE)
    assert spec.name == path.name
    assert spec.serialized == serialize(A.Compose(PIPELINE))
    policy = spec.build()
    views = [policy(PHOTO, seed)[0] for seed in range(8)]
    assert len({view.tobytes() for view in views}) > 4
    rebuilt = Policy(json.loads(spec.text))
    assert all(np.array_equal(rebuilt(PHOTO, seed)[0], view) for seed, view in enumerate(views))


@pytest.mark.parametrize("name", ["policy.yaml", "policy.json", "POLICY.JSON"])
def test_files_by_hand(tmp_path: Path, name: str) -> None:
    short = {"transform": step("Affine", rotate=[-30, 30])}
    spec = resolve_policy(write(tmp_path, short, name), SIZE)
    assert spec.build().transform_names == ("Affine",)
    assert spec.text == resolve_policy(write(tmp_path, compose(short["transform"])), SIZE).text


@pytest.mark.parametrize("name", list(OWN_TRANSFORMS))
def test_own_transforms_by_either_name(tmp_path: Path, name: str) -> None:
    long, short = (
        resolve_policy(write(tmp_path, compose(step(written))), SIZE)
        for written in (name, name.rpartition(".")[2])
    )
    assert long == short


def test_preset_with_arguments_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, {"keras": {"rotation_range": 20, "zoom_range": [0.9, 1.1]}})
    named = resolve_policy("keras:rotation_range=20,zoom_range=[0.9,1.1]", SIZE)
    assert resolve_policy(path, SIZE).text == named.text


FLIP = step("HorizontalFlip")


def nested(depth: int) -> dict[str, Any]:
    node = FLIP
    for _ in range(depth):
        node = {"__class_fullname__": "Sequential", "transforms": [node]}
    return compose(node)


def test_nesting_to_the_limit(tmp_path: Path) -> None:
    resolve_policy(write(tmp_path, nested(MAX_DEPTH - 1)), SIZE)
    refused(write(tmp_path, nested(MAX_DEPTH)), "nested")


@pytest.mark.parametrize("depth", [*range(10, 1100, 27), 100_000])
def test_deep_arguments_are_no_crash(tmp_path: Path, depth: int) -> None:
    """Was a RecursionError for depths that the JSON reader just manages."""
    text = '{"transform":{"__class_fullname__":"Affine","rotate":' + "[" * depth + "]" * depth
    refused(write(tmp_path, text + "}}", "deep.json"), "deep.json")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (compose(step("Rotat")), ["transforms[0].Rotat", "Rotate", "TrivialAugment", "OneOf"]),
        (compose(step("Normalize")), ["transforms[0].Normalize", "not allowed"]),
        (compose(step("Lambda")), ["Lambda", "not allowed"]),
        (compose(step("os.system")), ["system", "not allowed"]),
        (compose(step("ReplayCompose", transforms=[])), ["ReplayCompose", "not allowed"]),
        (compose(FLIP, step("Rotate", limt=5)), ["transforms[1].Rotate", "limt"]),
        (compose(step("Rotate", limit="wide")), ["transforms[0].Rotate", "limit"]),
        (compose(step("HorizontalFlip", p=2)), ["transforms[0].HorizontalFlip", "p"]),
        (compose(step("Rotate", limit=[float("nan"), 1])), ["Rotate.limit", "nan"]),
        (compose(step("Rotate", p=float("inf"))), ["Rotate.p", "inf"]),
        (compose(FLIP, p=float("-inf")), ["Compose.p", "inf"]),
        (compose(FLIP, seed=3), ["Compose", "--seed"]),
        (compose(FLIP, bbox_params={"format": "coco"}), ["Compose", "bbox_params"]),
        (compose(FLIP, additional_targets={"image2": "image"}), ["additional_targets"]),
        (compose(FLIP, probability=1), ["Compose", "'probability'"]),
        (compose({"p": 1.0}), ["transforms[0]", "__class_fullname__"]),
        (compose(5), ["transforms[0]"]),  # type: ignore[arg-type]
        ({"transform": step("OneOf", transforms=[])}, ["OneOf", "'transforms'"]),
        ({"transform": step("OneOf", transforms=5)}, ["OneOf", "'transforms'"]),
        ({"transform": step("SomeOf", n=3, transforms=[FLIP])}, ["SomeOf"]),
        (compose(*[FLIP] * (MAX_TRANSFORMS + 1)), [f"at most {MAX_TRANSFORMS}"]),
        (compose(step("CoarseDropout", num_holes_range=[5, 1])), ["CoarseDropout"]),
        ({"transform": 5}, ["transform"]),
        ({"transforms": []}, ["'transform'"]),
        ([], ["'transform'"]),
        ("", ["'transform'"]),
        ("a: [1", ["can't be read"]),
        ("? [a]\n: 1", ["can't be read"]),
        ("transform: !!python/object/apply:os.system ['true']", ["can't be read"]),
        ("a: &x [1]\nb: *x", ["line 2", "alias"]),
        ("a: &x [1]\n<<: *x", ["alias"]),
        ({"keras": 5}, ["keras", "mapping"]),
        ({"keras": {"rotation_range": float("nan")}}, ["rotation_range", "nan"]),
        ({"keras": {"rotate": 5}}, ["bad.", "keras", "rotate"]),
        ({"keras": {"rotation_range": 1e9}}, ["bad.", "keras.rotation_range", "too large"]),
        ({"keras": {"horizontal_flip": 5}}, ["bad.", "horizontal_flip"]),
    ],
)
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_bad_files_name_the_field(
    tmp_path: Path, form: str, content: object, parts: list[str]
) -> None:
    if isinstance(content, str) and form == "json":
        parts = []  # YAML only: no JSON at all
    path = write(tmp_path, content, f"bad.{form}")
    refused(path, "policy", *parts)


def test_huge_files_are_not_read(tmp_path: Path) -> None:
    refused(write(tmp_path, " " * (MAX_FILE_BYTES + 1)), "over the limit of")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89PNG\r\n"])
def test_files_that_are_not_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    refused(str(path), "can't be read")


@pytest.mark.parametrize(
    "transform",
    [
        step("RandomResizedCrop", size=[SIZE, SIZE + 1]),
        step("RandomResizedCrop", size=[32, 32], p=0.01),  # was accepted, then failed a worker
        step("CropAndPad", keep_size=False, percent=[0, 0.1]),
        step("Perspective", keep_size=False, scale=[0, 0.05]),
        step("Rotate", crop_border=True, limit=[0, 1]),
        step("Affine", fit_output=True, rotate=[0, 45]),
        step("OneOf", transforms=[step("RandomResizedCrop", size=[8, 8])], p=0.001),
    ],
)
def test_another_size_is_refused(tmp_path: Path, transform: dict[str, Any]) -> None:
    refused(write(tmp_path, compose(transform)), "must keep size")


def test_a_crop_from_borders_always_changes_the_size(tmp_path: Path) -> None:
    refused(write(tmp_path, compose(step("RandomCropFromBorders"))), "not allowed")


@pytest.mark.parametrize("transform", [step("CropAndPad"), step("CropAndPad", keep_size=True)])
def test_a_crop_and_back_keeps_the_size(tmp_path: Path, transform: dict[str, Any]) -> None:
    resolve_policy(write(tmp_path, compose(transform)), SIZE)


@pytest.mark.parametrize("field", ["transform", "nested"])
@pytest.mark.parametrize(("p", "changed"), [(0.0, 0), (1, 200), (1.0, 200), (0.5, 100)])
def test_a_file_s_outer_probability_counts(
    tmp_path: Path, p: float, changed: int, field: str
) -> None:
    """Was: dropped, so that `p: 0.0` still applied everything."""
    content = compose(step("InvertImg"), p=p)
    if field == "nested":
        content = compose(content["transform"])
    spec = resolve_policy(write(tmp_path, content), SIZE)
    policy = spec_of(spec.name, spec.serialized).build()
    views = [policy(PHOTO, seed) for seed in range(200)]
    inverted = [not np.array_equal(pixels, PHOTO) for pixels, _ in views]
    assert sum(inverted) == pytest.approx(changed, abs=30 if p == 0.5 else 0)
    assert policy.transform_names == ("InvertImg",)
    assert built(content)(PHOTO, 7)[0].tobytes() == views[7][0].tobytes()


def test_sure_files_are_as_they_were(tmp_path: Path) -> None:
    assert resolve_policy(write(tmp_path, compose(FLIP, p=1.0)), SIZE).serialized == serialize(
        A.Compose([A.HorizontalFlip(p=1.0)])
    )


@pytest.mark.parametrize("p", [5, -0.1, "x", "0.5", None, True, [0.5]])
@pytest.mark.parametrize("name", ["Compose", "OneOf", "Sequential", "SomeOf", "HorizontalFlip"])
def test_a_probability_is_from_0_to_1(tmp_path: Path, name: str, p: object) -> None:
    """Was: accepted in compositions, whatever it was."""
    node: dict[str, Any] = {"__class_fullname__": name, "p": p}
    if name != "HorizontalFlip":
        node["transforms"] = [FLIP]
    refused(write(tmp_path, {"transform": node}), f"{name}.p", "from 0 to 1")


@pytest.mark.parametrize(
    ("transform", "field"),
    [
        (step("CoarseDropout", num_holes_range=[100_000_000, 100_000_000]), "num_holes_range"),
        (step("GaussianBlur", sigma_limit=1e5), "sigma_limit"),
        (step("GaussianBlur", sigma_limit=[0, 257]), "sigma_limit"),
        (step("Rotate", limit=-1e300), "limit"),
        (step("Affine", translate_px={"x": 10**400}), "translate_px.x"),
        (step("ThinPlateSpline", num_control_points=100), "num_control_points"),
        (step("MotionBlur", blur_limit=10_001), "blur_limit"),
        (step("ZoomBlur", max_factor=100), "max_factor"),
        (step("ZoomBlur", step_factor=1e-9), "step_factor"),
        (step("GridElasticDeform", num_grid_xy=[1000, 1000]), "num_grid_xy"),
        (step("GlassBlur", iterations=10_000), "iterations"),
        (step("Affine", scale=0), "scale"),
        (step("Affine", scale=[-1, 1]), "scale"),
        (step("Affine", scale={"x": [0, 1], "y": 1}), "scale"),
        (step("ShiftScaleRotate", scale_limit=[-1, 0]), "scale"),
    ],
)
def test_what_no_view_can_be_made_with(
    tmp_path: Path, transform: dict[str, Any], field: str
) -> None:
    """Was: a trial that hung without a word, or an image of one colour."""
    path = write(tmp_path, compose(transform))
    refused(path, path, f"transforms[0].{transform['__class_fullname__']}", field)


def test_limits_leave_room_for_what_people_use(tmp_path: Path) -> None:
    usual = (
        step("PlanckianJitter", temperature_limit=[3000, 15000]),
        step("ElasticTransform", alpha=2000, sigma=50),
        step("CoarseDropout", num_holes_range=[1, 64], fill=255),
        step("ImageCompression", quality_range=[40, 100]),
        step("Affine", scale={"x": [0.5, 1.5], "y": [0.5, 1.5]}, translate_px=[-20, 20]),
    )
    resolve_policy(write(tmp_path, compose(*usual)), SIZE)


def test_a_policy_that_changes_size_says_so() -> None:
    policy = built(compose(step("RandomResizedCrop", size=[20, 30])))
    with pytest.raises(AugcliError, match=r"RandomResizedCrop makes \(20, 30\) of \(48, 48\)"):
        policy(PHOTO, 0)
