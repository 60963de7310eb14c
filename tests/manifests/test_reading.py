"""Texts of strangers: what says two things, or would grow without bound, is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augcli.manifests.reading import parse_json, parse_yaml, read_json, read_within

REFUSED_JSON = {
    '{"a": 1, "b": 2, "a": 3}': "the key 'a' comes twice",
    '{"a": [{"b": 1, "b": 1}]}': "the key 'b' comes twice",
    "NaN": "NaN is not a finite number",
    "[-Infinity]": "-Infinity is not a finite number",
    "1e999": "1e999 is not a finite number",
    "9" * 5000: "digits",
    "[" * 100_000: "nested too deep",
    '{"a":' * 100_000: "nested too deep",
    "{": "Expecting",
    "": "Expecting",
}


@pytest.mark.parametrize(("text", "why"), REFUSED_JSON.items(), ids=range(len(REFUSED_JSON)))
def test_json_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(text)


def test_json_that_is_sound() -> None:
    assert parse_json('{"a": [1, 2.5, -1e300, null, true, "x"], "b": {"a": 1}}') == {
        "a": [1, 2.5, -1e300, None, True, "x"],
        "b": {"a": 1},
    }
    assert repr(parse_json("[NaN, 1e999]", finite=False)) == "[nan, inf]"


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED_YAML = {
    LAUGHS: "line 2: no aliases here",
    "a: &a [*a]": "line 1: no aliases here",
    "a: 1\nb: {c: 1, c: 2}": "line 2: the key 'c' comes twice",
    "a: 1\nb: 2\na: 1": "line 1: the key 'a' comes twice",
    "[" * 1000: "nested too deep",
    "? [a]\n: 1": "unhashable",
    "a: [1": "expected",
    "!!python/object/apply:os.system ['true']": "could not determine a constructor",
    "a: \x07": "not allowed",
    "a: " + "9" * 5000: "digits",
}


@pytest.mark.parametrize(("text", "why"), REFUSED_YAML.items(), ids=range(len(REFUSED_YAML)))
def test_yaml_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_yaml(text)


def test_yaml_that_is_sound() -> None:
    assert parse_yaml("a: [1, 0.5, null]\nb: {c: x}\n") == {"a": [1, 0.5, None], "b": {"c": "x"}}
    assert parse_yaml("") is None


def test_only_regular_files_of_a_sane_size(tmp_path: Path) -> None:
    """A pipe would be waited for, for ever."""
    path = tmp_path / "x.json"
    path.write_text("[1]")
    assert read_json(path) == [1]
    with pytest.raises(ValueError, match="3 bytes are over the limit of 2"):
        read_within(path, 2)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="not a regular file"):
            read_json(other)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ValueError, match="over the limit"):
        read_json(path)
