"""The command line, as a user meets it: output, exit codes, errors, interruption."""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from augcli.augment import expansion
from augcli.cli import main

pytestmark = pytest.mark.usefixtures("sketches")

COMMANDS = (
    *("expand", "train", "lr-find", "recipe", "sweep", "evaluate", "landscape"),
    *("schedule", "benchmark", "ablate", "preview", "verify"),
)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content


@pytest.fixture(scope="module")
def dataset(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "expanded"
    result = run(
        "expand", "--data", split_photos, "--out", out, "--copies", 1, "--size", 32, "--workers", 1
    )
    assert result.exit_code == 0, result.stderr
    return out


def test_help_lists_the_commands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_defaults(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert "default" in result.stdout or command == "verify"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "expand",
            "--data --out --copies --policy --size --fit --codec --quality --seed --workers "
            "--shard-size --originals --no-originals --val-fraction --test-fraction --dedupe "
            "--on-error --dry-run --json",
        ),
        (
            "train",
            "--source --shards --data --policy --model --epochs --batch-size --opt --lr "
            "--weight-decay --sched --seed --workers --device --out --resume --json",
        ),
        (
            "train",
            "--warmup-epochs --min-lr --step-len --milestones --gamma --cycle-len --cycle-mult "
            "--cycle-decay --cyclic-mode --patience",
        ),
        (
            "sweep",
            "--seeds --search --trials --prune --jobs --copies --out --source --shards --data "
            "--policy --residual --model --epochs --batch-size --opt --lr --weight-decay --sched "
            "--seed --workers --device --size --json",
        ),
        (
            "schedule",
            "--sched --epochs --batch-size --opt --lr --warmup-epochs --min-lr --step-len "
            "--milestones --gamma --cycle-len --cycle-mult --cycle-decay --cyclic-mode --patience "
            "--samples --shards --data --plot --json",
        ),
        (
            "lr-find",
            "--source --shards --data --model --batch-size --opt --lrs --lr-mult --start-lr "
            "--end-lr --steps --sweep --rule --plot --json",
        ),
        (
            "benchmark",
            "--data --policy --policies --arms --copies --residual --model --epochs --seeds --lr "
            "--corruptions --against --budget --out --json",
        ),
        ("ablate", "--data --policy --model --epochs --seeds --alone --no-alone --out --json"),
    ],
)
def test_fixed_options_are_there(command: str, options: str) -> None:
    shown = run(command, "--help").stdout
    for option in options.split():
        assert option in shown, option


def test_expand_prints_a_table(dataset: Path, split_photos: Path) -> None:
    result = run("expand", "--data", split_photos, "--out", dataset, "--copies", 1, "--size", 32)
    assert result.exit_code == 0
    assert "train" in result.stdout
    assert "nothing to do" in result.stdout


def test_expand_json_adds_up(split_photos: Path, tmp_path: Path) -> None:
    made = run_json(
        "expand", "--data", split_photos, "--out", tmp_path / "x", "--copies", 2, "--workers", 1
    )
    train = made["splits"]["train"]
    assert train["views"] == 3 * train["images"]
    assert made["reference"]["inputs"] == made["reference"]["used"] + made["reference"]["failures"]
    assert made["reference"]["used"] == sum(split["images"] for split in made["splits"].values())
    assert made["views_made"] == sum(split["views"] for split in made["splits"].values())


def test_dry_run_writes_nothing(split_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    plan = run_json("expand", "--data", split_photos, "--out", out, "--dry-run")
    assert plan["dry_run"] is True
    assert plan["splits"]["train"]["views"] == 6 * plan["splits"]["train"]["images"]
    assert not out.exists()
    assert "nothing was written" in run("expand", "--data", split_photos, "--dry-run").stdout


def test_verify_says_so(dataset: Path) -> None:
    result = run("verify", dataset)
    assert result.exit_code == 0
    assert "no fault" in result.stdout
    assert run_json("verify", dataset)["ok"] is True


def test_schedule_draws_before_it_is_run(dataset: Path, tmp_path: Path) -> None:
    picture = tmp_path / "lr.png"
    result = run("schedule", "--sched", "sgdr", "--shards", dataset, "--plot", picture)
    assert result.exit_code == 0, result.stderr
    assert "restarts" in result.stdout and str(picture) in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = run_json("schedule", "--samples", 1000, "--sched", "all", "--cycle-len", 2)
    assert len(told["schedules"]) == 10 and told["steps"] == 480
    wrong = run("schedule", "--samples", 1000, "--cycle-len", 2)
    assert wrong.exit_code == 2
    assert "--cycle-len goes with --sched sgdr, cyclic" in wrong.stderr


def test_verify_lists_faults_and_fails(dataset: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    shard = sorted((copy / "shards").glob("*.tar"))[0]
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    result = run("verify", copy)
    assert result.exit_code == 1
    assert f"{shard.name}: changed images (1 of " in result.stdout
    assert json.loads(run("verify", copy, "--json").stdout)["ok"] is False


@pytest.mark.parametrize("policy", ["side-on", "all"])
def test_preview_draws_a_picture(split_photos: Path, tmp_path: Path, policy: str) -> None:
    from PIL import Image

    out = tmp_path / "sheet.png"
    shown = run_json(
        "preview", "--data", split_photos, "--policy", policy, "--out", out, "--copies", 2
    )
    with Image.open(out) as picture:
        assert picture.width > 3 * 96
        assert picture.height > 96 * max(len(shown["keys"]), len(shown["policies"]))


def test_preview_makes_pictures_and_a_page(split_photos: Path, tmp_path: Path) -> None:
    common = ("preview", "--data", split_photos, "--copies", 2, "--size", 32)
    shown = run_json(
        *common,
        "--by-class",
        "--strips",
        "--out",
        tmp_path / "s.png",
        "--html",
        tmp_path / "p.html",
    )
    assert len(shown["pictures"]) == 3 and shown["left_out"] == 0
    assert all(Path(path).is_file() for path in [*shown["pictures"], shown["page"]])
    result = run(*common, "--html", tmp_path / "q.html", "--only-class", "circle")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [str(tmp_path / "q.html"), "6 images, side-on"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--only-class", "hexagon"), "choose from circle, square, stripes"),
        (("--html", "page.png"), "--html page.png: expected a name that ends in .html"),
        (("--out", "page.jpg"), "--out page.jpg: expected a name that ends in .png"),
    ],
)
def test_preview_refuses(split_photos: Path, options: tuple[str, ...], message: str) -> None:
    result = run("preview", "--data", split_photos, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_train_and_its_files(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("train", "--shards", dataset, "--epochs", 2, "--workers", 0, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "chance" in result.stdout
    names = {path.name.split(".tfevents")[0] for path in out.iterdir()}
    assert names == {
        "args.yaml", "summary.csv", "run.json", "last.pt", "best.pt", "events.out",
        "curves.png", "confusion.png",
    }  # fmt: skip
    assert len((out / "summary.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("source", ["on-the-fly", "none"])
def test_train_without_expansion(split_photos: Path, tmp_path: Path, source: str) -> None:
    run_record = run_json(
        "train", "--data", split_photos, "--source", source, "--size", 32, "--epochs", 1,
        "--workers", 0, "--out", tmp_path / "run",
    )  # fmt: skip
    assert run_record["source"]["source"] == source
    assert run_record["test"]["n"] > 0


def test_runs_are_numbered(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("train", "--shards", dataset, "--epochs", 1, "--workers", 0)
    run(*arguments)
    run(*arguments, "--source", "none")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["001-shards", "002-none"]
    resumed = run(*arguments, "--source", "none", "--resume")
    assert resumed.exit_code == 0, resumed.stderr


def test_the_newest_numbered_run_goes_on(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in a folder that was named by number; the message is the command to give."""
    import shlex

    from augcli.train import epochs

    train_epoch = epochs.train_epoch

    def stopped_in_the_second(state: Any, *rest: Any) -> None:
        if state.epoch == 1:
            signal.raise_signal(signal.SIGINT)
        train_epoch(state, *rest)

    monkeypatch.chdir(tmp_path)
    arguments = ("train", "--shards", str(dataset), "--epochs", "3", "--workers", "0")
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "train_epoch", stopped_in_the_second)
        stopped = run(*arguments)
    assert stopped.exit_code == 130, stopped.stderr
    named = shlex.split(stopped.stderr.strip().splitlines()[-1].partition("with: augcli ")[2])
    assert named[-3:] == ["--out", "runs/001-shards", "--resume"]
    Path("runs/002-none").mkdir()
    for again in ((*arguments, "--resume"), named):
        result = run(*again)
        assert result.exit_code == 0, result.output
        assert "best epoch" in result.stdout and "runs/001-shards/best.pt" in result.stdout


def test_train_refuses_places_that_are_taken(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = sorted(path.name for path in dataset.iterdir())
    for out, message in ((tmp_path / "file", "is a file"), (dataset, "is an expanded dataset")):
        result = run("train", "--shards", dataset, "--epochs", 1, "--workers", 0, "--out", out)
        assert result.exit_code == 2, result.output
        assert f"--out {out}: {message}" in result.stderr
    assert sorted(path.name for path in dataset.iterdir()) == before


@pytest.mark.parametrize("name", ["run[/q]", "run[red]1"])
def test_names_are_no_markup(dataset: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    result = run("train", "--shards", dataset, "--epochs", 1, "--workers", 0, "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out / "best.pt") in result.stdout


def test_benchmark_keeps_what_is_not_its_own(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("expand", "--data", split_photos, "--size", 16, "--workers", 1).exit_code == 0
    before = sorted(path for path in tmp_path.rglob("*"))
    result = run("benchmark", "--data", split_photos, "--out", ".")
    assert result.exit_code == 2, result.output
    assert "--out .: expanded is there" in result.stderr
    assert sorted(path for path in tmp_path.rglob("*")) == before


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SECONDS", 0.02), ("WARM_UP_SECONDS", 0.0), ("WARM_UP_BATCHES", 1)):
        monkeypatch.setattr(f"augcli.train.comparisons.stretches.{name}", value)


def test_benchmark_writes_its_report(
    split_photos: Path, tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    out = tmp_path / "bench"
    arguments = ("benchmark", "--data", split_photos, "--size", 16, "--copies", 1, "--epochs", 1,
                 "--seeds", 2, "--workers", 1, "--model", tiny, "--out", out)  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    for word in ("Throughput", "Accuracy", "on-the-fly", "shards-1", "none", str(out)):
        assert word in result.stdout
    content = run_json(*arguments)  # nothing is trained again
    arms = content["analysis"]["arms"]
    assert [row["arm"]["name"] for row in arms] == ["none", "on-the-fly", "shards-1"]
    assert len(content["measurements"]["trainings"]) == 6
    headline = content["verdict"]["headline"]
    assert headline in " ".join(result.stdout.split())
    for name in ("report.html", "report.md"):
        assert headline in html.unescape((out / name).read_text())
    for name in ("benchmark.json", "throughput.csv", "accuracy.csv", "copies.png", "views.png"):
        assert (out / name).stat().st_size > 0


def test_ablate_decides_and_keeps(split_photos: Path, tmp_path: Path, tiny: str) -> None:
    out = tmp_path / "ablation"
    arguments = ("ablate", "--data", split_photos, "--policy", "rotate-flip", "--size", 16,
                 "--epochs", 1, "--seeds", 2, "--model", tiny, "--no-alone",
                 "--out", out)  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    for word in ("Rotate", "HorizontalFlip", "decision", str(out)):
        assert word in result.stdout
    content = run_json(*arguments)
    assert content["measurements"]["transforms"] == ["Rotate", "HorizontalFlip"]
    assert (out / "ablation.html").stat().st_size > 0


USAGE_ERRORS = [
    (("expand", "--policy", "nonsense"), "choose from .*side-on"),
    (("expand", "--policy", "keras:rotation=3"), "rotation"),
    (("expand", "--policy", "missing.yaml"), "missing.yaml"),
    (("expand", "--data", "nowhere"), "no such file or folder"),
    (("expand", "--data", "torchvision:Nonsense"), "choose from .*CIFAR10"),
    (("expand", "--copies", "-1"), "--copies: -1 is too small"),
    (("expand", "--copies", "0", "--no-originals"), "at least one"),
    (("expand", "--size", "4"), "--size"),
    (("expand", "--codec", "tiff"), "jpeg"),
    (("expand", "--val-fraction", "0.7", "--test-fraction", "0.6"), "below 1"),
    (("expand", "--val-fraction", "nan"), "finite"),
    (("train", "--model", "resnet"), "resnet18"),
    (("train", "--source", "shards", "--data", "somewhere"), "--source on-the-fly"),
    (("train", "--lr", "-1"), "--lr"),
    (("train", "--opt", "magic"), "adamw"),
    (("train", "--resume", "--out", "nowhere"), "no run to resume|no manifest"),
    (("benchmark", "--arms", "none,shard"), "unknown arm 'shard'"),
    (("benchmark", "--copies", "1;2"), "--copies 1;2"),
    (("ablate", "--policy", "none"), "no transforms"),
    (("ablate", "--seeds", "1"), "--seeds"),
    (("verify",), "DIR"),
    (("nonsense",), "No such command"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE_ERRORS)
def test_usage_errors(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: Path,
    split_photos: Path,
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    (tmp_path / "expanded").symlink_to(dataset)
    if arguments[0] == "expand" and "--data" not in arguments:
        data = split_photos if "--val-fraction" not in arguments else split_photos / "train"
        arguments = (*arguments, "--data", str(data), "--out", "new")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert re.search(message, result.stderr, re.DOTALL), result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "runs").exists()


FAILURES = [
    (("verify", "nowhere"), "no manifest"),
    (("train", "--shards", "nowhere"), "augcli expand --out nowhere"),
]


@pytest.mark.parametrize(("arguments", "message"), FAILURES)
def test_failures(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_on_the_fly_needs_to_know_where_the_images_are(
    dataset: Path, split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "another machine"))
    arguments = ("train", "--source", "on-the-fly", "--shards", dataset, "--epochs", 1,
                 "--workers", 0, "--out", tmp_path / "run")  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--data DIR" in result.stderr
    assert run(*arguments, "--data", split_photos).exit_code == 0


def test_no_memory_is_told_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch has errors of its own for it."""
    import torch

    from augcli.train.evaluation import evaluating

    def fails(*_: object, **__: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.")

    monkeypatch.setattr(evaluating, "evaluate_run", fails)
    result = run("evaluate", tmp_path)
    assert result.exit_code == 1
    assert "augcli: error: the memory ran out: free some" in result.stderr
    assert "--batch-size" in result.stderr


def test_on_error_fail_names_the_file(split_photos: Path, tmp_path: Path) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(split_photos, data)
    bad = next((data / "train").rglob("*.jpg"))
    bad.write_bytes(bad.read_bytes()[:200])
    for workers in (1, 2):
        result = run("expand", "--data", data, "--out", tmp_path / f"f{workers}", "--on-error",
                     "fail", "--shard-size", 4, "--workers", workers)  # fmt: skip
        assert result.exit_code == 1
        assert bad.name in result.stderr
        assert "Traceback" not in result.stderr
    skipped = run_json("expand", "--data", data, "--out", tmp_path / "skip", "--workers", 1)
    assert skipped["reference"]["failures"] == 1
    lines = (tmp_path / "skip" / "failures.jsonl").read_text().splitlines()
    assert bad.name in json.loads(lines[0])["source"]


def test_ctrl_c_saves_and_resume_ends_the_same(dataset: Path, tmp_path: Path) -> None:
    """A real process, a real SIGINT; the resumed run equals an undisturbed one."""
    common = ("train", "--shards", dataset, "--epochs", 8, "--batch-size", 4, "--workers", 1)
    out = tmp_path / "stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "augcli.cli", *map(str, common), "--json", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (out / "best.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert b"--resume" in errors
    assert b"Traceback" not in errors
    resumed = run_json(*common, "--out", out, "--resume")
    whole = run_json(*common, "--out", tmp_path / "whole")
    assert resumed["test"] == whole["test"]
    assert _losses(out) == _losses(tmp_path / "whole")


def test_ctrl_c_within_a_lock(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: a traceback of the error that the lock made of it."""

    def wait(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr(expansion, "run_task", wait)
    result = run("expand", "--data", split_photos, "--out", tmp_path / "x", "--workers", 1)
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted; what was finished is kept: run it again\n")


def _losses(run_folder: Path) -> list[list[str]]:
    lines = (run_folder / "summary.csv").read_text().splitlines()
    return [line.split(",")[:6] for line in lines]


def test_ctrl_c_in_an_expansion_can_be_continued(split_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    command = [sys.executable, "-m", "augcli.cli", "expand", "--data", str(split_photos), "--out",
               str(out), "--copies", "300", "--size", "64", "--shard-size", "2"]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    while not list(out.glob("shards/*.tar")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    assert not (out / "manifest.json").exists()
