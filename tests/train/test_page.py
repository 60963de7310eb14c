"""A page is one file, in which no text is markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from augcli.train.page import Page


class Seen(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(str(page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    page = Page("<b>runs</b> & more")
    page.heading("a < b")
    page.text("<script>alert(1)</script>")
    page.table([["<i>", "n"], ["x & y", "1"]])
    page.code("augcli train --out 'a<b'")
    seen = Seen(page)
    assert not {"b", "script", "i"} & {tag for tag, _ in seen.tags}
    for text in ("<b>runs</b> & more", "a < b", "<script>alert(1)</script>", "<i>", "x & y"):
        assert text in seen.texts
    assert [tag for tag, _ in seen.tags if tag in ("th", "td")] == ["th", "th", "td", "td"]


def test_pictures_are_in_the_file(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG...")
    page = Page("p")
    page.picture(picture, 'curves of "x"')
    [shown] = [attributes for tag, attributes in Seen(page).tags if tag == "img"]
    assert shown == {"alt": 'curves of "x"', "src": "data:image/png;base64,iVBORy4uLg=="}
    assert "http" not in str(page).replace("http-equiv", "")


def test_drawings_have_two_looks_and_no_second_name() -> None:
    page = Page("p")
    page.drawing("<svg>light</svg>", "<svg>dark</svg>", "a < b")
    light, dark = [attributes for tag, attributes in Seen(page).tags if tag == "img"]
    assert (light["class"], dark["class"]) == ("drawn light", "drawn dark")
    assert light["alt"] == dark["alt"] == "a < b"
    for look in (light, dark):
        assert str(look["src"]).startswith("data:image/svg+xml;base64,")


def test_parts_of_a_verdict() -> None:
    page = Page("p")
    page.lead("<b>do</b>")
    page.facts([("<i>", "a & b")])
    page.alarm("beware", ["<u>"])
    page.text("small", faint=True)
    seen = Seen(page)
    assert not {"b", "i", "u"} & {tag for tag, _ in seen.tags}
    for text in ("<b>do</b>", "<i>", "a & b", "beware", "<u>", "small"):
        assert text in seen.texts


def test_columns_of_numbers_stand_to_the_right() -> None:
    page = Page("p")
    rows = [["name", "n", "what"], ["a", "-1.5 (-2 to +1)", "better"], ["b", "", "word"]]
    page.table(rows, {"better": "good"}, folded="more")
    cells = [(tag, each.get("class")) for tag, each in Seen(page).tags if tag in ("th", "td")]
    assert cells == [
        ("th", "words"), ("th", None), ("th", "words"),
        ("td", "words"), ("td", None), ("td", "words good"),
        ("td", "words"), ("td", None), ("td", "words"),
    ]  # fmt: skip
    assert "details" in {tag for tag, _ in Seen(page).tags}
