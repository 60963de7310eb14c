"""Run folders: numbers belong to one run, a folder to one training at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock
from augcli.train.record import RunFolder
from augcli.train.run_folder import check_folder, held, numbered_runs, run_folder


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new_run(source: str = "shards") -> Path:
    with run_folder(None, False, source) as folder:
        (folder / "last.pt").touch()
    return folder


def test_numbers_go_up() -> None:
    assert new_run() == Path("runs/001-shards")
    assert new_run("none") == Path("runs/002-none")
    Path("runs/1010-none").mkdir()
    assert new_run().name == "1011-shards"


@pytest.mark.parametrize("sources", [["shards"] * 8, ["shards", "none"] * 4])
def test_runs_at_the_same_moment_get_numbers_of_their_own(sources: list[str]) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        folders = list(
            pool.map(lambda source: stack.enter_context(run_folder(None, False, source)), sources)
        )
        numbers = [folder.name.partition("-")[0] for folder in folders]
        assert len(set(numbers)) == 8


def test_a_number_that_came_to_nothing_leaves_nothing() -> None:
    with pytest.raises(UsageError), run_folder(None, False, "shards"):
        raise UsageError("no dataset")
    assert not Path("runs").exists()
    new_run()
    with pytest.raises(UsageError), run_folder(None, False, "shards"):
        raise UsageError("no dataset")
    assert numbered_runs() == [Path("runs/001-shards")]


def test_the_newest_run_that_was_begun_is_resumed() -> None:
    new_run()
    newest = new_run("on-the-fly")
    Path("runs/007-shards").mkdir()
    with run_folder(None, True, "on-the-fly") as folder:
        assert folder == newest


def test_nothing_to_resume() -> None:
    with (
        pytest.raises(UsageError, match="--resume: no run in runs"),
        run_folder(None, True, "none"),
    ):
        pass
    with pytest.raises(UsageError, match="no run to resume here"):
        check_folder(RunFolder(Path("empty")), resume=True)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", ["manifest.json", "samples.parquet", ".work"])
def test_a_dataset_is_no_place_for_a_run(name: str) -> None:
    Path("expanded").mkdir()
    Path("expanded", name).touch()
    with pytest.raises(UsageError, match=rf"expanded: is an expanded dataset.*{name}.*--out"):
        check_folder(RunFolder(Path("expanded")), resume=False)
    with pytest.raises(UsageError), held(RunFolder(Path("expanded")), resume=False):
        pass
    assert [path.name for path in Path("expanded").iterdir()] == [name]


def test_places_that_are_no_folder() -> None:
    Path("file").touch()
    for out in (Path("file"), Path("file/below")):
        with pytest.raises(AugcliError, match="--out file"), held(RunFolder(out), resume=False):
            pass
    with pytest.raises(UsageError, match="is a file"):
        check_folder(RunFolder(Path("file")), resume=False)
    with (
        pytest.raises(AugcliError, match="can't be used: File name too long"),
        held(RunFolder(Path("x" * 300)), resume=False),
    ):
        pass


def test_the_second_training_in_a_folder_is_told() -> None:
    run = RunFolder(Path("run"))
    with held(run, resume=False):
        for resume in (False, True):
            run.last.touch()
            with pytest.raises(AugcliError, match="run: another training is at work there"):
                check_folder(run, resume)
        assert [path.name for path in run.folder.iterdir()] == ["last.pt"]
    check_folder(run, resume=True)


def test_a_forked_process_does_not_hold_the_lock_of_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, pathlib\n"
        "from augcli.manifests.files import exclusive_lock\n"
        "with exclusive_lock(pathlib.Path(sys.argv[1]), 'busy'):\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        with pytest.raises(AugcliError, match="busy"), exclusive_lock(tmp_path, "busy"):
            pass
        parent.kill()
        parent.wait()
        try:
            time.sleep(0.1)
            with exclusive_lock(tmp_path, "busy"):
                pass
        finally:
            os.kill(child, signal.SIGKILL)
