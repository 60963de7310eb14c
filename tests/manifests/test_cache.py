"""What this machine remembers, and that a broken memory is no failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augcli.manifests.cache import MOST_PLACES, cache_folder, recall_root, remember_root


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("AUGCLI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "augcli"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "augcli"
    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize("name", ["data", "dätä", "two\nlines", os.fsdecode(b"caf\xe9")])
def test_remembers_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = tmp_path / name
    try:
        root.mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    monkeypatch.chdir(tmp_path)
    remember_root("f" * 64, Path(name))
    monkeypatch.chdir("/")
    assert recall_root("f" * 64) == root.resolve()
    assert recall_root("e" * 64) is None


def test_the_last_place_counts_that_is_still_there(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "b"):
        (tmp_path / name).mkdir(exist_ok=True)
        remember_root("f", tmp_path / name)
    for name in ("b", "c", "a"):
        assert recall_root("f") == tmp_path / name
        (tmp_path / name).rmdir()
    assert recall_root("f") is None


def test_places_are_not_remembered_for_ever(tmp_path: Path) -> None:
    for number in range(2 * MOST_PLACES):
        (tmp_path / str(number)).mkdir()
        remember_root("f", tmp_path / str(number))
    for number in range(MOST_PLACES, 2 * MOST_PLACES):
        (tmp_path / str(number)).rmdir()
    assert recall_root("f") is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a\0b", b"nowhere", b"x" * 100_000])
def test_broken_memory(own_folder: Path, content: bytes) -> None:
    (own_folder / "references").mkdir(parents=True)
    (own_folder / "references" / "f.txt").write_bytes(content)
    assert recall_root("f") is None


def test_a_cache_that_can_not_be_written_is_no_failure(own_folder: Path, tmp_path: Path) -> None:
    own_folder.write_text("a file where the folder should be")
    remember_root("f", tmp_path)
    assert recall_root("f") is None
