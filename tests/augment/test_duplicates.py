"""Duplicates through `expand`: told before the work, dropped when asked, recorded either way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from augcli.augment import expansion
from augcli.augment.config import ExpandConfig
from augcli.augment.earlier import read_failures
from augcli.augment.expansion import ExpandResult, expand
from augcli.augment.summary import duplicate_lines
from augcli.cli import main
from augcli.manifests.duplicates import DuplicateGroup
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import FAILURES_FILE, SAMPLES_FILE
from augcli.manifests.sample_list import Sample
from augcli.manifests.samples_file import read_samples
from augcli.shards.verification import verify

CONFLICT = ("train/circle/conflict.jpg", "train/square/conflict.jpg")
LEAK = ("test/circle/leak.jpg", "train/circle/00.jpg")
REPEAT = ("train/stripes/00.jpg", "train/stripes/repeat.jpg")


@pytest.fixture
def data(split_photos: Path, tmp_path: Path) -> Path:
    """Photographs with one group of every kind."""
    folder = tmp_path / "data"
    shutil.copytree(split_photos, folder)
    shutil.copy(folder / LEAK[1], folder / LEAK[0])
    shutil.copy(folder / REPEAT[0], folder / REPEAT[1])
    for source in CONFLICT:
        content = (folder / "train/circle/01.jpg").read_bytes()
        (folder / source).write_bytes(content + b"another")
    return folder


def config(data: Path, out: Path, **options: Any) -> ExpandConfig:
    return ExpandConfig(
        data=str(data), out=out, copies=1, size=16, policy="none", workers=1, **options
    )


def dropped(result: ExpandResult) -> set[str]:
    return {failure.source for failure in read_failures(result.dataset / FAILURES_FILE)}


def test_dedupe_drops_and_reports(data: Path, tmp_path: Path) -> None:
    kept = expand(config(data, tmp_path / "kept"))
    result = expand(config(data, tmp_path / "out", dedupe=True))
    assert kept.manifest is not None and result.manifest is not None
    assert dropped(kept) == set()
    assert dropped(result) == {*CONFLICT, LEAK[1], REPEAT[1]}
    before, after = kept.manifest.reference, result.manifest.reference
    assert (after.inputs, after.used) == (before.inputs, before.used - 4)
    assert (before.leaks, after.leaks) == ((LEAK[0],), ())
    assert result.manifest.options["dedupe"] is True
    assert result.duplicates == kept.duplicates
    assert verify(tmp_path / "out").faults == ()


def test_a_rerun_keeps_to_its_option(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out, dedupe=True))
    assert expand(config(data, out, dedupe=True)).views_made == 0
    with pytest.raises(AugcliError, match="--dedupe: was True, now False"):
        expand(config(data, out))


def test_a_duplicate_that_is_added_is_reported(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out, dedupe=True))
    later = "train/stripes/zz.jpg"
    shutil.copy(data / REPEAT[0], data / later)
    result = expand(config(data, out, dedupe=True))
    assert (result.views_made, result.written) == (0, True)
    assert dropped(result) == {*CONFLICT, LEAK[1], REPEAT[1], later}
    assert verify(out).faults == ()


def test_a_new_duplicate_takes_nothing_away(data: Path, tmp_path: Path) -> None:
    """Was: the stored one lost to the first by name, and was said to be gone."""
    out = tmp_path / "out"
    expand(config(data, out, dedupe=True))
    before = read_samples(out / SAMPLES_FILE)
    copy = data / "train/square/00-copy.jpg"
    shutil.copy(data / "train/square/03.jpg", copy)
    for _ in range(2):
        result = expand(config(data, out, dedupe=True))
        assert result.views_made == 0
        assert read_samples(out / SAMPLES_FILE).equals(before)
        reasons = {f.source: f.reason for f in read_failures(out / FAILURES_FILE)}
        reason = reasons[copy.relative_to(data).as_posix()]
        assert reason == "the same image as train/square/03.jpg"
    assert verify(out).faults == ()


def test_a_stored_image_that_is_dropped_now_is_not_gone(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out, dedupe=True))
    shutil.copy(data / "train/square/03.jpg", data / "test/square/copy.jpg")
    shutil.copy(data / "train/square/04.jpg", data / "train/circle/other.jpg")
    with pytest.raises(AugcliError, match="--prune") as error:
        expand(config(data, out, dedupe=True))
    same, other = "the same image as test/square/copy.jpg", "train/circle/other.jpg, which has"
    assert f"{data}/train/square/03.jpg: is no longer used: {same}\n" in str(error.value)
    assert f"04.jpg: is no longer used: the same image as {other}" in str(error.value)
    expand(config(data, out, dedupe=True, prune=True))
    assert verify(out).faults == ()


def test_it_is_told_before_the_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def stops(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(expansion, "run_tasks", stops)
    with pytest.raises(KeyboardInterrupt):
        expand(config(data, tmp_path / "out"), tell=told.append)
    for same, line in zip((CONFLICT, LEAK, REPEAT), told, strict=True):
        assert f": {' = '.join(same)}; --dedupe drops them" in line


def test_clean_data_tell_nothing(split_photos: Path, tmp_path: Path) -> None:
    told: list[str] = []
    result = expand(config(split_photos, tmp_path / "out"), tell=told.append)
    assert (told, result.duplicates) == ([], ())


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.parametrize("dry", [True, False])
def test_the_command_says_it_once_before_and_once_after(
    data: Path, tmp_path: Path, dry: bool
) -> None:
    options = ["--data", data, "--out", tmp_path / "out", "--copies", 0, "--workers", 1]
    result = run("expand", *options, *(["--dry-run"] if dry else []))
    assert result.stdout.count("poisons evaluation") == 1
    assert result.stderr.count("poisons evaluation") == (0 if dry else 1)


@pytest.mark.parametrize("dedupe", [True, False])
def test_json_has_counts_and_sources(data: Path, tmp_path: Path, dedupe: bool) -> None:
    options = ["--data", data, "--out", tmp_path / "out", "--copies", 0, "--workers", 1]
    result = run("expand", *options, "--json", *(["--dedupe"] if dedupe else []))
    assert result.stderr == ""
    content = json.loads(result.stdout)
    assert content["duplicates"] == {
        "dropped": dedupe,
        "images": {"conflict": 1, "leak": 1, "repeat": 1},
        "groups": [
            {"kind": "conflict", "sources": list(CONFLICT)},
            {"kind": "leak", "sources": list(LEAK)},
            {"kind": "repeat", "sources": list(REPEAT)},
        ],
    }
    assert content["skipped"] == (4 if dedupe else 0)


def group(*samples: tuple[str, str, int]) -> DuplicateGroup:
    return DuplicateGroup(tuple(Sample(s, s, split, label) for s, split, label in samples))


def test_examples_show_what_the_matter_is() -> None:
    conflict = group(("1", "train", 0), ("2", "val", 0), ("3", "train", 1), ("4", "train", 0))
    leak = group(("5", "train", 0), ("6", "train", 0), ("7", "test", 0))
    repeats = [group((f"a{n}", "train", 0), (f"b{n}", "train", 0)) for n in range(4)]
    told = list(duplicate_lines([conflict, leak, *repeats], deduped=False))
    assert ["1 = 3 = …;" in told[0], "5 = 7 = …;" in told[1]] == [True, True]
    assert "4 images are" in told[2] and "1 image is" in told[1]
    assert "a0 = b0, a1 = b1, a2 = b2, …;" in told[2]
    outcomes = [line.rpartition("; ")[2] for line in duplicate_lines([conflict, leak], True)]
    assert outcomes == ["all dropped", "dropped but one of each"]
