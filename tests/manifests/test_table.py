"""CSV and TSV tables, as people really write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from augcli.manifests.errors import UsageError
from augcli.manifests.scan import scan
from augcli.manifests.table import COLUMNS, read_table

Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Writes a table beside images 1.jpg to 4.jpg."""

    def make(text: str | bytes, name: str = "labels.csv") -> Path:
        for number in range(1, 5):
            (tmp_path / f"{number}.jpg").touch()
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return make


def cells(path: Path) -> list[tuple[str, str, str]]:
    return [(row.path, row.label, row.split) for row in read_table(path)]


PLAIN = [("1.jpg", "cat", ""), ("2.jpg", "dog", "")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("path,label\n1.jpg,cat\n2.jpg,dog\n", "t.csv"),
        ("path\tlabel\n1.jpg\tcat\n2.jpg\tdog\n", "t.tsv"),
        ("path,label\r\n1.jpg,cat\r\n2.jpg,dog", "t.CSV"),
        ("\ufeffpath,label\n1.jpg,cat\n2.jpg,dog\n", "bom.csv"),
        (" Path , LABEL \n 1.jpg , cat \n2.jpg,dog,\n\n", "spaces.csv"),
        ('"path","label"\n"1.jpg","cat"\n"2.jpg","dog"\n', "quoted.csv"),
        ("id,label,x,path\n7,cat,,1.jpg\n8,dog,,2.jpg\n", "more.csv"),
    ],
)
def test_forms_of_one_table(table: Table, text: str, name: str) -> None:
    assert cells(table(text, name)) == PLAIN


@pytest.mark.parametrize("path_column", COLUMNS["path"])
@pytest.mark.parametrize("label_column", COLUMNS["label"])
def test_column_names(table: Table, path_column: str, label_column: str) -> None:
    text = f"{label_column.upper()},{path_column}\ncat,1.jpg\ndog,2.jpg\n"
    assert cells(table(text)) == PLAIN


def test_quoted_cells_hold_anything(table: Table) -> None:
    path = table('path,label\n"a,b ""c"".jpg","two\nlines"\n2.jpg,dog\n')
    rows = list(read_table(path))
    assert rows[0].path == 'a,b "c".jpg'
    assert rows[0].label == "two\nlines"
    assert rows[1].line == 4


@pytest.mark.parametrize("column", COLUMNS["split"])
def test_split_column(table: Table, column: str) -> None:
    path = table(
        f"path,label,{column}\n1.jpg,a,Train\n2.jpg,b,training\n3.jpg,a,VALID\n4.jpg,b,eval\n"
    )
    splits = {sample.source: sample.split for sample in scan(path).samples}
    assert splits == {"1.jpg": "train", "2.jpg": "train", "3.jpg": "val", "4.jpg": "test"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("path\n1.jpg\n", ["label column", "category", "found: path"]),
        ("label\ncat\n", ["path column", "image_path", "found: label"]),
        ("path;label\n1.jpg;cat\n", ["path column", "found: path;label"]),
        ("", ["path column", "found: nothing"]),
        ("path,label\n1.jpg,cat\n,dog\n", ["line 3", "path is empty"]),
        ("path,label\n1.jpg,cat\n2.jpg, \n", ["line 3", "label is empty"]),
        ("path,label\n1.jpg\n", ["line 2", "label is empty"]),
        ("path,label,split\n1.jpg,cat,holdout\n", ["line 2", "'holdout'", "train", "valid"]),
        ("path,label\n1.jpg,caf\u00e9\n".encode("latin-1"), ["can't be read as a table"]),
        ("path,label\n1.jpg,cat\n".encode("utf-16"), ["can't be read as a table"]),
        ('path,label\n"' + "x" * 200_000 + '",cat\n', ["can't be read as a table"]),
    ],
)
def test_bad_tables_are_named_with_line(table: Table, text: str | bytes, names: list[str]) -> None:
    path = table(text)
    with pytest.raises(UsageError) as error:
        scan(path)
    assert all(name in str(error.value) for name in [str(path), *names])


def test_every_row_is_a_sample_or_a_failure(table: Table, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.jpg").mkdir()
    rows = ["1.jpg,a", "2.jpg,b", "1.jpg,b", "./2.jpg,b", "gone.jpg,a", "notes.txt,a"]
    reference = scan(table("path,label\n" + "\n".join([*rows, "folder.jpg,a", "3.jpg,a"])))
    assert [sample.source for sample in reference.samples] == ["1.jpg", "2.jpg", "3.jpg"]
    assert [(f.source, f.reason) for f in reference.skipped] == [
        ("1.jpg", "listed twice (labels.csv, line 4)"),
        ("2.jpg", "listed twice (labels.csv, line 5)"),
        ("folder.jpg", "not a regular file: a folder (labels.csv, line 8)"),
        ("gone.jpg", "no such file (labels.csv, line 6)"),
        ("notes.txt", "not an image extension: .txt (labels.csv, line 7)"),
    ]


def test_reasons_of_one_source_are_in_the_order_of_lines(table: Table, tmp_path: Path) -> None:
    path = table("path,label\n1.jpg,a\nz.jpg,a\n2.jpg,b\nz.jpg,a\nz.jpg,b\n")
    (tmp_path / "z.jpg").unlink(missing_ok=True)
    (tmp_path / "z.jpg").hardlink_to(tmp_path / "1.jpg")
    reference = scan(path)
    assert [failure.reason for failure in reference.skipped] == [
        "the same file as 1.jpg (labels.csv, line 3)",
        "listed twice (labels.csv, line 5)",
        "listed twice (labels.csv, line 6)",
    ]


@pytest.mark.parametrize("source", ["x" * 5000 + ".jpg", "a\0b.jpg"], ids=["long", "nul"])
def test_impossible_paths_are_failures(table: Table, source: str) -> None:
    """Was an OSError for names that the file system can't have."""
    reference = scan(table(f"path,label\n1.jpg,a\n2.jpg,b\n{source},a\n"))
    assert len(reference.samples) == 2
    assert [failure.reason.split(":")[0] for failure in reference.skipped] == ["can't be read"]


def test_spellings_of_one_path_are_one_sample(table: Table, tmp_path: Path) -> None:
    """Was: a sample each, in one split or another."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.jpg").touch()
    spellings = ["cat/0.jpg", "cat/../cat/0.jpg", "./cat//0.jpg", f"{tmp_path}/cat/0.jpg"]
    rows = "".join(f"{path},cat\n" for path in spellings)
    reference = scan(table(f"path,label\n{rows}1.jpg,dog\n"))
    assert [sample.source for sample in reference.samples] == ["1.jpg", "cat/0.jpg"]
    assert [(f.source, f.reason.split(" (")[0]) for f in reference.skipped] == [
        ("cat/0.jpg", "listed twice")
    ] * 3


def test_absolute_paths_give_the_same_samples_as_relative_ones(
    table: Table, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    relative = scan(table("path,label\n1.jpg,a\n2.jpg,b\n"))
    path = table(f"path,label\n{tmp_path}/1.jpg,a\n{tmp_path.resolve()}/2.jpg,b\n")
    assert scan(path).samples == relative.samples
    assert scan(link / path.name).samples == relative.samples  # the table seen through a link


def test_paths_out_of_the_folder_are_failures(tmp_path: Path) -> None:
    """Was: used, under a key that holds this machine's paths."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name in ("outside.jpg", "data/1.jpg", "data/2.jpg"):
        (tmp_path / name).touch()
    wrong = [f"{tmp_path}/outside.jpg", "sub/../../outside.jpg", "..", ".", "/"]
    path = folder / "labels.csv"
    rows = "".join(f"{name},a\n" for name in wrong)
    path.write_text(f"path,label\n1.jpg,a\n2.jpg,b\n{rows}")
    reference = scan(path)
    assert [sample.source for sample in reference.samples] == ["1.jpg", "2.jpg"]
    assert [f.source for f in reference.skipped] == sorted(wrong)
    assert all("outside the folder of the table" in f.reason for f in reference.skipped)


@pytest.mark.parametrize("hard", [True, False])
def test_a_second_name_of_a_file_is_a_failure(table: Table, tmp_path: Path, hard: bool) -> None:
    path = table("path,label,split\n1.jpg,a,train\n2.jpg,b,train\nagain.jpg,a,test\n")
    if hard:
        os.link(tmp_path / "1.jpg", tmp_path / "again.jpg")
    else:
        (tmp_path / "again.jpg").symlink_to("1.jpg")
    reference = scan(path)
    assert len(reference.samples) == 2
    assert [(f.source, f.reason.split(" (")[0]) for f in reference.skipped] == [
        ("again.jpg", "the same file as 1.jpg")
    ]


def test_absolute_paths(table: Table, tmp_path: Path) -> None:
    path = table(f"path,label\n{tmp_path / '1.jpg'},a\n2.jpg,b\n")
    reference = scan(path)
    assert all(reference.path(sample).is_file() for sample in reference.samples)


def test_order_of_rows_changes_nothing(table: Table) -> None:
    rows = [f"{number}.jpg,{'ab'[number % 2]}" for number in range(1, 5)]
    first = scan(table("path,label\n" + "\n".join(rows)))
    second = scan(table("path,label\n" + "\n".join(rows[::-1])))
    assert first == second
