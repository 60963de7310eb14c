"""Several ranks train one model: the same one as a single process, and they stop together.

Run as a script this file is the process that forks the ranks: it has imported everything, so that
a rank is there at once. It reads jobs from stdin, a line of JSON each, and answers likewise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
TRAIN, EPOCHS = 17, 3


class Plain(nn.Module):
    """What doesn't look at other samples and doesn't draw: the ranks change nothing about it."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * (size[0] // 4) * (size[1] // 4), classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


class Tiny(Plain):
    """Has what makes resuming hard: statistics that every batch moves, and random draws."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__(classes, size)
        self.layers.insert(1, nn.BatchNorm2d(8))
        self.layers.insert(3, nn.Dropout(0.2))


# ---- the process that forks the ranks ----


def serve() -> None:
    """Answer jobs until stdin ends."""
    for heavy in ("matplotlib.figure", "matplotlib.backends.backend_agg", "tensorboardX"):
        importlib.import_module(heavy)  # so that no rank has to
    for ours in ("augment.pipeline", "train.run", "train.summary", "cli"):
        importlib.import_module(f"augcli.{ours}")
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import sketch_confusion, sketch_curves

    from augcli.train import pictures
    from augcli.train.models import MODELS

    torch.set_num_threads(1)
    pictures.draw_curves, pictures.draw_confusion = sketch_curves, sketch_confusion
    MODELS.update(plain=Plain, tiny=Tiny)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job to its end: the exit code of each rank, and when it ended."""
    started = time.monotonic()
    ports = free_ports(len(job["ranks"][0]["commands"]))
    pids = [begin(job, rank, ports) for rank in range(len(job["ranks"]))]
    codes: dict[int, int] = {}
    seconds: dict[int, float] = {}
    while len(codes) < len(pids):
        for pid in set(pids) - set(codes):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                codes[pid] = os.waitstatus_to_exitcode(status)
                seconds[pid] = time.monotonic() - started
            elif time.monotonic() - started > DEADLINE_SECONDS:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return {"codes": [codes[pid] for pid in pids], "seconds": [seconds[pid] for pid in pids]}


def free_ports(count: int) -> list[int]:
    """One for each command: who begins the next one early must not meet the store of the last."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("localhost", 0))
        return [probe.getsockname()[1] for probe in probes]


def begin(job: dict[str, Any], rank: int, ports: list[int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = be_rank(job, rank, ports)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def be_rank(job: dict[str, Any], rank: int, ports: list[int]) -> int:
    """The command line in this process, its output in files."""
    import traceback

    from augcli.cli import main

    mine = job["ranks"][rank]
    for number, name in enumerate(("in", "out", "err")):
        path = Path(job["folder"]) / f"rank{rank}.{name}"
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(mine["cwd"])
    ranks = len(job["ranks"])
    if ranks > 1:
        local = 1 if job["own_machines"] else ranks
        os.environ |= {
            "RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank % local),
            "LOCAL_WORLD_SIZE": str(local), "MASTER_ADDR": "localhost",
        }  # fmt: skip
    watch(Path(job["folder"]) / f"rank{rank}", mine.get("signal"))
    code = 70
    for arguments, port in zip(mine["commands"], ports, strict=True):
        os.environ["MASTER_PORT"] = str(port)
        try:
            main(arguments, prog_name="augcli")
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            return 70
    return code


def watch(path: Path, signal_at: list[int] | None) -> None:
    """Write down what each step and the whole training gave; get a signal before one step."""
    from augcli.train import run
    from augcli.train.state import RunState

    step, train = RunState.step, run.run_training

    def watched_step(self: RunState, batch: Any, stop: Any) -> Any:
        if signal_at is not None and [self.epoch + 1, self.batch + 1] == signal_at[:2]:
            os.kill(os.getpid(), signal_at[2])
        with open(path.with_suffix(".steps"), "a") as file:
            file.write(json.dumps([self.epoch, batch.keys]) + "\n")
        return step(self, batch, stop)

    def watched_training(*arguments: Any) -> Any:
        result = train(*arguments)
        rows = [dataclasses.asdict(row) for row in result.rows]
        path.with_suffix(".rows").write_text(json.dumps([rows, result.accuracy]))
        return result

    RunState.step = watched_step  # type: ignore[method-assign]
    run.run_training = watched_training


# ---- what tests use ----


@dataclasses.dataclass(frozen=True)
class Done:
    """How the ranks of a job ended."""

    folder: Path
    codes: list[int]
    seconds: list[float]

    def out(self, rank: int) -> str:
        return (self.folder / f"rank{rank}.out").read_text()

    def err(self, rank: int) -> str:
        return (self.folder / f"rank{rank}.err").read_text()

    def rows(self, rank: int) -> tuple[list[dict[str, Any]], float]:
        rows, accuracy = json.loads((self.folder / f"rank{rank}.rows").read_text())
        return rows, accuracy

    def steps(self, rank: int) -> list[tuple[int, list[str]]]:
        path = self.folder / f"rank{rank}.steps"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


class Ranks:
    """Starts ranks and waits for them."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._jobs = 0

    def __call__(
        self,
        ranks: int,
        *arguments: object,
        signals: dict[int, tuple[int, int, int]] | None = None,
        own_machines: bool = False,
        other: dict[int, list[str]] | None = None,
        resumed: bool = False,
    ) -> Done:
        """`augcli train` on all of them.

        `signals`: rank -> (epoch, batch, number), a signal that it gets before that step.
        `own_machines`: each in a folder of its own. `other`: more arguments, by rank. `resumed`:
        with --resume after that, in the same processes.
        """
        self._jobs += 1
        folder = self._folder / f"job{self._jobs}"
        places = [folder / f"machine{rank if own_machines else 0}" for rank in range(ranks)]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        common = ["train", "--size", 16] if "--data" in arguments else ["train"]
        common += ["--device", "cpu", "--workers", 0, "--batch-size", 8, "--epochs", EPOCHS]
        job = {
            "folder": str(folder),
            "own_machines": own_machines,
            "ranks": [
                {
                    "cwd": str(places[rank]),
                    "commands": [
                        [
                            str(word)
                            for word in (*common, *arguments, *(other or {}).get(rank, []), *more)
                        ]
                        for more in ([], ["--resume"])[: 1 + resumed]
                    ],
                    "signal": (signals or {}).get(rank),
                }
                for rank in range(ranks)
            ],
        }
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return Done(folder, **json.loads(self._server.stdout.readline()))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    command = [sys.executable, __file__]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) as server:
        yield Ranks(server, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def photos(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """17 training images, and 9 each for validation and testing."""
    data = Path(shutil.copytree(split_photos, tmp_path_factory.mktemp("odd") / "shapes"))
    (data / "train" / "circle" / "00.jpg").unlink()
    return data


@pytest.fixture(scope="module")
def dataset(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five views a shard, so that the ranks have uneven numbers of shards to read from."""
    from augcli.augment.config import ExpandConfig
    from augcli.augment.expansion import expand

    out = tmp_path_factory.mktemp("stored") / "expanded"
    expand(
        ExpandConfig(
            data=str(photos), out=out, copies=1, size=16, workers=1, shard_size=5,
            codec="npy",
        )
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def damaged(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One training image in round 0 and one of validation can't be read."""
    from augcli.manifests.samples_file import read_samples

    out = Path(shutil.copytree(dataset, tmp_path_factory.mktemp("damaged") / "expanded"))
    table = read_samples(out / "samples.parquet").to_pylist()
    for split, place in (("train", 14), ("val", 4)):
        rows = [row for row in table if row["split"] == split and row["round"] == 0]
        row = sorted(rows, key=lambda row: str(row["key"]))[place]
        with open(out / "shards" / row["shard"], "r+b") as file:
            file.seek(row["offset"] + row["length"] - 9)
            file.write(b"damage")
    return out


def timeless(value: Any) -> Any:
    """`value` without what a clock decided, and without what may differ between the runs."""
    other = re.compile(r".*seconds|images_per_second|resume|out")
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not other.fullmatch(str(k))}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def assert_same(one: Any, other: Any, close: bool = False) -> None:
    """To the last bit, or nearly so."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key], close)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b, close)
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-4 * close, atol=1e-6 * close)
    elif close and isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-5)
    else:
        assert one == other


def saved(folder: Path, name: str = "last.pt") -> dict[str, Any]:
    from augcli.train.checkpoint import load_checkpoint

    return dict(timeless(vars(load_checkpoint(folder / name))))


def record(folder: Path) -> dict[str, Any]:
    return dict(timeless(json.loads((folder / "run.json").read_text())))


def assert_each_key_once(done: Done, count: int, left_out: int = 0) -> None:
    """In each epoch, over all ranks, and in the same number of steps."""
    steps = [done.steps(rank) for rank in range(count)]
    assert len({tuple(epoch for epoch, _ in each) for each in steps}) == 1
    for epoch in range(EPOCHS):
        keys = [key for each in steps for at, seen in each if at == epoch for key in seen]
        assert len(set(keys)) == len(keys) == TRAIN - left_out * (epoch % 2 == 0)


def assert_one_line(text: str, *parts: str) -> None:
    """One error is told, and no traceback."""
    errors = [line for line in text.splitlines() if "error" in line.lower()]
    assert len(errors) == 1, text
    assert "Traceback" not in text
    for part in parts:
        assert part in errors[0], text


# ---- the same training as alone ----

PLAIN = (
    *("--model", "plain", "--residual", "flip,shift=1,erase=0.5"),
    *("--out", "run", "--batch-size", 10),
)
"""Batches of 10 and 7: three ranks need no other ones. What a sample draws is its own affair."""


@pytest.fixture(scope="module")
def alone(ranks: Ranks, photos: Path) -> Path:
    done = ranks(1, "--data", photos, *PLAIN)
    assert done.codes == [0], done.err(0)
    return done.folder / "machine0" / "run"


@pytest.mark.parametrize("count", [2, 3])
def test_ranks_train_what_one_process_does(
    ranks: Ranks, photos: Path, alone: Path, count: int
) -> None:
    done = ranks(count, "--data", photos, *PLAIN)
    assert done.codes == [0] * count, done.err(0)
    run = done.folder / "machine0" / "run"
    assert_each_key_once(done, count)
    first, accuracy = done.rows(0)
    for rank in range(count):
        assert done.rows(rank) == (first, accuracy)
        assert (done.out(rank) == "") == (rank > 0)
        assert done.err(rank) == "" or rank == 0
    own, whole = record(run), record(alone)
    assert own.pop("ranks") == count and whole.pop("ranks") == 1
    assert_same(own, whole, close=True)
    assert own["test"]["confusion"] == whole["test"]["confusion"]
    for name in ("last.pt", "best.pt"):
        mine, others = saved(run, name), saved(alone, name)
        for part in ("history", "model", "best_epoch"):
            assert_same(mine[part], others[part], close=True)


def test_ranks_find_the_learning_rate_together(ranks: Ranks, photos: Path) -> None:
    found = []
    for count in (1, 2):
        done = ranks(count, "--data", photos, *PLAIN, "--lr", "auto", resumed=count > 1)
        assert done.codes == [0] * count, done.err(0)
        run = done.folder / "machine0" / "run"
        found.append(json.loads((run / "lr_find.json").read_text()))
        assert record(run)["lr"] == found[-1]["chosen"]
    one, two = found
    assert two["losses"][:50] == pytest.approx(one["losses"][:50], rel=1e-4)
    assert done.err(1) == ""


def test_ranks_agree_on_what_their_clocks_say(ranks: Ranks, photos: Path) -> None:
    """By the clock, with stages, averages and snapshots: the same epochs, steps and best model."""
    arguments = ("--data", photos, "--out", "run", "--epochs", 30, "--budget", "2s")
    arguments += ("--sizes", "8,16", "--size-batches", "auto", "--ema", 0.9, "--swa-start", 0.5)
    done = ranks(2, *arguments, "--sched", "cyclic", "--snapshots")
    assert done.codes == [0, 0], done.err(0)
    assert done.rows(0) == done.rows(1)
    steps = [[epoch for epoch, _ in done.steps(rank)] for rank in (0, 1)]
    assert steps[0] == steps[1]
    run = done.folder / "machine0" / "run"
    found = record(run)
    assert (found["ended_by"], found["steps"]) == ("budget", len(steps[0]))
    assert found["epochs"] == len(done.rows(0)[0]) == steps[0][-1] + 1
    assert found["swa"]["test"]["n"] == found["samples"]["test"]
    assert found["snapshots"]["count"] == len(list(run.glob("snapshot-*.pt"))) > 0


@pytest.mark.parametrize("batch_size", [3, 10])
def test_views_that_are_skipped_weigh_nothing_on_any_rank(
    ranks: Ranks, damaged: Path, batch_size: int
) -> None:
    """With batches of three it is the only one of a rank's share."""
    arguments = ("--shards", damaged, "--model", "plain", "--on-error", "skip")
    arguments += ("--out", "run", "--batch-size", batch_size)
    one, two = ranks(1, *arguments), ranks(2, *arguments)
    assert (one.codes, two.codes) == ([0], [0, 0]), two.err(0)
    assert_each_key_once(two, 2, left_out=1)
    empty = [keys for rank in (0, 1) for _, keys in two.steps(rank) if not keys]
    assert bool(empty) == (batch_size == 3)
    rows, (expected, _) = two.rows(1)[0], one.rows(0)
    assert [row["skipped"] for row in rows] == [1, 0, 1]
    assert_same(timeless(rows), timeless(expected), close=True)
    runs = [done.folder / "machine0" / "run" for done in (one, two)]
    assert_same(saved(runs[0])["model"], saved(runs[1])["model"], close=True)


def test_a_view_that_cannot_be_read_is_told_by_the_rank_that_needs_it(
    ranks: Ranks, damaged: Path
) -> None:
    done = ranks(2, "--shards", damaged, "--model", "plain", "--out", "run")
    assert done.codes == [1, 1]
    told = sorted((done.err(0), done.err(1)), key=lambda text: "another rank ended" in text)
    assert_one_line(told[0], "augcli verify")
    assert_one_line(told[1], "another rank ended: see its message")


def test_shards_that_fall_unevenly_to_the_ranks(ranks: Ranks, dataset: Path) -> None:
    arguments = ("--shards", dataset, "--model", "tiny", "--shuffle-buffer", 3, "--out", "run")
    done = ranks(3, *arguments, resumed=True)
    assert done.codes == [0, 0, 0], done.err(0)
    assert done.out(0).count("best epoch") == 2
    assert_each_key_once(done, 3)


# ---- stopping and resuming ----


@pytest.fixture(scope="module")
def whole(ranks: Ranks, photos: Path) -> Path:
    """Two ranks that nothing interrupts, of a model with batch norm and dropout."""
    done = ranks(2, "--data", photos, "--model", "tiny", "--out", "run")
    assert done.codes == [0, 0], done.err(0)
    return done.folder / "machine0" / "run"


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({1: (1, 2, signal.SIGTERM)}, {0: (2, 3, signal.SIGINT)}, 143),
        ({0: (2, 1, signal.SIGINT), 1: (2, 1, signal.SIGINT)}, {1: (3, 3, signal.SIGTERM)}, 130),
    ],
    ids=["one rank", "both"],
)
def test_interrupted_by_a_signal_to_any_rank_and_resumed(
    ranks: Ranks,
    photos: Path,
    whole: Path,
    first: dict[int, tuple[int, int, int]],
    second: dict[int, tuple[int, int, int]],
    code: int,
) -> None:
    """All stop after the step, one saves, and the end is the same to the last bit.

    Ranks have folders of their own, of which only the first one's is written to.
    """
    arguments = ("--data", photos, "--model", "tiny", "--out", "run")
    done = ranks(2, *arguments, signals=first, own_machines=True)
    run = done.folder / "machine0" / "run"
    epoch, batch, _ = next(iter(first.values()))
    assert done.codes == [code, code], done.err(1)
    assert_one_line(
        done.err(0),
        f"stopped by {signal.Signals(code - 128).name} after {epoch - 1} epochs and {batch} batch",
        "torchrun --nnodes 2 --nproc-per-node 1 --no-python augcli train",
    )
    assert done.err(1) == ""
    assert (saved(run)["epoch"], saved(run)["batch"]) == (epoch - 1, batch)
    assert len(saved(run)["cpu_rng"]) == 2
    assert len(set(map(bytes, saved(run)["cpu_rng"].numpy()))) == 2

    again = (*arguments[:-1], run, "--resume")
    done = ranks(2, *again, signals=second, own_machines=True)
    assert set(done.codes) <= {130, 143}, done.err(0)
    done = ranks(2, *again, own_machines=True)
    assert done.codes == [0, 0], done.err(0)
    assert done.rows(0) == done.rows(1)
    assert list(done.folder.glob("machine1/*")) == []
    for name in ("last.pt", "best.pt"):
        assert_same(saved(run, name), saved(whole, name))
    assert_same(record(run), record(whole))
    for name in ("confusion.png", "curves.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_takes_the_others_with_it(ranks: Ranks, photos: Path, killed: int) -> None:
    arguments = ("--data", photos, "--model", "tiny", "--out", "run")
    done = ranks(2, *arguments, signals={killed: (2, 2, signal.SIGKILL)})
    left = 1 - killed
    assert (done.codes[killed], done.codes[left]) == (-signal.SIGKILL, 1)
    assert done.seconds[left] - done.seconds[killed] < 15
    assert_one_line(done.err(left), f"rank {left}: another rank ended: see its message", "--resume")
    run = done.folder / "machine0" / "run"
    assert (saved(run)["epoch"], saved(run)["batch"]) == (1, 0)
    if killed:
        done = ranks(2, *arguments[:-1], run, "--resume")
        assert done.codes == [0, 0], done.err(0)


def test_a_finished_run_gives_its_result_to_every_rank(
    ranks: Ranks, photos: Path, whole: Path
) -> None:
    arguments = ("--data", photos, "--model", "tiny", "--out", whole, "--resume")
    done = ranks(2, *arguments, own_machines=True)
    assert done.codes == [0, 0], done.err(0)
    assert done.rows(0) == done.rows(1)
    assert "best epoch" in done.out(0) and done.out(1) == ""


# ---- refusing ----


def test_another_number_of_ranks_is_another_run(ranks: Ranks, photos: Path, whole: Path) -> None:
    arguments = ("--data", photos, "--model", "tiny", "--out", whole, "--resume")
    for count in (1, 3):
        done = ranks(count, *arguments)
        assert done.codes == [2] * count
        assert f"ranks: was 2, is now {count}" in done.err(0)
        assert all(done.err(rank) == "" for rank in range(1, count))


def test_a_batch_too_small_for_the_ranks(ranks: Ranks, photos: Path) -> None:
    arguments = ("--data", photos, "--model", "plain", "--batch-size", 2)
    done = ranks(3, *arguments)
    assert done.codes == [2, 2, 2]
    assert_one_line(done.err(0), "--batch-size 2 and 17 training samples are too few for 3 ranks")
    assert done.err(1) == done.err(2) == ""
    assert list(done.folder.glob("machine0/*")) == []


def test_ranks_must_be_asked_for_the_same(ranks: Ranks, photos: Path) -> None:
    arguments = ("--data", photos, "--model", "plain", "--out", "run")
    done = ranks(2, *arguments, other={1: ["--lr", "0.25"]})
    assert done.codes == [1, 2]
    assert "--lr: on rank 0 null, on rank 1 0.25" in done.err(1) and "Traceback" not in done.err(1)
    assert_one_line(done.err(0), "another rank ended: see its message")


def test_divergence_is_seen_by_all_and_told_by_one(ranks: Ranks, photos: Path) -> None:
    arguments = ("--data", photos, "--model", "plain", "--out", "run")
    done = ranks(2, *arguments, "--opt", "sgd", "--lr", 1e30, "--sched", "constant")
    assert done.codes == [1, 1]
    assert "the loss is nan: try a lower --lr" in done.err(0)
    assert done.err(1) == ""


# ---- under torchrun itself ----


def test_torchrun(photos: Path, tmp_path: Path) -> None:
    """SIGTERM to it reaches every rank; what is saved can be gone on with, and is told once."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*start, "-m", "augcli.cli", "train", "--data", photos, "--size", "16"]
    command += ["--epochs", "400", "--batch-size", "8", "--device", "cpu", "--out", tmp_path / "a"]
    words = list(map(str, command))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as torchrun:
        try:
            while not (tmp_path / "a" / "summary.csv").exists():
                assert torchrun.poll() is None
                time.sleep(0.05)
            torchrun.send_signal(signal.SIGTERM)
            _, told = torchrun.communicate(timeout=DEADLINE_SECONDS)
        finally:
            torchrun.terminate()  # what it started would outlive a kill
    assert told.count("stopped by SIGTERM") == told.count("augcli: error") == 1, told
    assert saved(tmp_path / "a")["identity"]["ranks"] == 2


if __name__ == "__main__":
    serve()
