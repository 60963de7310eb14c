"""Any sequence of expand, grow, prune, refresh, damage, kill, verify and repair, against a model.

The model is a dictionary: which image was there, with which content, when the dataset was last
finished. Hypothesis makes up the sequences; after each step the dataset must be what the model
says. For longer than the suite has time:

    pytest tests/laws/test_model.py --hypothesis-profile long
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from augcli.augment import ExpandConfig, expand, expansion
from augcli.augment.config import VerifyConfig
from augcli.augment.earlier import read_failures
from augcli.augment.encode import codec_named
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.verifying import verify
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.keys import sample_key
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, WORK_FOLDER, read_manifest
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import read_samples, rows_of

SIZE, ALL = 8, 10**6
CLASSES, SPLITS = ("a", "b"), ("train", "validation")
ANCHORS = [f"{split}/{name}/9.png" for split in SPLITS for name in CLASSES]  # never touched
OTHERS = [f"{split}/{name}/{i}.png" for split in SPLITS for name in CLASSES for i in range(2)]

some_image = st.sampled_from(OTHERS)
some_instant = st.integers(0, 80)  # often after all is done


def mostly(usual: object, *others: object) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 3 + list(others))


@dataclass(frozen=True)
class Content:
    """What is in an image's file; not `sound`: what no decoder takes."""

    version: int
    sound: bool

    def bytes(self, source: str) -> bytes:
        if not self.sound:
            return b"\x89PNG\r\n\x1a\n broken %d" % self.version
        rng = np.random.default_rng([zlib.crc32(source.encode()), self.version])
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()


Images = dict[str, Content]
Crcs = dict[tuple[str, int], int]


class Model(RuleBasedStateMachine):
    """`now` is what the data folder holds, `made` what it held for the finished dataset."""

    power: Any  # the fixture

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="augcli-model-"))
        self.data, self.out = self.folder / "data", self.folder / "out"
        self.now: Images = {}
        self.made: Images = {}
        self.begun: Images | None = None
        self.broken: set[str] = set()
        self.versions = iter(range(ALL))
        self.copies = 0
        self.maker = ViewMaker(Recipe(Fit(SIZE, "crop"), resolve_policy("basic", SIZE), 0))
        for source in ANCHORS:
            self._put(source, sound=True)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # ---- what a user does to images

    @rule(changes=st.dictionaries(some_image, mostly("put", "remove", "spoil"), min_size=1))
    def change(self, changes: dict[str, str]) -> None:
        """Add or change images, remove them, or spoil them."""
        for source, change in sorted(changes.items()):
            if change != "remove":
                self._put(source, sound=change == "put")
            elif self.now.pop(source, None):
                (self.data / source).unlink()

    def _put(self, source: str, sound: bool) -> None:
        self.now[source] = Content(next(self.versions), sound)
        path = self.data / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.now[source].bytes(source))

    # ---- what augcli does

    @initialize(
        format=st.sampled_from(["tar", "folder"]),
        sources=st.sets(some_image),
        cuts=st.lists(some_instant, max_size=2),
    )
    def first(self, format: str, sources: set[str], cuts: list[int]) -> None:
        """The first expansion; killed, it is run again with the same images."""
        self.format = format
        for source in sorted(sources):
            self._put(source, sound=True)
        for cut in cuts:
            try:
                self._run(1, cut)
            except self.power.Cut:
                assert not (self.out / MANIFEST_FILE).exists() or self._holds(self.now, 1)
        self._run(1)
        self._finished(1)

    @rule(
        more=mostly(1, 0, -1),
        prune=mostly(True, False),
        refresh=mostly(True, False),
        retry_failed=mostly(True, False),
        cut=some_instant,
    )
    def expand(self, more: int, cut: int, **agreed: bool) -> None:
        """Grow: done, refused with the dataset as it was, or killed."""
        copies = max(0, min(3, self.copies + more))
        for name in self.broken:  # what has another size is noticed, and made again
            for path in self._files_of(name):
                path.unlink(missing_ok=True)
        needed = self._needed()
        expected = copies >= self.copies and all(agreed[name] for name in needed)
        before = self._tree()
        try:
            self._run(copies, cut, **agreed)
        except self.power.Cut:
            self._killed(copies)
        except AugcliError:
            assert self._tree() == before
            if expected:  # a new image changed between a killed run and this one
                assert self._has_changed_since_begun() and not agreed["refresh"]
                self._run(copies, **{**agreed, "refresh": True})
                self._finished(copies)
        else:
            assert expected, (copies, self.copies, needed)
            self._finished(copies)
        self._check()

    @precondition(lambda self: self.begun is None and not self.broken)
    @rule(pick=st.integers(0, ALL), how=st.sampled_from(["flip", "cut", "delete"]))
    def damage(self, pick: int, how: str) -> None:
        shards = read_manifest(self.out).shards
        name = shards[pick % len(shards)].name
        path = self._files_of(name)[0]
        content = path.read_bytes()
        place = pick % len(content)
        if how == "delete":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[:place])
        else:
            flipped = content[place] ^ 1 << pick % 8
            path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        self.broken.add(name)
        self._check()

    @precondition(lambda self: self._is_there())
    @rule(cut=some_instant)
    def repair(self, cut: int) -> None:
        """Every broken shard comes back whose images are as they were, and no other."""
        settings = VerifyConfig(repair=True, data=str(self.data), workers=1)
        mendable = {name for name in self.broken if self._is_mendable(name)}
        left = self.broken - mendable
        try:
            with self.power.cut(self.out, cut):
                result = verify(self.out, settings)
        except self.power.Cut:
            found = set(verify(self.out).found.broken)
            assert left <= found <= self.broken
            left = found
        else:
            assert set(result.repaired) == mendable
        self.broken = left
        self._check()

    @precondition(lambda self: self._is_there() and not self.broken)
    @rule()
    def look_deeply(self) -> None:
        settings = VerifyConfig(deep=True, views=ALL, data=str(self.data), workers=1)
        result = verify(self.out, settings)
        rows = self._rows()
        kept = [row for row in rows if self.now.get(row.source) == self.made[row.source]]
        assert result.faults == ()
        assert (result.decoded, result.remade) == (len(rows), len(kept))

    # ---- what must hold

    def _check(self) -> None:
        """A dataset that has a manifest is whole, but for what was damaged; faults name it."""
        if self._is_there():
            found = verify(self.out).found
            assert set(found.broken) == self.broken, found.faults
            assert all(fault.shard for fault in found.faults), found.faults

    def _finished(self, copies: int) -> None:
        self.made, self.copies = dict(self.now), copies
        self.begun, self.broken = None, set()
        assert not (self.out / WORK_FOLDER).exists()
        assert self._holds(self.made, copies)
        failures = {failure.source for failure in read_failures(self.out / "failures.jsonl")}
        assert failures == {source for source, image in self.made.items() if not image.sound}

    def _killed(self, copies: int) -> None:
        """The dataset is the one before, or the one to be, or not there at all."""
        if self._is_there() and self._holds(self.now, copies):
            self.made, self.copies = dict(self.now), copies
            self.begun, self.broken = None, set()
            return
        self.begun = dict(self.now)
        if not self._is_there():
            self.broken = set()
            return
        assert self._holds(self.made, self.copies)
        self.broken = set(verify(self.out).found.broken) & self.broken

    def _holds(self, images: Images, copies: int) -> bool:
        """Whether the dataset has exactly the views that these images make."""
        found: Crcs = {(row.source, row.copy): row.crc32 for row in self._rows()}
        return found == self._views(images, copies)

    def _views(self, images: Images, copies: int) -> Crcs:
        encode = codec_named("png").encode
        views: Crcs = {}
        for source, image in images.items():
            if image.sound:
                fitted = self.maker.fitted(image.bytes(source))
                label = CLASSES.index(source.split("/")[1])
                for copy in range(copies + 1 if source.startswith("train") else 1):
                    view = self.maker.view(fitted, sample_key(source), copy, label)
                    views[source, copy] = zlib.crc32(encode(view.rgbx, 90))
        return views

    def _needed(self) -> list[str]:
        """What the user has to agree to."""
        now, made = self.now, self.made
        differing = [source for source in made if source in now and now[source] != made[source]]
        return [
            option
            for option, holds in (
                ("prune", made.keys() - now.keys()),
                ("refresh", [source for source in differing if made[source].sound]),
                ("retry_failed", [source for source in differing if not made[source].sound]),
            )
            if holds
        ]

    def _has_changed_since_begun(self) -> bool:
        begun = self.begun or {}
        return any(
            source not in self.made and self.now.get(source) != image
            for source, image in begun.items()
        )

    def _is_mendable(self, shard: str) -> bool:
        files = {path.relative_to(self.out).as_posix() for path in self._files_of(shard)}
        rows = [row for row in self._rows() if row.shard in files | {shard}]
        return all(self.now.get(row.source) == self.made[row.source] for row in rows)

    # ---- how to get at it

    def _run(self, copies: int, cut: int | None = None, **agreed: bool) -> None:
        with self.power.cut(self.out, cut):
            expand(
                ExpandConfig(
                    data=str(self.data), out=self.out, copies=copies, size=SIZE, policy="basic",
                    codec="png", shard_size=2, workers=1, format=self.format,
                    val_fraction=0.0, test_fraction=0.0, **agreed,
                )
            )  # fmt: skip

    def _is_there(self) -> bool:
        return (self.out / MANIFEST_FILE).exists()

    def _rows(self) -> list[ViewRow]:
        return rows_of(read_samples(self.out / SAMPLES_FILE))

    def _files_of(self, shard: str) -> list[Path]:
        if self.format == "tar":
            return [self.out / "shards" / shard]
        first = 0
        for record in read_manifest(self.out).shards:
            if record.name == shard:
                return [self.out / r.shard for r in self._rows()[first : first + record.views]]
            first += record.views
        return []

    def _tree(self) -> dict[str, bytes]:
        files = (path for path in self.out.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files if WORK_FOLDER not in path.parts}


def test_any_sequence(monkeypatch: pytest.MonkeyPatch, power: Any) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the power is cut in Python only
    monkeypatch.setattr(expansion, "dataset_picture", lambda prepared: b"picture")
    monkeypatch.setattr(expansion, "estimate", lambda *given: None)
    monkeypatch.setattr(Model, "power", power, raising=False)
    run_state_machine_as_test(Model)
