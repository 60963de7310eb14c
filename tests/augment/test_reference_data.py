"""`--data` means the same to whoever reads it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augcli.augment.config import EMBEDDED
from augcli.augment.reference_data import find_root, load_reference
from augcli.manifests.cache import remember_root
from augcli.manifests.errors import AugcliError, UsageError


def record(spec: str = "", fingerprint: str = "0" * 64) -> Any:
    """The part of a `ReferenceRecord` that says where the images are."""
    return SimpleNamespace(name="shapes", spec=spec, fingerprint=fingerprint)


def test_roots_are_those_that_were_scanned(photos: Path, tmp_path: Path) -> None:
    """Was: Path("embedded:galaxies").parent for a spec given with --data."""
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n1.jpg,a\n2.jpg,b\n")
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    for data in (EMBEDDED, str(photos)):
        assert find_root(record(), data) == load_reference(data).root
    assert find_root(record(), str(table)) == tmp_path
    assert find_root(record(EMBEDDED), None) == load_reference(None).root


def test_roots_are_remembered(photos: Path) -> None:
    remember_root("1" * 64, photos)
    assert find_root(record(fingerprint="1" * 64), None) == photos.resolve()
    for spec in ("", "/etc"):  # a manifest names no paths
        with pytest.raises(AugcliError, match="--data DIR"):
            find_root(record(spec), None)


@pytest.mark.parametrize("data", ["", " ", "nowhere", "nowhere.csv", "torchvision:Nothing"])
def test_no_data_is_a_usage_error(data: str) -> None:
    """Was: "" (an unset variable) meant the embedded galaxies, a missing folder its parent."""
    with pytest.raises(UsageError):
        load_reference(data)
    with pytest.raises(UsageError):
        find_root(record(), data)
