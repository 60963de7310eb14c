"""The page: whole, by itself, harmless whatever the names, and the same bytes always."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from augcli.augment.decode import Pixels
from augcli.augment.page import FULL_BYTES, MAX_SIDE, Page
from augcli.augment.panels import Panel, Row, Tile

VOID = {"meta", "img"}
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onclick='x",
    "&lt;b&gt; & {title} {0} %s",
    "שלום",
    "😀 猫",
    "a\nb\u202ec",
    "]]> <!-- </style>",
]


class Reader(HTMLParser):
    """Checks that tags are closed in order; keeps attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(value: int, size: int = 32) -> Pixels:
    return np.full((size, size, 3), value, np.uint8)


def panel(label: int = 0, source: str = "a/b.jpg", size: int = 32) -> Panel:
    applied = [["Affine", {"rotate": 1.5, "note": "</script>\"'<b>"}]]
    tiles = [Tile(pixels(n * 9, size), f"copy {n}", "Affine rotate 1.5", applied) for n in (1, 2)]
    return Panel(label, source, pixels(200, size), [Row("side-on", "p <1>", tiles)])


def page_of(classes: list[str], source: str = "a/b.jpg", title: str = "title") -> str:
    page = Page(title, classes)
    for label in reversed(range(len(classes))):
        page.add("views", panel(label, source))
    page.add("transforms", panel(0, source))
    return page.html("facts")


def shown(uri: str) -> Pixels:
    data = base64.b64decode(uri.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_what_it_shows() -> None:
    reader = Reader(page_of(["hat", "shoe"]))
    assert [section["id"] for section in reader.all("section")] == ["class-0", "class-1"]
    links = [link["href"] for link in reader.all("a")]
    assert links == ["#class-0", "#class-1", "#class-0"]  # the last: where the transforms are
    buttons = [button for button in reader.all("button") if "data-applied" in button]
    assert [button["data-name"] for button in buttons] == ["copy 1", "copy 2"] * 3
    assert json.loads(buttons[0]["data-applied"]) == panel().rows[0].tiles[0].applied
    pictures = [picture for picture in reader.all("img") if "src" in picture]
    values = [int(shown(picture["src"]).mean()) for picture in pictures]
    assert values == [200, 9, 18] * 3
    assert {(p["width"], p["height"]) for p in pictures} == {("32", "32")}
    assert all(picture["alt"] for picture in pictures)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_only_text(name: str) -> None:
    plain, hostile = (Reader(page_of([n, "b"], n, n)) for n in ("name", name))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [set(attributes) for _, attributes in hostile.tags] == [
        set(attributes) for _, attributes in plain.tags
    ]
    texts = "".join(hostile.texts["bdi"])
    assert texts.count(name) == "".join(plain.texts["bdi"]).count("name") == 6
    assert "".join(hostile.texts["h1"]) == name
    assert hostile.texts["script"] == plain.texts["script"]


def test_nothing_comes_from_elsewhere() -> None:
    page = page_of(["hat", "shoe"])
    reader = Reader(page)
    for _, attributes in reader.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|innerHTML", page)
    assert {tag for tag, _ in reader.tags} & {"link", "iframe", "object", "base"} == set()


def test_the_policy_allows_its_own_script_and_style_only() -> None:
    reader = Reader(page_of(["hat"]))
    policy = next(m["content"] for m in reader.all("meta") if "http-equiv" in m)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("script", "style"):
        (text,) = reader.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_the_script_finds_what_it_asks_for() -> None:
    reader = Reader(page_of(["hat"]))
    (script,) = reader.texts["script"]
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    wanted = set(re.findall(r'byId\("([^"]+)"\)', script))
    assert len(wanted) > 5 and wanted <= ids


def test_same_bytes() -> None:
    assert page_of(["hat", "shoe"]) == page_of(["hat", "shoe"])


@pytest.mark.parametrize(("size", "width"), [(20, 20), (MAX_SIDE, MAX_SIDE), (700, MAX_SIDE)])
def test_pictures_have_a_sensible_size(size: int, width: int) -> None:
    page = Page("title", ["hat"])
    page.add("views", panel(size=size))
    reader = Reader(page.html("facts"))
    widths = {picture["width"] for picture in reader.all("img") if "width" in picture}
    assert widths == {str(width)}
    assert ("class" in reader.all("body")[0]) == (size == 20)  # shown as its pixels


def test_a_page_gets_full() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (MAX_SIDE, MAX_SIDE, 3), np.uint8)
    noisy = Panel(0, "a", noise, [Row("", "", [Tile(noise, "copy 1")] * 9)])
    page = Page("title", ["hat"])
    count = 0
    while not page.full:
        page.add("views", noisy)
        count += 1
    assert count > 1
    assert FULL_BYTES <= page.size_bytes < FULL_BYTES + page.size_bytes / count + 1
