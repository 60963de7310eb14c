"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augcli.manifests import files
from augcli.manifests.files import flush_folder, publish, write_atomic


@pytest.mark.parametrize("content", [b"", b"\x00\xff", "", "é\n", b"x" * 1_000_000])
@pytest.mark.parametrize("before", [None, b"something longer than the new content"])
def test_writes_and_replaces(tmp_path: Path, content: bytes | str, before: bytes | None) -> None:
    path = tmp_path / "file.json"
    if before is not None:
        path.write_bytes(before)
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*arguments: object) -> None:
        raise failure

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(type(failure)):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_is_not_text_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "file", "\udcff")
    assert not list(tmp_path.iterdir())


def test_content_is_flushed_before_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda d: (calls.append("fsync"), fsync(d))[1])
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append("name"), replace(a, b))[1])
    write_atomic(tmp_path / "file", "x")
    assert calls == ["fsync", "name", "fsync"]  # the content, its name, the folder


def test_publish(tmp_path: Path) -> None:
    temporary, final = tmp_path / "t", tmp_path / "f"
    temporary.write_text("new")
    final.write_text("old")
    publish(temporary, final)
    assert final.read_text() == "new"
    assert not temporary.exists()


def test_folders_that_can_not_be_opened_are_no_failure(tmp_path: Path) -> None:
    flush_folder(tmp_path / "nowhere")
