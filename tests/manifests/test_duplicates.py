"""Duplicates: every kind is found by bytes alone, and dropping them keeps the counts whole."""

from __future__ import annotations

import builtins
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.duplicates import (
    CONFLICT,
    LEAK,
    REPEAT,
    TAIL_BYTES,
    find_duplicates,
    without_duplicates,
)
from augcli.manifests.errors import AugcliError
from augcli.manifests.reference import Reference, check_trainable
from augcli.manifests.sample_list import Samples
from augcli.manifests.scan import scan

Data = Callable[[Mapping[str, bytes]], Reference]

OTHERS = {"train/cat/other.jpg": b"a cat", "train/dog/other.jpg": b"a dog, too"}


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """The reference of a folder with these files and two more, which are like no others."""

    def make(files: Mapping[str, bytes]) -> Reference:
        root = tmp_path / "data"
        for source, content in {**OTHERS, **files}.items():
            (root / source).parent.mkdir(parents=True, exist_ok=True)
            (root / source).write_bytes(content)
        return scan(root, val_fraction=0.0, test_fraction=0.0)

    return make


def found(reference: Reference) -> list[tuple[str, tuple[str, ...]]]:
    return [(group.kind, group.sources) for group in find_duplicates(reference)]


def deduped(reference: Reference) -> Reference:
    return without_duplicates(reference, find_duplicates(reference))


def sources(reference: Reference) -> set[str]:
    return {sample.source for sample in reference.samples}


KIND_OF = [
    (("train/cat/1.jpg", "train/cat/2.jpg"), REPEAT),
    (("test/cat/1.jpg", "test/cat/2.jpg", "test/cat/3.jpg"), REPEAT),
    (("train/cat/1.jpg", "val/cat/1.jpg"), LEAK),
    (("test/cat/1.jpg", "train/cat/1.jpg", "train/cat/2.jpg"), LEAK),
    (("test/cat/1.jpg", "val/cat/1.jpg"), LEAK),
    (("train/cat/1.jpg", "train/dog/1.jpg"), CONFLICT),
    (("test/cat/1.jpg", "train/dog/1.jpg"), CONFLICT),
    (("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg"), CONFLICT),
]


@pytest.mark.parametrize(("same", "kind"), KIND_OF)
def test_every_kind(data: Data, same: tuple[str, ...], kind: str) -> None:
    assert found(data(dict.fromkeys(same, b"picture"))) == [(kind, same)]


def test_the_most_harmful_first(data: Data) -> None:
    contents = {REPEAT: b"1", LEAK: b"2", CONFLICT: b"3"}
    reference = data(
        {
            "train/cat/a.jpg": contents[REPEAT], "train/cat/b.jpg": contents[REPEAT],
            "train/cat/c.jpg": contents[LEAK], "val/cat/a.jpg": contents[LEAK],
            "train/cat/d.jpg": contents[CONFLICT], "train/dog/a.jpg": contents[CONFLICT],
            "train/cat/0.jpg": b"4", "train/cat/z.jpg": b"4",
        }
    )  # fmt: skip
    assert found(reference) == [
        (CONFLICT, ("train/cat/d.jpg", "train/dog/a.jpg")),
        (LEAK, ("train/cat/c.jpg", "val/cat/a.jpg")),
        (REPEAT, ("train/cat/0.jpg", "train/cat/z.jpg")),
        (REPEAT, ("train/cat/a.jpg", "train/cat/b.jpg")),
    ]


@pytest.mark.parametrize("size", [1, TAIL_BYTES, TAIL_BYTES + 1, 3 * TAIL_BYTES + 5])
def test_one_byte_tells_files_of_a_size_apart(data: Data, size: int) -> None:
    picture = bytes(size - 1)
    reference = data(
        {
            "train/cat/1.jpg": picture + b"\1",
            "train/cat/2.jpg": picture + b"\2",
            "train/dog/1.jpg": b"\3" + picture,
            "val/cat/1.jpg": picture + b"\2",
        }
    )
    assert found(reference) == [(LEAK, ("train/cat/2.jpg", "val/cat/1.jpg"))]


def test_files_of_different_sizes_are_never_opened(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps the search cheap: of 20 files, the two that share a size are read."""
    files = {f"train/cat/{number}.jpg": b"x" * (100 + number) for number in range(20)}
    reference = data(files | {"train/dog/1.jpg": b"y" * 105})
    opened: list[str] = []
    real = builtins.open

    def spied(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(os.fspath(file).removeprefix(f"{reference.root}/"))
        return real(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", spied)
        assert find_duplicates(reference) == ()
    assert sorted(opened) == ["train/cat/5.jpg", "train/dog/1.jpg"]


def test_empty_files_are_no_duplicates(data: Data) -> None:
    assert found(data({"train/cat/1.jpg": b"", "train/dog/1.jpg": b""})) == []


@pytest.mark.parametrize("left", [1, 2])
def test_a_vanished_file_is_left_alone(data: Data, left: int) -> None:
    same = [f"train/cat/{number}.jpg" for number in range(left + 1)]
    reference = data(dict.fromkeys(same, b"picture"))
    (reference.root / same[0]).unlink()
    expected = [(REPEAT, tuple(same[1:]))] if left > 1 else []
    assert found(reference) == expected
    assert same[0] in sources(deduped(reference))


@pytest.mark.parametrize("size", [7, TAIL_BYTES + 1])
@pytest.mark.parametrize("readable", [0, 1])
def test_an_unreadable_file_is_left_alone(
    data: Data, monkeypatch: pytest.MonkeyPatch, size: int, readable: int
) -> None:
    """Its size is known; opening it fails: at once, or when it is read as a whole."""
    same = [f"train/cat/{number}.jpg" for number in range(3)]
    reference = data(dict.fromkeys(same, bytes(size)))
    times = 0
    real = builtins.open

    def refuses(file: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal times
        if str(file).endswith(same[1]):
            times += 1
            if times > readable:
                raise PermissionError(13, "Permission denied", file)
        return real(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", refuses)
    was_read = size <= TAIL_BYTES and readable
    expected = tuple(same) if was_read else (same[0], same[2])
    assert found(reference) == [(REPEAT, expected)]


def test_the_order_of_samples_changes_nothing(data: Data) -> None:
    reference = data({source: kind.encode() for same, kind in KIND_OF for source in same})
    expected = find_duplicates(reference)
    left = without_duplicates(reference, expected)
    assert len(expected) > 1
    for seed in range(5):
        samples = list(reference.samples)
        random.Random(seed).shuffle(samples)
        groups = list(find_duplicates(replace(reference, samples=Samples.of(samples))))
        assert tuple(groups) == expected
        random.Random(seed).shuffle(groups)
        assert without_duplicates(reference, groups) == left


@pytest.mark.parametrize(
    ("same", "kept"),
    [
        (("train/cat/1.jpg", "train/cat/2.jpg"), "train/cat/1.jpg"),
        (("train/cat/1.jpg", "val/cat/2.jpg", "val/cat/1.jpg"), "val/cat/1.jpg"),
        (("train/cat/1.jpg", "val/cat/1.jpg", "test/cat/9.jpg"), "test/cat/9.jpg"),
    ],
)
def test_evaluation_keeps_its_image(data: Data, same: tuple[str, ...], kept: str) -> None:
    reference = data(dict.fromkeys(same, b"picture"))
    left = deduped(reference)
    assert sources(left) == {*OTHERS, kept}
    assert {failure.source: failure.reason for failure in left.skipped} == {
        source: f"the same image as {kept}" for source in same if source != kept
    }


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (("train/cat/2.jpg",), "val/cat/1.jpg"),
        (("train/cat/2.jpg", "val/cat/3.jpg"), "val/cat/3.jpg"),
        (("val/cat/2.jpg", "val/cat/3.jpg"), "val/cat/2.jpg"),
    ],
)
def test_of_a_split_what_is_stored_is_kept(data: Data, stored: tuple[str, ...], kept: str) -> None:
    same = ("train/cat/2.jpg", "val/cat/1.jpg", "val/cat/2.jpg", "val/cat/3.jpg")
    reference = data(dict.fromkeys(same, b"picture"))
    left = without_duplicates(reference, find_duplicates(reference), frozenset(stored))
    assert sources(left) == {*OTHERS, kept}


def test_of_several_labels_none_is_kept(data: Data) -> None:
    same = ("train/cat/1.jpg", "train/cat/2.jpg", "val/dog/1.jpg")
    left = deduped(data(dict.fromkeys(same, b"picture")))
    assert sources(left) == set(OTHERS)
    of_cat, of_dog = same[0], same[2]
    assert {failure.source: failure.reason for failure in left.skipped} == {
        source: f"the same image as {other}, which has another label"
        for source, other in zip(same, (of_dog, of_dog, of_cat), strict=True)
    }


def test_counts_add_up_and_failures_stay_sorted(data: Data) -> None:
    """Law 7: what was an input is a sample or a failure, before and after."""
    files = {source: kind.encode() for same, kind in KIND_OF for source in same}
    notes = {"train/cat/notes.txt": b"", "train/zoo.jpg": b"", "train/.x": b""}
    reference = data({**files, **notes})
    left = deduped(reference)
    skipped = [failure.source for failure in left.skipped]
    assert {*sources(left), *skipped} == {*files, *notes, *OTHERS}
    assert len(left.samples) + len(skipped) == len({*files, *notes, *OTHERS})
    assert skipped == sorted(skipped)
    assert set(reference.skipped) < set(left.skipped)
    assert find_duplicates(left) == ()
    assert left.classes == reference.classes
    check_trainable(left)


def test_without_duplicates_nothing_changes(data: Data) -> None:
    reference = data({"train/cat/notes.txt": b""})
    assert deduped(reference) == reference


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("train/ant/1.jpg", "test/ant/1.jpg"), r"train/ant/1\.jpg: the same image as test/ant/1"),
        (("train/ant/1.jpg", "train/bee/1.jpg"), r"train/ant/1\.jpg: .* another label"),
    ],
)
def test_a_class_that_would_be_emptied(data: Data, files: tuple[str, ...], reason: str) -> None:
    reference = data(dict.fromkeys(files, b"picture"))
    check_trainable(reference)
    emptied = "ant, bee" if "train/bee/1.jpg" in files else "ant"
    with pytest.raises(
        AugcliError, match=rf"--dedupe .* training images for: {emptied} \({reason}"
    ):
        deduped(reference)


@pytest.mark.parametrize("hard", [True, False])
def test_a_second_name_of_a_file_is_the_scans_affair(data: Data, hard: bool) -> None:
    root = data({}).root
    second = root / "train" / "dog" / "link.jpg"
    if hard:
        os.link(root / "train/cat/other.jpg", second)
    else:
        second.symlink_to(root / "train/cat/other.jpg")
    reference = scan(root, val_fraction=0.0, test_fraction=0.0)
    assert len(reference.skipped) == 1
    assert found(reference) == []
