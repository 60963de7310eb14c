"""Keys: unique, readable, without dots, from the path alone, and short enough for a tar header."""

from __future__ import annotations

import re

import pytest

from augcli.manifests.keys import READABLE_LENGTH, sample_key, view_name
from augcli.shards.tar import NAME_BYTES

SOURCES = [
    "cat/1.jpg",
    "cat/1.JPG",
    "cat/1.png",
    "cat-1.jpg",
    "Cat/1.jpg",
    "cat/ 1.jpg",
    "cat/.1",
    "cat.v2/1",
    "cat/1.tar.gz",
    "кошка/1.jpg",
    "кот/1.jpg",
    "cafe\u0301/1.jpg",
    "caf\u00e9/1.jpg",
    "猫.jpg",
    "a",
    "../up/1.jpg",
    "/abs/1.jpg",
    "x/" + "deep/" * 80 + "1.jpg",
    "x/" + "deep/" * 81 + "1.jpg",
    "a\nb/1.jpg",
    "---.jpg",
]


@pytest.mark.parametrize("source", SOURCES)
def test_key_is_plain_and_fits_a_header(source: str) -> None:
    key = sample_key(source)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", key)
    assert len(key) <= READABLE_LENGTH + 17
    assert len(f"{view_name(key, 10_000)}.json") <= NAME_BYTES


def test_similar_sources_have_different_keys() -> None:
    assert len({sample_key(source) for source in SOURCES}) == len(SOURCES)


def test_keys_differ_where_the_file_system_folds_case() -> None:
    assert sample_key("cat/a.jpg").lower() != sample_key("cat/A.jpg").lower()


def test_key_stays_readable() -> None:
    assert sample_key("train/cat/IMG_12.jpg").startswith("train-cat-IMG_12-")
    assert sample_key("cat.v2/noextension").startswith("cat-v2-noextension-")


@pytest.mark.parametrize(
    ("source", "key"),
    [("cat/1.jpg", "cat-1-3ms6adhocyqaqzqh"), ("猫/é.png", "23h7mo636m3bb4jd")],
)
def test_keys_never_change(source: str, key: str) -> None:
    """Recorded values: another key would move samples between splits and change every view."""
    assert sample_key(source) == key


def test_view_names_differ_by_copy() -> None:
    names = {view_name(key, copy) for key in ("a", "a-c1", "b") for copy in range(12)}
    assert len(names) == 36
