"""Scanning: every file ends as a sample or as a failure, and the layout decides class and split."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import IMAGE_EXTENSIONS, MAX_FILE_BYTES
from augcli.manifests.reference import Reference
from augcli.manifests.scan import scan
from augcli.manifests.splits import SPLIT_NAMES
from augcli.manifests.walk import HIDDEN_FOLDER, OWN_BENCHMARK, OWN_DATASET, OWN_RUN

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Makes files (empty: nothing is opened) in a folder, which is returned."""

    def make(*sources: str) -> Path:
        root = tmp_path / "data"
        for source in sources:
            (root / source).parent.mkdir(parents=True, exist_ok=True)
            (root / source).touch()
        return root

    return make


def sources(reference: Reference) -> list[str]:
    return [sample.source for sample in reference.samples]


def reasons(reference: Reference) -> dict[str, str]:
    return {failure.source: failure.reason for failure in reference.skipped}


def test_folder_per_class(tree: Tree) -> None:
    reference = scan(tree("dog/1.jpg", "cat/2.jpg", "cat/1.jpg"))
    assert reference.classes == ("cat", "dog")
    assert sources(reference) == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]
    assert [sample.label for sample in reference.samples] == [0, 0, 1]
    assert (reference.name, reference.skipped) == ("data", ())


@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("name", sorted(SPLIT_NAMES))
def test_every_split_name(tree: Tree, name: str, written: Callable[[str], str]) -> None:
    split = SPLIT_NAMES[name]
    folders = {written(name): split}
    if split != "train":
        folders["train"] = "train"
    reference = scan(
        tree(*(f"{folder}/{c}/1.jpg" for folder in folders for c in "ab")),
        val_fraction=0.0 if split != "val" else None,
    )
    assert reference.classes == ("a", "b")
    found = {sample.source.split("/")[0]: sample.split for sample in reference.samples}
    assert found == folders


def test_split_names_without_train_are_classes(tree: Tree) -> None:
    assert scan(tree("test/1.jpg", "dev/1.jpg")).classes == ("dev", "test")


def test_missing_validation_is_taken_from_training_only(tree: Tree) -> None:
    files = [f"{split}/{c}/{n}.jpg" for split in ("train", "test") for c in "ab" for n in range(60)]
    reference = scan(tree(*files))
    assert {s.source.split("/")[0] for s in reference.of_split("val")} == {"train"}
    assert len(reference.of_split("test")) == 120
    assert sum(reference.class_counts("train")) + sum(reference.class_counts("val")) == 120


@pytest.mark.parametrize("names", [("val", "validation"), ("Train", "training"), ("test", "eval")])
def test_two_folders_for_one_split(tree: Tree, names: tuple[str, str]) -> None:
    folders = {*names, "train"} if "Train" not in names else set(names)
    with pytest.raises(UsageError) as error:
        scan(tree(*(f"{folder}/a/1.jpg" for folder in folders)))
    assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize("extension", sorted(IMAGE_EXTENSIONS))
def test_image_extensions_in_any_case(tree: Tree, extension: str) -> None:
    data = tree(f"a/1{extension}", f"a/2{extension.upper()}", f"b/3.x{extension.title()}")
    assert len(scan(data).samples) == 3


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a/.1.jpg", "hidden file"),
        ("a/.DS_Store", "hidden file"),
        ("a/notes.txt", "not an image extension: .txt"),
        ("a/1.jpg.part", "not an image extension: .part"),
        ("a/1.", "not an image extension: ."),
        ("a/README", "no image extension"),
        ("1.jpg", "not in a class folder"),
        ("labels.csv", "not an image extension: .csv"),
    ],
)
def test_skipped_files_have_reasons(tree: Tree, source: str, reason: str) -> None:
    reference = scan(tree("a/ok.jpg", "b/ok.jpg", source))
    assert len(reference.samples) == 2
    assert reasons(reference) == {source: reason}


@pytest.mark.parametrize("source", ["train/1.jpg", "test/1.jpg", "1.jpg"])
def test_outside_class_folders_of_split_data(tree: Tree, source: str) -> None:
    reference = scan(tree("train/a/1.jpg", "train/b/1.jpg", source))
    assert reasons(reference) == {source: "not in a class folder"}
    assert reference.classes == ("a", "b")


@pytest.mark.parametrize("source", ["extra/1.jpg", "extra/a/1.jpg"])
def test_train_beside_other_folders_has_two_readings(tree: Tree, source: str) -> None:
    """Was: with classes bus, car and train, no images found, or bus and car dropped."""
    with pytest.raises(UsageError, match=r"'train'.*extra.*splits.*classes"):
        scan(tree("train/a/1.jpg", "train/b/1.jpg", source))


def test_train_can_be_a_class(tree: Tree) -> None:
    reference = scan(
        tree("bus/1.jpg", "car/side/1.jpg", "test/1.jpg", "train/1.jpg", "train/x/1.jpg")
    )
    assert reference.classes == ("bus", "car", "test", "train")
    assert reference.skipped == ()


def test_folders_without_images_do_not_decide_the_layout(tree: Tree) -> None:
    data = tree("train/a/1.jpg", "train/b/1.jpg", "docs/notes.txt", ".cache/1.jpg", "x/.1.jpg")
    (data / "validation").mkdir()
    (data / "val").mkdir()
    reference = scan(data)
    assert sources(reference) == ["train/a/1.jpg", "train/b/1.jpg"]
    assert set(reasons(reference)) == {"docs/notes.txt", ".cache/1.jpg", "x/.1.jpg"}


def test_every_file_of_a_hidden_folder_is_reported(tree: Tree) -> None:
    """Was: one failure for the folder, so that the counts did not add up."""
    hidden = [".git/x/1.jpg", ".git/y", "a/.thumbs/1.jpg", "a/.thumbs/2.jpg"]
    reference = scan(tree("a/1.jpg", *hidden))
    assert reasons(reference) == dict.fromkeys(hidden, HIDDEN_FOLDER)


def test_links_in_hidden_folders_take_nothing_away(tree: Tree, tmp_path: Path) -> None:
    data = tree("a/1.jpg", ".cache/x.txt")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.jpg").touch()
    for name in (".cache/b", ".b", "b"):
        (data / name).symlink_to(tmp_path / "outside", target_is_directory=True)
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert reasons(reference) == dict.fromkeys([".cache/b", ".b", ".cache/x.txt"], HIDDEN_FOLDER)


OWN_OUTPUTS = {
    OWN_DATASET: ["manifest.json", "preview.png", "shards/train-r000-00000.tar"],
    OWN_RUN: ["args.yaml", "last.pt", "curves.png"],
    OWN_BENCHMARK: ["benchmark.json", "benchmark.md", "benchmark.png", "expanded/preview.png"],
}


@pytest.mark.parametrize("folder", ["out", "deep/er/out"])
@pytest.mark.parametrize("reason", OWN_OUTPUTS)
def test_earlier_outputs_are_no_classes(tree: Tree, reason: str, folder: str) -> None:
    """Was: `--data .` took the folders `expanded` and `runs` with their pictures for classes."""
    outputs = [f"{folder}/{name}" for name in OWN_OUTPUTS[reason]]
    data = tree("a/1.jpg", "b/1.jpg", *outputs)
    if reason == OWN_DATASET:
        (data / outputs[0]).write_text('{\n "format": "augcli-dataset",\n "options": {}}')
    reference = scan(data)
    assert reference.classes == ("a", "b")
    assert reasons(reference) == dict.fromkeys(outputs, reason)
    with pytest.raises(UsageError, match="the images that it was made from"):
        scan(data / folder)


@pytest.mark.parametrize("view", ["shards/.x.tar.tmp", "train/a/x.jpg"])
def test_unfinished_expansions_are_no_classes(tree: Tree, view: str) -> None:
    """Was: of `--format folder` the views were images of a later run."""
    outputs = ["out/.work/identity.json", f"out/{view}"]
    assert reasons(scan(tree("a/1.jpg", "b/1.jpg", *outputs))) == dict.fromkeys(
        outputs, OWN_DATASET
    )


def test_work_folders_of_others_rule_nothing_out(tree: Tree) -> None:
    data = tree("a/1.jpg", "a/.work/notes.json", "b/1.jpg")
    assert sources(scan(data)) == ["a/1.jpg", "b/1.jpg"]


def test_manifests_of_others_rule_nothing_out(tree: Tree) -> None:
    data = tree("a/1.jpg", "a/manifest.json", "b/1.jpg", "b/args.yaml")
    (data / "b" / "manifest.json").mkdir()
    assert len(scan(data).samples) == 2


def test_what_is_no_regular_file_is_a_failure(tree: Tree) -> None:
    """Was: a pipe hung the expansion, a link to /dev/zero filled the memory."""
    data = tree("a/1.jpg", "b/1.jpg")
    os.mkfifo(data / "a" / "pipe.jpg")
    (data / "a" / "zero.jpg").symlink_to("/dev/zero")
    (data / "b" / "gone.jpg").symlink_to("nowhere.jpg")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as unix, contextlib.chdir(data / "b"):
        unix.bind("socket.jpg")
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert reasons(reference) == {
        "a/pipe.jpg": "not a regular file: a pipe",
        "a/zero.jpg": "not a regular file: a device",
        "b/gone.jpg": "no such file",
        "b/socket.jpg": "not a regular file: a socket",
    }


def test_files_over_the_limit_are_failures(tree: Tree) -> None:
    data = tree("a/1.jpg", "a/large.jpg", "b/1.jpg")
    for name, size in (("1", MAX_FILE_BYTES), ("large", MAX_FILE_BYTES + 1)):
        os.truncate(data / "a" / f"{name}.jpg", size)  # sparse: takes no room
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert "over the limit" in reasons(reference)["a/large.jpg"]


@pytest.mark.parametrize("hard", [True, False])
def test_a_second_name_of_a_file_is_a_failure(tree: Tree, hard: bool) -> None:
    """Was: two samples, so that one picture could be trained on and tested."""
    data = tree("train/a/1.jpg", "train/b/1.jpg", "test/b/1.jpg")
    second = data / "test" / "a" / "1.jpg"
    second.parent.mkdir()
    if hard:
        os.link(data / "train/a/1.jpg", second)
    else:
        second.symlink_to(data / "train/a/1.jpg")
    reference = scan(data)
    assert sources(reference) == ["test/a/1.jpg", "test/b/1.jpg", "train/b/1.jpg"]
    assert reasons(reference) == {"train/a/1.jpg": "the same file as test/a/1.jpg"}


def test_nested_folders_belong_to_the_outermost(tree: Tree) -> None:
    reference = scan(tree("a/x/y/1.jpg", "b/x/1.jpg"))
    assert reference.classes == ("a", "b")
    assert sources(reference) == ["a/x/y/1.jpg", "b/x/1.jpg"]


def test_links_in_circles_end(tree: Tree) -> None:
    data = tree("a/1.jpg", "b/1.jpg")
    (data / "a" / "up").symlink_to("..", target_is_directory=True)
    (data / "b" / "here").symlink_to(".", target_is_directory=True)
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert set(reasons(reference)) == {"a/up", "b/here"}


def test_link_to_itself_is_a_failure(tree: Tree) -> None:
    """Was an OSError: `DirEntry.is_dir` raises for these."""
    data = tree("a/1.jpg", "b/1.jpg")
    (data / "a" / "self").symlink_to("self")
    (data / "self").symlink_to("self")
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert set(reasons(reference)) == {"a/self", "self"}


def test_linked_folder_counts_where_it_really_is(tree: Tree) -> None:
    """Was: a link in `a` to the folder `b` turned b's images into a's, and b vanished."""
    data = tree("a/1.jpg", "b/1.jpg")
    (data / "a" / "link").symlink_to("../b", target_is_directory=True)
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert list(reasons(reference)) == ["a/link"]


def test_links_out_of_the_data_are_followed(tree: Tree, tmp_path: Path) -> None:
    data = tree("a/1.jpg")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "2.jpg").touch()
    (data / "b").symlink_to(outside, target_is_directory=True)
    (tmp_path / "3.jpg").touch()
    (data / "a" / "3.jpg").symlink_to(tmp_path / "3.jpg")
    assert sources(scan(data)) == ["a/1.jpg", "a/3.jpg", "b/2.jpg"]


def test_names_that_are_not_utf8_are_reported(tree: Tree) -> None:
    data = tree("a/1.jpg", "b/1.jpg")
    try:
        (data / "a" / os.fsdecode(b"caf\xe9.jpg")).touch()
        (data / os.fsdecode(b"\xff")).mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system has UTF-8 names only")
    (data / os.fsdecode(b"\xff") / "1.jpg").touch()
    (data / os.fsdecode(b"\xff") / "x").mkdir()
    (data / os.fsdecode(b"\xff") / "x" / "y").touch()
    reference = scan(data)
    assert sources(reference) == ["a/1.jpg", "b/1.jpg"]
    assert set(reasons(reference)) == {"a/caf\\udce9.jpg", "\\udcff/1.jpg", "\\udcff/x/y"}
    assert all("UTF-8" in reason for reason in reasons(reference).values())


def test_every_file_is_a_sample_or_a_failure(tree: Tree) -> None:
    names = ("1.jpg", "2.PNG", ".3.jpg", "4", "5.txt", "é ü.jpg", "new\nline.jpg")
    folders = ("", "train/", "train/a/", "train/b/c/", "test/a/", "other/", "other/a/")
    made = [folder + name for folder in folders for name in names]
    reference = scan(tree(*made))
    listed = sources(reference) + list(reasons(reference))
    assert sorted(listed) == sorted(made)


def test_order_of_the_listing_changes_nothing(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [f"{c}/{n}.jpg" for c in ("b", "a", "c") for n in range(5)]
    data = tree(*files, "x.txt", "a/.h", "b/deep/1.jpg")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.jpg").touch()
    for name in ("a/link", "b/link", "b/again"):  # the first one counts, whatever is listed first
        (data / name).symlink_to(tmp_path / "outside", target_is_directory=True)
    expected = scan(data)
    scandir = os.scandir
    for seed in range(5):
        order = random.Random(seed)

        @contextlib.contextmanager
        def shuffled(folder: Path, order: random.Random = order) -> Iterator[object]:
            with scandir(folder) as entries:
                listed = list(entries)
            order.shuffle(listed)
            yield iter(listed)

        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", shuffled)
            assert scan(data) == expected


def test_adding_images_moves_no_others(tree: Tree) -> None:
    before = scan(tree(*(f"{c}/{n}.jpg" for c in "ab" for n in range(40))))
    after = scan(tree(*(f"{c}/{n}.jpg" for c in "0abc" for n in range(35, 80))))
    split_of = {sample.source: (sample.key, sample.split) for sample in after.samples}
    assert all(split_of[s.source] == (s.key, s.split) for s in before.samples)
    assert before.fingerprint() != after.fingerprint()


def test_fingerprint_sees_splits_and_classes(tree: Tree) -> None:
    data = tree("a/1.jpg", "b/1.jpg")
    fingerprints = {
        scan(data, val_fraction=0.0, test_fraction=0.0).fingerprint(),
        scan(data, val_fraction=0.0, test_fraction=0.99).fingerprint(),
    }
    (data / "b").rename(data / "c")
    fingerprints.add(scan(data, val_fraction=0.0, test_fraction=0.0).fingerprint())
    assert len(fingerprints) == 3


def test_not_a_dataset(tree: Tree) -> None:
    data = tree("notes.txt", "1.jpg")
    for path, message in (
        (data, "one folder per class"),
        (data / "notes.txt", "expected a folder, or a table"),
        (data / "nowhere", "no such file or folder"),
        (data / "nowhere.csv", "no such file or folder"),
        (data / ("x" * 300), "File name too long"),  # was an OSError
        (data / "a\0b", "null"),
    ):
        with pytest.raises(UsageError, match=message) as error:
            scan(path)
        assert str(path) in str(error.value)


def test_a_root_whose_name_can_not_be_recorded(tree: Tree, tmp_path: Path) -> None:
    """Was a traceback when the card and the manifest were written, after all the work."""
    root = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        tree("a/1.jpg", "b/1.jpg").rename(root)
    except (OSError, UnicodeError):
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(UsageError, match=r"caf\\udce9: the name is not UTF-8"):
        scan(root)
    with contextlib.chdir(root), pytest.raises(UsageError, match="not UTF-8"):
        scan(Path())
    assert scan(root, name="named").name == "named"
