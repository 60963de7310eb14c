"""The heart: one function makes views, and `ViewMaker` is that function with seeds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augcli.augment import views
from augcli.augment.decode import decode
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame, rgbx_of
from augcli.augment.policy import resolve_policy
from augcli.augment.views import Recipe, ViewMaker, view
from augcli.manifests.hashing import view_seed


def recipe() -> Recipe:
    return Recipe(Fit(24, "crop"), resolve_policy("side-on", 24), seed=3)


def test_the_maker_s_views_are_the_function_s(photos: Path) -> None:
    data = next(photos.rglob("*.jpg")).read_bytes()
    made = recipe()
    maker = ViewMaker(made)
    fitted = maker.fitted(data)
    for copy in (1, 2):
        seed = view_seed(3, "key", copy)
        frame = Frame(rgbx_of(made.fit(decode(data, min_side=24))))
        alone = view(frame, made.policy.build(), seed)
        from_maker = maker.view(fitted, "key", copy, label=0)
        assert np.array_equal(alone.pixels, from_maker.pixels)
        assert (alone.seed, alone.applied) == (seed, from_maker.applied)


def test_the_maker_asks_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was: it called the policy by itself, beside the function that claimed to be the only one."""
    maker = ViewMaker(recipe())
    buffer = io.BytesIO()
    Image.new("RGB", (30, 30)).save(buffer, "PNG")
    fitted = maker.fitted(buffer.getvalue())
    made = view(fitted, recipe().policy.build(), 1)
    monkeypatch.setattr(views, "view", lambda *arguments: made)
    assert maker.view(fitted, "key", 1, label=0) is made
