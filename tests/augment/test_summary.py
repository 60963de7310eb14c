"""What `expand` prints: "unchanged" of a dataset only when nothing of it was touched."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from augcli.augment import ExpandConfig, ExpandResult, expand
from augcli.augment import expansion as expansion_module
from augcli.augment.summary import print_expansion
from augcli.shards.verification import verify

UNCHANGED = "nothing to do: the dataset was complete and is unchanged"
WRITTEN = "no views to make: tables and pages were written anew"


def config(data: Path, out: Path, copies: int = 1, *, prune: bool = False) -> ExpandConfig:
    return ExpandConfig(
        data=str(data), out=out, copies=copies, size=16, policy="none", workers=1, prune=prune
    )


def printed(result: ExpandResult) -> str:
    text = io.StringIO()
    print_expansion(result, Console(file=text, width=200))
    return text.getvalue()


@pytest.fixture
def data(split_photos: Path, tmp_path: Path) -> Path:
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(split_photos, tmp_path / "data"))


def check_unchanged(data: Path, out: Path, copies: int = 1) -> None:
    told: list[str] = []
    result = expand(config(data, out, copies), tell=told.append)
    assert (result.written, result.to_json()["written"], told) == (False, False, [])
    assert UNCHANGED in printed(result)


def test_a_complete_dataset(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    made = expand(config(data, out), tell=told.append)
    assert (made.written, told) == (True, [])
    assert UNCHANGED not in printed(made) and WRITTEN not in printed(made)
    check_unchanged(data, out)


def test_a_split_that_was_pruned(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    shutil.rmtree(data / "test")
    pruned = expand(config(data, out, prune=True))
    assert (pruned.views_made, pruned.written) == (0, True)
    assert WRITTEN in printed(pruned) and UNCHANGED not in printed(pruned)
    check_unchanged(data, out)


def test_an_interrupted_growth_that_lacked_only_its_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    with monkeypatch.context() as patched:
        patched.setattr(expansion_module, "finish", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            expand(config(data, out, copies=2))
    finished = expand(config(data, out, copies=2))
    assert (finished.views_made, finished.written) == (0, True)
    assert WRITTEN in printed(finished)
    check_unchanged(data, out, copies=2)


@pytest.mark.parametrize("page", ["README.md", "preview.png", "shards/sizes.json"])
@pytest.mark.parametrize("copies", [1, 2])
def test_a_page_that_was_edited(data: Path, tmp_path: Path, page: str, copies: int) -> None:
    """It is told by name before it is replaced, whether there is more to do or not."""
    out = tmp_path / "out"
    expand(config(data, out))
    with open(out / page, "ab") as file:
        file.write(b" mine")
    told: list[str] = []
    result = expand(config(data, out, copies), tell=told.append)
    assert told == [f"edited      {out / page} is not as it was written: it is made anew"]
    assert (WRITTEN in printed(result)) == (copies == 1)
    assert verify(out).faults == ()
    check_unchanged(data, out, copies)


def test_a_page_that_was_lost_is_nobodys_work(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    (out / "README.md").unlink()
    told: list[str] = []
    assert expand(config(data, out), tell=told.append).written
    assert told == []


def test_a_dry_run_writes_nothing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    (out / "README.md").write_text("mine")
    told: list[str] = []
    result = expand(
        ExpandConfig(data=str(data), out=out, copies=1, size=16, policy="none", dry_run=True),
        tell=told.append,
    )
    assert (result.written, told) == (False, [])
    assert "written" not in result.to_json()
    assert (out / "README.md").read_text() == "mine"
