"""Peers: those that are installed do the same work, the others are named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augcli.augment.plain_pipeline import plain_pipeline
from augcli.augment.policy import resolve_policy
from augcli.manifests.errors import UsageError
from augcli.train.comparisons.expanding import Stored
from augcli.train.comparisons.measurements import Repeated, write_record
from augcli.train.comparisons.peers import image_folder, measuring, webdataset_shards
from augcli.train.comparisons.peers.measuring import peer_row, without_arm
from augcli.train.comparisons.peers.registry import PEERS, parse_peers
from augcli.train.comparisons.peers.run_peer import OtherWorkError, measured
from augcli.train.comparisons.peers.work import PeerWork


@pytest.fixture
def work(stored: Stored, split_photos: Path, tmp_path: Path) -> PeerWork:
    folder = str(tmp_path / "peer")
    return PeerWork(str(stored.folder), str(split_photos), folder, size=16, batch_size=5, workers=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", [webdataset_shards, image_folder])
def test_installed_peers_do_the_work(peer: Any, work: PeerWork) -> None:
    with peer.open_peer(work) as another_epoch:
        for _ in range(2):
            views = sum(len(images) for images, _ in another_epoch())
            assert views == 18
    assert min(measured(peer.open_peer, work).values) > 0


def test_what_peers_are_given(work: PeerWork, stored: Stored) -> None:
    assert all("train-r001-" in path and Path(path).is_file() for path in work.shards())
    views = list(work.stored())
    assert len(views) == 18 and sorted(label for _, label in views) == [0] * 6 + [1] * 6 + [2] * 6
    assert all(work.decoded(data).shape == (16, 16, 3) for data, _ in views)
    assert len({data for data, _ in views}) == 18
    assert len(work.sources()) == 18 and work.extension == "jpg"


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((5, 16, 16, 3), np.float32), [0] * 5, "a batch of float32"),
        (np.zeros((5, 16, 16), np.uint8), [0] * 5, r"a batch of uint8 \(5, 16, 16\)"),
        (np.zeros((5, 16, 16, 3), np.uint8), [0, 0, 0, 0, 3], "labels"),
        (np.zeros((5, 16, 16, 3), np.uint8), [0] * 4, "labels"),
        (np.zeros((5, 3, 16, 16), np.uint8), [0] * 5, "5 views in an epoch of 18"),
    ],
)
def test_other_work_is_no_measurement(
    images: Any, labels: list[int], said: str, work: PeerWork
) -> None:
    @contextmanager
    def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
        yield lambda: iter([(images, labels)])

    with pytest.raises(OtherWorkError, match=said):
        measured(open_peer, work)


def test_rows_say_what_was_done_or_why_not(work: PeerWork, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = [name for name, peer in PEERS.items() if not peer.is_installed]
    for name in absent:
        row = peer_row(name, "shards-1", work, {})
        assert row.views_per_second is None and row.note.startswith("not installed: pip install ")
    assert "goes with shards" in without_arm("webdataset").note

    def run(command: list[str], **options: Any) -> Any:
        write_record(Path(command[-1]), Repeated((1.0, 3.0, 2.0)))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    row = peer_row("webdataset", "shards-1", work, {"views": "a"})
    assert row.views_per_second == Repeated((1.0, 3.0, 2.0)) and row.version
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("measured again"))
    assert peer_row("webdataset", "shards-1", work, {"views": "a"}) == row

    def fails(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, 1, "", "Traceback …\nOSError: no such thing\n")

    monkeypatch.setattr(subprocess, "run", fails)
    row = peer_row("webdataset", "shards-1", work, {"views": "b"})
    assert (row.views_per_second, row.note) == (None, "failed: OSError: no such thing")

    def hangs(command: list[str], **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hangs)
    monkeypatch.setattr(measuring, "SECONDS", 7)
    assert peer_row("webdataset", "shards-1", work, {"views": "b"}).note == "took over 7 s"


def test_the_command_of_a_peer_is_there() -> None:
    command = [sys.executable, "-c", "import augcli.train.comparisons.peers.run_peer"]
    subprocess.run(command, check=True)


def test_names_of_peers() -> None:
    assert parse_peers(None) == ()
    assert parse_peers("imagefolder, webdataset,imagefolder") == ("webdataset", "imagefolder")
    with pytest.raises(UsageError, match="unknown peer in --against 'dali': choose from ffcv"):
        parse_peers("webdataset,dali")


def test_the_policy_as_albumentations_has_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    plain = plain_pipeline(resolve_policy("none", 16), 16)(image)
    assert plain.shape == (16, 16, 3) and plain.dtype == np.uint8
    drawn = plain_pipeline(resolve_policy("rotate-flip", 16), 16)
    assert any(not np.array_equal(drawn(image), plain) for _ in range(5))
