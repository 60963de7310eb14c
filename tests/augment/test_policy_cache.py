"""The cache of resolved policies: keyed by all that decides, and never trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from augcli.augment import policy_cache
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.policy_cache import policy_id, recall_policy, remember_policy
from augcli.manifests.errors import AugcliError

SIZE = 32
POLICY = {
    "transform": {
        "__class_fullname__": "Compose",
        "transforms": [{"__class_fullname__": "Rotate", "limit": [-9, 9], "p": 0.5}],
    }
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of one's own."""
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(POLICY))
    return path


def files(cache: Path) -> list[Path]:
    return sorted((cache / "policies").iterdir())


def resolved_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> PolicySpec:
    with monkeypatch.context() as patch:
        patch.setattr("augcli.augment.policy.recall_policy", lambda identity: None)
        return resolve_policy(name, SIZE)


@pytest.mark.parametrize("name", ["side-on", "keras:rotation_range=7", "none", "augmentor"])
def test_a_hit_equals_a_miss(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missed = resolve_policy(name, SIZE)
    assert len(files(cache)) == 1
    with monkeypatch.context() as patch:  # from now on, nothing can be resolved anew
        patch.setattr("augcli.augment.policy_names.named_pipeline", None)
        hit = resolve_policy(name, SIZE)
    assert hit == missed == resolved_anew(name, monkeypatch)


def test_a_changed_file_is_another_policy(cache: Path, policy_file: Path) -> None:
    first = resolve_policy(str(policy_file), SIZE)
    policy_file.write_text(policy_file.read_text().replace("9", "8"))
    second = resolve_policy(str(policy_file), SIZE)
    assert first.text != second.text
    assert len(files(cache)) == 2


def test_the_record_names_no_folder(cache: Path, policy_file: Path) -> None:
    for _ in range(2):
        assert resolve_policy(str(policy_file), SIZE).name == "mine.json"
    assert str(policy_file.parent) not in files(cache)[0].read_text()


def test_everything_that_decides_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        policy_id("side-on", "", 32),
        policy_id("side-on", "", 33),
        policy_id("top-down", "", 32),
        policy_id("a.json", "1", 32),
        policy_id("a.json", "2", 32),
        policy_id("a.json1", "", 32),
    }
    monkeypatch.setattr(policy_cache, "_own_files", lambda: ["presets.py 5000 123"])
    keys.add(policy_id("side-on", "", 32))
    versions = policy_cache.package_versions(policy_cache._DECIDE)
    for package in versions:
        changed = {**versions, package: "0.0.0"}
        monkeypatch.setattr(policy_cache, "package_versions", lambda names, now=changed: now)
        keys.add(policy_id("side-on", "", 32))
    assert len(keys) == 7 + len(versions)
    assert {"augcli", "albumentations", "opencv-python-headless"} <= set(versions)


def test_a_changed_preset_is_another_policy() -> None:
    """Regression: who changed a preset, and not the version, was given the old one for ever."""
    listed = [line.partition(" ")[0] for line in policy_cache._own_files()]
    assert {"presets.py", "keras.py", "policy_file.py", "steps_geometry.py"} <= set(listed)


GARBAGE = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "not JSON": b"{",
    "a list": b"[]",
    "no policy": b"{}",
    "a policy of nothing": b'{"transform": 5}',
    "a policy without its checksum": b'\n{"transform": {"__class_fullname__": "Compose"}}',
    "a checksum alone": b"0" * 64,
    "deep": b'{"transform": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_in_the_cache_is_resolved_anew(name: str, cache: Path) -> None:
    wanted = resolve_policy("side-on", SIZE)
    (path,) = files(cache)
    sound = path.read_bytes()
    path.write_bytes(GARBAGE[name])
    assert resolve_policy("side-on", SIZE) == wanted
    assert path.read_bytes() == sound


def test_a_damaged_entry_is_resolved_anew(cache: Path) -> None:
    wanted = resolve_policy("side-on", SIZE)
    (path,) = files(cache)
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"0.75", b"0.57"))
    assert path.read_bytes() != sound
    assert resolve_policy("side-on", SIZE) == wanted


def test_an_entry_under_another_key_is_not_taken(cache: Path) -> None:
    resolve_policy("side-on", SIZE)
    (path,) = files(cache)
    other = policy_id("top-down", "", SIZE)
    path.with_name(f"{other}.txt").write_bytes(path.read_bytes())
    names = resolve_policy("top-down", SIZE).build().transform_names
    assert names == ("D4", "Affine", "RandomBrightnessContrast")


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "Lambda", "subprocess.Popen"])
def test_a_hostile_entry_runs_nothing(name: str, cache: Path, tmp_path: Path) -> None:
    """Written by someone who knows how: still only classes of the allow-list are built."""
    hostile = {"__class_fullname__": name, "p": 1.0, "args": f"touch {tmp_path / 'ran'}"}
    node = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [hostile]}
    remember_policy(policy_id("side-on", "", SIZE), json.dumps({"transform": node}))
    with pytest.raises(AugcliError, match="not allowed"):
        resolve_policy("side-on", SIZE).build()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("obstacle", ["a file", "a folder in the way", "read-only"])
def test_a_cache_that_cannot_be_used_is_no_failure(
    obstacle: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if obstacle == "a file":
        cache.write_text("")
    elif obstacle == "a folder in the way":
        (cache / "policies" / f"{policy_id('side-on', '', SIZE)}.txt").mkdir(parents=True)
    else:

        def refuse(path: Path, content: str) -> None:
            raise PermissionError(13, "read-only", str(path))

        monkeypatch.setattr(policy_cache, "write_atomic", refuse)
    first = resolve_policy("side-on", SIZE)
    assert resolve_policy("side-on", SIZE) == first
    assert recall_policy(policy_id("side-on", "", SIZE)) is None


def test_what_fails_is_not_remembered(cache: Path, policy_file: Path) -> None:
    text = policy_file.read_text().replace("Rotate", "Bogus")
    policy_file.write_text(text)
    for _ in range(2):
        with pytest.raises(AugcliError, match="Bogus"):
            resolve_policy(str(policy_file), SIZE)
    assert not (cache / "policies").exists()


def test_a_manifest_s_policy_is_checked_once(tmp_path: Path) -> None:
    """The second time, nothing has to be imported for it, and it is the same."""
    text = resolve_policy("side-on", 32).text
    code = """
import json, sys
from augcli.augment.policy import checked_spec
print(checked_spec("side-on", json.loads(sys.argv[1])).text, "albumentations" in sys.modules)
"""
    environment = {**os.environ, "AUGCLI_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code, text]
    found = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert found == [f"{text} True\n", f"{text} False\n"]
