"""Names that people, and other systems, give: of classes, of files and of outputs."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from augcli.cli import main
from augcli.manifests.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("sketches", "tiny")

CLASSES = (
    *(" lead", "ends.", "quo'te\"s", "new\nline", "tab\there", "émoji 🦊", "x" * 255, "-rf"),
    *("CON", "aux.txt", "com¹", "a%20b", "$x_$", "<b>&amp;", "{0}", "a=b"),
    *("caf\u00e9", "\u202eabc", "a\\b", "`|`", "~", "שלום", "%s"),
)
HIDDEN = (".hidden", "..x")
CASES = ("Cat", "cat", "ma\u00f1ana", "man\u0303ana")
FILES = ("-x.png", "a b.png", "a\nb.png", "nul.png", "🦊.png", "y" * 251 + ".png", "UPPER.PNG")
SKIPPED = (".hidden.png", "no extension", "caf\u00e9.txt")


def write_images(data: Path, classes: tuple[str, ...]) -> None:
    for label, name in enumerate(classes):
        for split, files in {"train": FILES, "test": FILES[:1]}.items():
            folder = data / split / name
            folder.mkdir(parents=True)
            for number, file in enumerate((*files, *SKIPPED)):
                rng = np.random.default_rng([label, number, split == "train"])
                Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(
                    folder / file, "PNG"
                )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All these classes, and in each all these files."""
    data = Path(tmp_path_factory.mktemp("names") / "the data 🦊")
    write_images(data, (*CLASSES, *HIDDEN))
    not_utf8 = os.fsencode(data) + b"/train/-rf/\xff.png"
    with open(not_utf8, "wb") as file:
        file.write(b"no image")
    return data


def run(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_expanded_verified_trained_and_evaluated(data: Path, tmp_path: Path, format: str) -> None:
    classes = sorted(CLASSES)
    out, trained = tmp_path / "- out 'put'\n", tmp_path / "run 🦊"
    options = ("--copies", 1, "--size", 8, "--policy", "basic", "--workers", 1, "--format", format)
    made = run("expand", "--data", data, "--out", out, *options, "--val-fraction", 0)
    assert made["classes"] == classes
    assert made["splits"]["train"]["images"] == len(classes) * len(FILES)
    told = (out / "failures.jsonl").read_text().splitlines()
    assert len(told) == made["reference"]["failures"] > len(classes) * len(SKIPPED)
    assert any("not UTF-8" in json.loads(line)["reason"] for line in told)
    assert run("verify", out, "--deep", "--workers", 1)["remade"] == 100
    if format == "folder":
        folders = {path.name for path in (out / "train").iterdir()}
        assert len(folders) == len(classes)
        assert not folders & {"CON", "aux.txt", "com¹", "ends.", " lead", "a\\b", "<b>&amp;"}
        assert {"-rf", "émoji 🦊", "$x_$", "{0}"} < folders
    options = ("--model", "tiny", "--epochs", 1, "--device", "cpu", "--workers", 0)
    run("train", "--shards", out, "--out", trained, *options)
    run("evaluate", trained, "--out", tmp_path / "evaluated")
    with open(tmp_path / "evaluated" / "predictions.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert sorted(line["true"] for line in lines) == classes
    assert read_manifest(out).classes == tuple(classes)


def test_classes_that_differ_in_case_only(tmp_path: Path) -> None:
    write_images(tmp_path / "data", CASES)
    options = ("--data", tmp_path / "data", "--size", 8, "--workers", 1, "--val-fraction", 0)
    assert run("expand", *options, "--out", tmp_path / "tar")["classes"] == sorted(CASES)
    folder = ("expand", *options, "--out", tmp_path / "folder", "--format", "folder")
    result = CliRunner().invoke(main, list(map(str, folder)))
    assert result.exit_code == 2
    assert "'Cat' and 'cat' would have the same folder" in result.stderr
    assert "--format tar" in result.stderr
    assert not (tmp_path / "folder").exists()


TOO_LONG = "z" * 256


@pytest.mark.parametrize(
    "arguments",
    [
        ("expand", "--data", "DATA", "--out", TOO_LONG),
        ("train", "--data", "DATA", "--out", TOO_LONG),
        ("expand", "--data", TOO_LONG),
        ("verify", TOO_LONG),
        ("evaluate", TOO_LONG),
        ("train", "--shards", TOO_LONG),
        ("preview", "--data", "DATA", "--out", f"{TOO_LONG}.png"),
        ("schedule", "--samples", "9", "--plot", f"{TOO_LONG}.png"),
    ],
)
def test_names_that_are_too_long(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Was: a traceback from some of them."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [str(data) if a == "DATA" else a for a in arguments])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), result.exception
    assert TOO_LONG in result.stderr and "too long" in result.stderr
    assert list(tmp_path.iterdir()) == []
