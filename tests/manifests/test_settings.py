"""Settings: bounds and choices hold for the Python API as for the command line."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augcli.augment.config import ExpandConfig, PreviewConfig
from augcli.manifests.errors import UsageError
from augcli.manifests.settings import check_settings, option_name, setting
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.config import TrainConfig
from augcli.train.rates.config import LrFindConfig

CONFIGS = [ExpandConfig, PreviewConfig, TrainConfig, LrFindConfig, BenchmarkConfig]


@dataclass(frozen=True)
class Config:
    word: str = setting("a", "a word", choices=("a", "b"))
    image_count: int = setting(1, "a count", minimum=1, maximum=5)
    part: float | None = setting(None, "a part", minimum=0.0, below=1.0)
    rate: float | str | None = setting(None, "a rate", minimum=0.0, choices=("auto",))
    flag: bool = setting(False, "a flag", minimum=1)
    text: str | None = setting(None, "a text")
    folder: Path = setting(Path("out"), "a folder")
    plain: int = -1


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(word="b", image_count=5, part=0.0),
        Config(image_count=1, part=0.999, flag=False),
        *(kind() for kind in CONFIGS),
    ],
)
def test_within_bounds(config: Any) -> None:
    assert check_settings(config) == config


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"text": Path("a/b")}, {"text": "a/b"}),
        ({"folder": "a/b"}, {"folder": Path("a/b")}),
        ({"part": 0}, {"part": 0.0}),
        ({"part": np.float32(0.5)}, {"part": 0.5}),
        ({"rate": 1}, {"rate": 1.0}),
        ({"rate": "auto"}, {"rate": "auto"}),
        ({"image_count": np.int64(3)}, {"image_count": 3}),
    ],
)
def test_near_types_become_the_setting_s_own(given: dict[str, Any], meant: dict[str, Any]) -> None:
    """Was: taken as they are, to fail later or to be recorded otherwise."""
    ((name, value),) = meant.items()
    checked = getattr(check_settings(replace(Config(), **given)), name)
    assert checked == value
    assert type(checked) is type(value)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"image_count": "2"}, ["--image-count", "'2'", "whole number"]),
        ({"image_count": 2.0}, ["--image-count", "2.0", "whole number"]),
        ({"image_count": True}, ["--image-count", "True"]),
        ({"image_count": None}, ["--image-count", "None"]),
        ({"part": "0.5"}, ["--part", "a number"]),
        ({"part": False}, ["--part", "False"]),
        ({"part": 10**400}, ["--part", "inf"]),
        ({"rate": "0.5"}, ["--rate", "unknown '0.5'", "auto or a number"]),
        ({"rate": True}, ["--rate", "True", "a number or a text"]),
        ({"rate": ""}, ["--rate", "empty"]),
        ({"word": None}, ["--word", "None", "a text"]),
        ({"word": 5}, ["--word", "5"]),
        ({"text": ""}, ["--text", "empty"]),
        ({"text": " "}, ["--text", "empty"]),
        ({"text": b"a"}, ["--text", "a text"]),
        ({"text": "caf\udce9"}, ["--text", "caf\\udce9", "UTF-8"]),
        ({"folder": ""}, ["--folder", "empty"]),
        ({"folder": None}, ["--folder", "a path"]),
        ({"folder": Path("caf\udce9")}, ["--folder", "UTF-8"]),
        ({"flag": 1}, ["--flag", "True or False"]),
        ({"plain": "x"}, ["--plain", "whole number"]),
    ],
)
def test_wrong_types_name_the_option(changes: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        check_settings(replace(Config(), **changes))
    assert all(name in str(error.value) for name in names), str(error.value)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"word": "c"}, ["--word", "'c'", "a, b"]),
        ({"image_count": 0}, ["--image-count", "0", "at least 1"]),
        ({"image_count": 6}, ["--image-count", "6", "at most 5"]),
        ({"image_count": 10**400}, ["--image-count", "at most 5"]),  # was an OverflowError
        ({"part": -0.1}, ["--part", "-0.1", "at least 0"]),
        ({"part": 1.0}, ["--part", "below 1"]),
        ({"rate": -1.0}, ["--rate", "-1.0", "at least 0"]),
        ({"part": float("nan")}, ["--part", "nan"]),
        ({"part": float("inf")}, ["--part", "inf"]),
        ({"part": float("-inf")}, ["--part", "-inf"]),
    ],
)
def test_out_of_bounds_names_the_option(changes: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        check_settings(replace(Config(), **changes))
    assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_bound_of_every_config_is_held(kind: type[Any]) -> None:
    checked = 0
    for field in fields(kind):
        for bound, wrong in (("minimum", -1), ("maximum", 1), ("below", 0)):
            limit = field.metadata.get(bound)
            if limit is not None:
                with pytest.raises(UsageError, match=option_name(field.name)):
                    check_settings(replace(kind(), **{field.name: limit + wrong}))
                checked += 1
        if field.metadata.get("choices"):
            with pytest.raises(UsageError, match=option_name(field.name)):
                check_settings(replace(kind(), **{field.name: "nothing"}))
            checked += 1
    assert checked > 3


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_setting_has_help(kind: type[Any]) -> None:
    assert all(field.metadata["help"] for field in fields(kind))
