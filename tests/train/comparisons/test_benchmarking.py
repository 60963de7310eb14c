"""A benchmark removes what an earlier one made, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.comparisons import benchmarking
from augcli.train.comparisons.benchmarking import benchmark
from augcli.train.comparisons.folder import MARK_FILE, own_folder
from augcli.train.comparisons.report import REPORT_FILES
from augcli.train.config import BenchmarkConfig
from augcli.train.stop import Interrupted
from augcli.train.world import NAMES


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["expanded", "trainings", *REPORT_FILES])
def test_what_is_not_its_own_stays(name: str, tmp_path: Path, split_photos: Path) -> None:
    theirs = tmp_path / name / "manifest.json" if "." not in name else tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("precious")
    before = files_in(tmp_path)
    with pytest.raises(UsageError) as refused:
        benchmark(BenchmarkConfig(data=str(split_photos), out=tmp_path))
    assert f"--out {tmp_path}: {tmp_path / name} is there" in str(refused.value)
    assert files_in(tmp_path) == before and theirs.read_text() == "precious"


def test_what_an_earlier_one_left_goes(tmp_path: Path) -> None:
    with own_folder(tmp_path):
        assert files_in(tmp_path) == [MARK_FILE]
        for name in ("expanded", "trainings"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "rest").touch()
    (tmp_path / "mine").touch()
    with own_folder(tmp_path):
        assert files_in(tmp_path) == [MARK_FILE, "mine"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_link_in_the_place_of_a_folder_is_named(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with own_folder(out):
        pass
    (tmp_path / "theirs").mkdir()
    if kind == "file":
        (out / "trainings").touch()
    else:
        (out / "trainings").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match="out/trainings is not what"), own_folder(out):
        pass
    assert (tmp_path / "theirs").is_dir()


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: is a file"), own_folder(tmp_path / "file"):
        pass
    below = tmp_path / "file" / "below"
    with pytest.raises(AugcliError, match=r"below: .*name another"), own_folder(below):
        pass


def test_two_at_once(tmp_path: Path) -> None:
    busy = pytest.raises(AugcliError, match="another benchmark is at work")
    with own_folder(tmp_path), busy, own_folder(tmp_path):
        pass


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "nonsense"}, "nonsense"),
        ({"data": "nowhere"}, "nowhere"),
        ({"seeds": 0}, "seeds"),
    ],
)
def test_a_wrong_request_removes_nothing(
    wrong: dict[str, object], message: str, tmp_path: Path, split_photos: Path
) -> None:
    with own_folder(tmp_path):
        (tmp_path / "expanded").mkdir()
    before = files_in(tmp_path)
    options = {"data": str(split_photos), "out": tmp_path, **wrong}
    with pytest.raises(UsageError, match=message):
        benchmark(BenchmarkConfig(**options))  # type: ignore[arg-type]
    assert files_in(tmp_path) == before


def test_nothing_to_compare_on_is_said_at_once(
    tmp_path: Path, split_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(split_photos / "train", data / "train")
    (data / "train").rename(data / "training")
    monkeypatch.setattr(benchmarking, "_measure", lambda *_: pytest.fail("it began"))
    reference = benchmarking.load_reference

    def without_splits(spec: str) -> object:
        return reference(spec, val_fraction=0.0, test_fraction=0.0)

    monkeypatch.setattr(benchmarking, "load_reference", without_splits)
    config = BenchmarkConfig(data=str(data / "training"), out=tmp_path / "out")
    with pytest.raises(AugcliError, match="neither test nor validation"):
        benchmark(config)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_benchmark_says_that_it_begins_anew(
    tmp_path: Path, split_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Interrupted("stopped; augcli train … --resume", 2)

    monkeypatch.setattr(benchmarking, "train", stop)
    monkeypatch.setattr(benchmarking, "measure_throughput", lambda configs: None)
    out = tmp_path / "my out"
    config = BenchmarkConfig(data=str(split_photos), out=out, size=16, copies=1)
    with pytest.raises(Interrupted) as stopped:
        benchmark(config)
    assert "--resume" not in str(stopped.value)
    assert f"begins anew: augcli benchmark --data {split_photos} " in str(stopped.value)
    assert f"--out '{out}'" in str(stopped.value)
    assert stopped.value.exit_code == 130


def test_paths_may_be_text_from_python(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checked config, with text made a path, must be the one that is measured."""
    seen: list[object] = []
    monkeypatch.setattr(benchmarking, "_measure", lambda config, tell: seen.append(config.out))
    out: Any = str(tmp_path / "bench")
    benchmarking.benchmark(BenchmarkConfig(data=str(split_photos), out=out))
    assert seen == [Path(out)]


def test_it_measures_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("1", "2", "1", "2"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="start it without torchrun"):
        benchmark(BenchmarkConfig(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
