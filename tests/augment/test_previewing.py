"""Previews show what an expansion would make, of the classes that were asked for."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augcli.augment.config import PreviewConfig
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.presets import PRESETS
from augcli.augment.previewing import preview
from augcli.augment.reference_data import load_reference
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError, UsageError

SIZE, COPIES = 24, 2


def config(photos: Path, folder: Path, **options: object) -> PreviewConfig:
    wanted = PreviewConfig(
        data=str(photos), out=folder / "p.png", policy="side-on", size=SIZE, copies=COPIES
    )
    return replace(wanted, **options)  # type: ignore[arg-type]


def page_config(photos: Path, folder: Path, **options: object) -> PreviewConfig:
    return config(photos, folder, **{"out": None, "html": folder / "p.html", **options})


def write_splits(data: Path, images: dict[str, Image.Image], name: str = "x.png") -> None:
    """One image of each class in each split."""
    for split in ("train", "validation", "test"):
        for class_name, image in images.items():
            (data / split / class_name).mkdir(parents=True)
            image.save(data / split / class_name / name)


def sections(page: Path) -> list[str]:
    return re.split(r'<section id="class-\d+">', page.read_text("utf-8"))[1:]


def pngs(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(f))).convert("RGB")) for f in found]


def test_a_picture_for_each_class(photos: Path, tmp_path: Path) -> None:
    result = preview(config(photos, tmp_path, by_class=True, samples=3))
    names = ["p-0-circle.png", "p-1-square.png", "p-2-stripes.png"]
    assert [path.name for path in result.pictures] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert len(result.keys) == 9
    contents = {path.read_bytes() for path in result.pictures}
    assert len(contents) == 3
    for content in contents:
        assert Image.open(io.BytesIO(content)).height > 3 * 72


def test_only_one_class(photos: Path, tmp_path: Path) -> None:
    reference = load_reference(str(photos))
    result = preview(config(photos, tmp_path, only_class="square", samples=64))
    label = reference.classes.index("square")
    assert set(result.keys) == {
        sample.key for sample in reference.of_split("train") if sample.label == label
    }


@pytest.mark.parametrize("policy", PRESETS)
def test_strips_of_every_preset(photos: Path, tmp_path: Path, policy: str) -> None:
    result = preview(config(photos, tmp_path, policy=policy, strips=True))
    assert len(result.keys) == 1
    transforms = len(resolve_policy(policy, SIZE).build().transform_names)
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.height > 72 * (transforms + 1)


@pytest.mark.parametrize("options", [{}, {"policy": "all"}, {"only_class": "circle"}])
def test_a_page_alone(photos: Path, tmp_path: Path, options: dict[str, object]) -> None:
    result = preview(page_config(photos, tmp_path, samples=2, **options))
    assert result.files == (tmp_path / "p.html",)
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
    classes = 1 if "only_class" in options else 3
    found = sections(tmp_path / "p.html")
    assert len(found) == classes and len(result.keys) == 2 * classes
    shown = result.policies if len(result.policies) > 1 else ()
    assert all(f"<h4>{name} " in section for name in shown for section in found)
    assert sum("draw 1" in section for section in found) == (1 if shown else classes)


def test_picture_and_page_together(photos: Path, tmp_path: Path) -> None:
    both = preview(page_config(photos, tmp_path, strips=True, out=tmp_path / "s.png"))
    assert {path.name for path in both.files} == {"s.png", "p.html"}


def test_the_page_shows_the_views_of_an_expansion(photos: Path, tmp_path: Path) -> None:
    """Pictures of few colours are PNG on the page: they can be compared bit by bit."""
    images = {"a": Image.new("RGB", (SIZE, SIZE)), "b": Image.new("RGB", (SIZE, SIZE), "white")}
    for image in images.values():
        image.paste((120, 120, 120), (3, 4, 15, 9))
    write_splits(tmp_path / "data", images)
    result = preview(page_config(tmp_path / "data", tmp_path, policy="rotate-flip", seed=7))
    spec = resolve_policy("rotate-flip", SIZE)
    maker = ViewMaker(Recipe(Fit(SIZE, "crop"), spec, 7))
    reference = load_reference(str(tmp_path / "data"))
    shown = reference.of_split("train")
    for sample, section in zip(shown, sections(tmp_path / "p.html"), strict=True):
        assert sample.key in result.keys
        fitted = maker.fitted(reference.path(sample).read_bytes())
        policy = spec.build()
        expected = [fitted.rgb]
        for copy in range(1, COPIES + 1):
            seed = maker.view(fitted, sample.key, copy, sample.label).seed
            expected.append(policy(fitted.rgb, seed)[0])
        for picture, pixels in zip(pngs(section)[: COPIES + 1], expected, strict=True):
            assert np.array_equal(picture, pixels)


@pytest.mark.parametrize("options", [{}, {"policy": "all"}, {"policy": "augmentor+augmix"}])
def test_same_bytes(photos: Path, tmp_path: Path, options: dict[str, object]) -> None:
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        out = folder / "s.png"
        preview(page_config(photos, folder, samples=2, by_class=True, out=out, **options))
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert {"p.html", "s-0-circle.png"} <= set(contents[0])


def test_a_full_page_says_so(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augcli.augment.page.FULL_BYTES", 60_000)
    result = preview(page_config(photos, tmp_path))
    assert result.left_out > 0
    text = (tmp_path / "p.html").read_text("utf-8")
    assert f"the page is full: {result.left_out} more images" in text
    reference = load_reference(str(photos))
    assert result.left_out + len(result.keys) == len(reference.of_split("train"))


def test_any_class_and_file_name(tmp_path: Path) -> None:
    names = ["<script>x<", 'a"b&', "CASE", "case", "!!!", "猫" * 60]
    images = {
        name: Image.new("RGB", (SIZE, SIZE), (label * 40, 0, 0)) for label, name in enumerate(names)
    }
    write_splits(tmp_path / "data", images, '<img src="x">.png')
    result = preview(
        page_config(tmp_path / "data", tmp_path, by_class=True, out=tmp_path / "out" / "p.png")
    )
    assert len({path.name.lower() for path in result.pictures}) == len(names)
    assert all(path.is_file() for path in result.files)
    assert all(re.fullmatch(r"p-\d[\w-]*\.png", path.name) for path in result.pictures)
    text = (tmp_path / "p.html").read_text("utf-8")
    assert "<script>x" not in text and '<img src="x">' not in text


def test_damaged_images_are_passed_over(tmp_path: Path) -> None:
    image = Image.new("RGB", (SIZE, SIZE), (9, 99, 9))
    write_splits(tmp_path / "data", {"a": image, "b": image}, "good.png")
    for name in ("a", "b"):
        (tmp_path / "data" / "train" / name / "bad.png").write_bytes(b"no image")
    result = preview(page_config(tmp_path / "data", tmp_path))
    assert len(result.keys) == 2 and result.left_out == 0
    for path in (tmp_path / "data").rglob("good.png"):
        path.write_bytes(b"no image either")
    with pytest.raises(AugcliError, match="none of the images to preview is usable"):
        preview(page_config(tmp_path / "data", tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only_class": "hexagon"}, "--only-class: unknown class 'hexagon': choose from circle"),
        ({"out": Path("x.html")}, "--out x.html: expected a name that ends in .png"),
        ({"html": Path("x.png")}, "--html x.png: expected a name that ends in .html"),
        ({"html": ""}, "--html"),
        ({"policy": "sideon"}, "side-on"),
    ],
)
def test_bad_options(
    photos: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        preview(config(photos, tmp_path, **options))
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for option, name in (("out", "x.png"), ("html", "x.html")):
        with pytest.raises(AugcliError, match=f"--{option} .*can't be written"):
            preview(config(photos, tmp_path, samples=1, **{option: tmp_path / "file" / name}))
