"""Sample views: a sheet of what the policies do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from augcli.manifests.errors import UsageError
from augcli.train.comparisons.sample_views import sample_views


def test_rows_are_images_under_one_policy_and_policies_under_several(split_photos: Path) -> None:
    def height(*policies: str) -> int:
        with Image.open(io.BytesIO(sample_views(str(split_photos), policies, 16))) as sheet:
            assert sheet.width > 7 * 16
            return sheet.height

    assert height("rotate-flip") > height("rotate-flip", "basic")  # four rows, and two
    assert sample_views(str(split_photos), ["basic"], 16) == sample_views(
        str(split_photos), ["basic"], 16
    )


def test_an_unknown_policy_is_told(split_photos: Path) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        sample_views(str(split_photos), ["nonsense"], 16)
