"""Expansions are made once, timed, grown and gone on with; fewer copies are a share of more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augcli.augment import expansion
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import read_manifest
from augcli.train.comparisons.expanding import Stored, Timing, all_expansions
from augcli.train.comparisons.view_costs import ViewCosts

Expand = Callable[..., Stored]


def test_fewer_rounds_are_a_share_of_the_whole(stored: Stored) -> None:
    costs = ViewCosts(image=4.0, draw=2.0, encode=1.0)
    timing = Timing({}, seconds=100.0, cpu_seconds=200.0, views=72, costs=costs)
    known = dataclasses.replace(stored, timing=timing)
    # 36 images are decoded and 18 of them evaluated on; 18 of a round are stored, drawn from the
    # second round on.
    work = [4 * 36 + 1 * 18 + 18 * rounds + 2 * 18 * (rounds - 1) for rounds in (1, 2, 3)]
    found = all_expansions(known, [3, 1, 2, 1])
    assert [e.rounds for e in found] == [1, 2, 3]
    assert [e.views for e in found] == [36, 54, 72]
    assert [e.seconds for e in found] == pytest.approx([100 * part / work[2] for part in work])
    assert found[2].cpu_seconds == pytest.approx(200.0)
    assert found[2].disk_bytes == stored.manifest.bytes["shards"]
    assert found[0].disk_bytes < found[1].disk_bytes < found[2].disk_bytes
    assert found[2].seconds_per_view == pytest.approx(100 / 72)


def test_what_was_made_is_timed_and_not_made_again(
    expand_here: Expand, tmp_path: Path, split_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = expand_here(tmp_path, split_photos, copies=1)
    assert first.timing.views == 54 and first.timing.seconds > 0
    assert first.timing.costs is not None and first.timing.costs.image > 0
    monkeypatch.setattr(expansion, "run_task", lambda *_: pytest.fail("made again"))
    again = expand_here(tmp_path, split_photos, copies=1)
    assert again == first


def test_more_copies_are_added_and_fewer_are_there(
    expand_here: Expand, tmp_path: Path, split_photos: Path
) -> None:
    first = expand_here(tmp_path, split_photos, copies=0)
    more = expand_here(tmp_path, split_photos, copies=2)
    assert more.folder == first.folder and more.manifest.rounds == 3
    assert more.timing.views == 72 and more.timing.seconds > first.timing.seconds
    assert expand_here(tmp_path, split_photos, copies=1).manifest.rounds == 3


def test_an_interrupted_one_is_gone_on_with(
    expand_here: Expand, tmp_path: Path, split_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = expansion.run_task
    begun: list[Any] = []

    def stops(job: Any, task: Any) -> Any:
        if len(begun) == 2:
            raise KeyboardInterrupt
        begun.append(task)
        return whole(job, task)

    monkeypatch.setattr(expansion, "run_task", stops)
    with pytest.raises(KeyboardInterrupt):
        expand_here(tmp_path, split_photos)
    [record] = tmp_path.glob("*.json")
    assert 0 < json.loads(record.read_text())["views"] < 72
    begun.clear()
    monkeypatch.setattr(expansion, "run_task", whole)
    assert expand_here(tmp_path, split_photos).timing.views == 72


def test_one_whose_time_is_not_known_is_made_anew(
    expand_here: Expand, tmp_path: Path, split_photos: Path
) -> None:
    first = expand_here(tmp_path, split_photos)
    first.folder.with_name(first.folder.name + ".json").unlink()
    assert expand_here(tmp_path, split_photos).timing.views == 72


def test_other_options_are_another_expansion(
    expand_here: Expand, tmp_path: Path, split_photos: Path
) -> None:
    first = expand_here(tmp_path, split_photos, copies=0)
    other = expand_here(tmp_path, split_photos, copies=0, codec="png")
    assert other.folder != first.folder
    assert read_manifest(first.folder).options["codec"] == "jpeg"


def test_changed_images_are_told_with_what_to_do(
    expand_here: Expand, tmp_path: Path, photos: Path
) -> None:
    import shutil

    data = Path(shutil.copytree(photos, tmp_path / "data"))
    first = expand_here(tmp_path / "out", data, copies=0)
    one, other = sorted((data / "circle").iterdir())[:2]
    shutil.copy(other, one)
    with pytest.raises(AugcliError, match=f"or remove {first.folder}, to have all of it made anew"):
        expand_here(tmp_path / "out", data, copies=0)
