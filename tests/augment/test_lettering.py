"""Any text can be drawn: in the fonts that come along, or as code points that tell names apart."""

from __future__ import annotations

import pytest

from augcli.augment.lettering import clipped, lettered, plain_font, wrapped


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("dress", "dress"),
        ("é и Ω", "é и Ω"),
        ("猫", "[732B]"),
        ("a\nb\tc\x00", "a b c"),
        ("\u200fab\u202e", "ab"),
        ("on אבג דה 12", "on הד גבא 12"),
    ],
)
def test_what_is_drawn(text: str, drawn: str) -> None:
    assert lettered(text, 13)[0].strip() == drawn


def test_names_that_no_font_knows_stay_apart() -> None:
    (first, font), (second, _) = lettered("猫", 13), lettered("犬", 13)
    assert bytes(font.getmask(first)) != bytes(font.getmask(second))


def test_ascii_keeps_its_font() -> None:
    assert lettered("abc…", 13)[1] is plain_font(13)
    assert lettered("é", 13)[1] is not plain_font(13)


def test_clipped_keeps_both_ends() -> None:
    assert clipped("abc", 3) == "abc"
    assert clipped("abcdefghij", 5) == "ab…ij"
    assert len(clipped("x" * 100, 26)) == 26


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("RandomBrightness", ["Random", "Brightness"]),
        ("abcdefghijklmnop", ["abcdefghij", "klmnop"]),
        ("one two three four five six", ["one two", "three f..."]),
    ],
)
def test_wrapped(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10, 2, len) == lines
