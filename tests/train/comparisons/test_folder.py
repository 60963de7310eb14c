"""A comparison's folder is gone on with, and what is not its own stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.comparisons.folder import BENCHMARK, own_folder


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", [*BENCHMARK.folders, *BENCHMARK.files])
def test_what_is_not_its_own_stays(name: str, tmp_path: Path) -> None:
    theirs = tmp_path / name / "manifest.json" if "." not in name else tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("precious")
    before = files_in(tmp_path)
    with pytest.raises(UsageError) as refused, own_folder(tmp_path, BENCHMARK):
        pass
    assert f"--out {tmp_path}: {tmp_path / name} is there" in str(refused.value)
    assert files_in(tmp_path) == before and theirs.read_text() == "precious"


def test_what_an_earlier_one_left_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with own_folder(tmp_path, BENCHMARK):
        assert files_in(tmp_path) == [BENCHMARK.mark, "mine"]
        (tmp_path / "trainings").mkdir()
    with own_folder(tmp_path, BENCHMARK):
        assert files_in(tmp_path) == [BENCHMARK.mark, "mine", "trainings"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_link_in_the_place_of_a_folder_is_named(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with own_folder(out, BENCHMARK):
        pass
    (tmp_path / "theirs").mkdir()
    if kind == "file":
        (out / "trainings").touch()
    else:
        (out / "trainings").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match="out/trainings is not what"), own_folder(out, BENCHMARK):
        pass
    assert (tmp_path / "theirs").is_dir()


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="file: is a file"),
        own_folder(tmp_path / "file", BENCHMARK),
    ):
        pass
    below = tmp_path / "file" / "below"
    with pytest.raises(AugcliError, match=r"below: .*name another"), own_folder(below, BENCHMARK):
        pass


def test_two_at_once(tmp_path: Path) -> None:
    busy = pytest.raises(AugcliError, match="another benchmark is at work")
    with own_folder(tmp_path, BENCHMARK), busy, own_folder(tmp_path, BENCHMARK):
        pass
