"""`manifest.json`: everything that decided the bytes, and what they became.

No time, host, path or worker count: two expansions that differ in none of the recorded options
and read the same images write the same manifest, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from augcli.manifests.balance import ClassRepeats
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.options import checked_options
from augcli.manifests.reading import read_json
from augcli.manifests.sample_list import SPLITS

FORMAT = "augcli-dataset"
FORMAT_VERSION = 3

MANIFEST_FILE = "manifest.json"
SAMPLES_FILE = "samples.parquet"
FAILURES_FILE = "failures.jsonl"
CARD_FILE = "README.md"
PREVIEW_FILE = "preview.png"
SHARDS_FOLDER = "shards"
CROISSANT_FILE = "croissant.json"
SIZES_FILE = f"{SHARDS_FOLDER}/sizes.json"
TIMM_FILE = f"{SHARDS_FOLDER}/_info.json"
PAGE_FILES = (CARD_FILE, PREVIEW_FILE, CROISSANT_FILE)  # beside the manifest
WORK_FOLDER = ".work"  # only while an expansion is not finished
IDENTITY_FILE = "identity.json"  # of that expansion, in there


@dataclass(frozen=True)
class ShardRecord:
    """One published shard, with `views` views; `bytes` and `sha256` are of the whole tar file.

    In the folder format a shard is the files of one round and chunk, and its bytes are theirs, one
    after the other.
    """

    name: str
    split: str
    round: int
    chunk: int
    views: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class SplitRecord:
    """Used samples and stored views of one split.

    By label, `per_class` counts samples and `views_per_class` the views of one round.
    """

    samples: int
    views: int
    per_class: tuple[int, ...]
    views_per_class: tuple[int, ...]

    @property
    def views_per_round(self) -> int:
        """Views of one round: as many as samples, unless balancing repeats some."""
        return sum(self.views_per_class)


@dataclass(frozen=True)
class FileRecord:
    """A file beside the manifest, and how many records it holds."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class ReferenceRecord:
    """The reference dataset: `inputs` = used + failures. See `Reference` for `name`, `spec`.

    Worth a look: `blank` lists the used images that have a single colour when fitted, `leaks`
    the validation and test images whose bytes are also those of a training image.
    """

    name: str
    spec: str
    fingerprint: str
    inputs: int
    used: int
    failures: int
    blank: tuple[str, ...]
    leaks: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The record of an expanded dataset.

    `options` are those that decide bytes (see `options.OPTIONS`), `policy` is the pipeline in
    albumentations' own serialised form, `rounds` counts the rounds stored of the training split,
    and `bytes` is what the views cost: `images` encoded, `shards` with all tar overhead. `pages`
    are the files of `page_names` with their SHA-256. `class_policies` are
    those of the classes that have one of their own, `repeats` says by label how often training
    samples are shown per round.
    """

    options: Mapping[str, Any]
    policy: Mapping[str, Any]
    class_policies: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    reference: ReferenceRecord
    classes: tuple[str, ...]
    repeats: tuple[ClassRepeats, ...]
    rounds: int
    splits: Mapping[str, SplitRecord]
    bytes: Mapping[str, int]
    samples: FileRecord
    failures: FileRecord
    pages: Mapping[str, str]
    shards: tuple[ShardRecord, ...]

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, dataset: Path) -> None:
        """Publish the manifest: the last step of an expansion."""
        write_atomic(dataset / MANIFEST_FILE, self.to_json())

    @property
    def originals(self) -> bool:
        """Whether round 0 is the unaugmented image."""
        return bool(self.options["originals"])

    def file_hashes(self) -> dict[str, str]:
        """SHA-256 by name of every file beside the manifest that is no shard."""
        tables = {record.file: record.sha256 for record in (self.samples, self.failures)}
        return {**tables, **self.pages}

    def shards_of(self, split: str) -> tuple[ShardRecord, ...]:
        """The shards of one split, in the manifest's order."""
        return tuple(shard for shard in self.shards if shard.split == split)


MAX_COUNT = 2**63 - 1
_SHARD_NAME = re.compile(r"(train-r\d{3,18}|val|test)-\d{5,18}(\.tar)?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_shard_name(name: str) -> bool:
    """Whether a shard can have this name: `train-r000-00000.tar`, `val-00000.tar`, …"""
    return _SHARD_NAME.fullmatch(name) is not None


def wids_file(split: str) -> str:
    """Where the `wids` index of a split lies.

    Not `train` between two signs: by that, `load_dataset("webdataset", data_dir=…)` would take the
    index for a shard of the training split.
    """
    return f"{SHARDS_FOLDER}/wids-{split}set.json"


def page_names(options: Mapping[str, Any], splits: Mapping[str, SplitRecord]) -> frozenset[str]:
    """The pages of a dataset with these options and splits: card, preview and indexes of shards."""
    if options["format"] != "tar":
        return frozenset((CARD_FILE, PREVIEW_FILE))
    indexes = [wids_file(split) for split, record in splits.items() if record.views]
    if options["codec"] != "npy":  # timm opens images; of arrays it would silently read none
        indexes.append(TIMM_FILE)
    return frozenset((CARD_FILE, PREVIEW_FILE, CROISSANT_FILE, SIZES_FILE, *indexes))


RecordT = TypeVar("RecordT", ReferenceRecord, SplitRecord, FileRecord, ShardRecord)


def read_manifest(dataset: Path) -> Manifest:
    """The manifest of the expanded dataset in folder `dataset`.

    Raises:
        AugcliError: missing, unreadable, torn, of another format or version, or a field is not as
            expected.
    """
    path = dataset / MANIFEST_FILE
    try:
        content = read_json(path)
    except FileNotFoundError:
        hint = "no expanded dataset, or one that isn't finished: run augcli expand again"
        if not dataset.is_dir():
            hint = f"make it with: augcli expand --out {dataset}"
        raise AugcliError(f"{path}: no manifest there; {hint}") from None
    except NotADirectoryError:
        raise AugcliError(f"{dataset}: is a file; expected a dataset folder") from None
    except OSError as error:
        raise AugcliError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise AugcliError(
            f"{path}: not readable as JSON: {error}; remove {dataset} and expand again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AugcliError(f"{path}: not an augcli manifest (its format is not '{FORMAT}')")
    if content.get("format_version") != FORMAT_VERSION:
        raise AugcliError(
            f"{path}: format version {content.get('format_version')}, this augcli reads "
            f"{FORMAT_VERSION}; expand again into another folder, or use the augcli that wrote it"
        )
    try:
        return _from_json(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AugcliError(
            f"{path}: a field is missing or wrong: {error!r}; remove {dataset} and expand again"
        ) from error


def _from_json(content: dict[str, Any]) -> Manifest:
    options, classes = checked_options(content["options"]), _classes(content["classes"])
    splits = {split: _split_record(content["splits"][split], len(classes)) for split in SPLITS}
    return Manifest(
        options=options,
        policy=dict(content["policy"]),
        class_policies=_class_policies(content),
        versions={str(name): str(version) for name, version in content["versions"].items()},
        reference=_reference_record(content["reference"]),
        classes=classes,
        repeats=tuple(_repeats(entry) for entry in _one_each(content, "repeats")),
        rounds=_count("rounds", content["rounds"]),
        splits=splits,
        bytes={name: _count(name, content["bytes"][name]) for name in content["bytes"]},
        samples=_file_record(content["samples"], SAMPLES_FILE),
        failures=_file_record(content["failures"], FAILURES_FILE),
        pages=_pages(content["pages"], page_names(options, splits)),
        shards=tuple(_shard_record(shard) for shard in content["shards"]),
    )


def _classes(content: object) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise ValueError(f"classes: {content!r:.200} are no names")
    if len(set(content)) < len(content):
        raise ValueError("classes: one comes twice")
    return tuple(content)


def _class_policies(content: dict[str, Any]) -> dict[str, Mapping[str, Any]]:
    policies: dict[str, Mapping[str, Any]] = {
        str(name): dict(policy) for name, policy in content["class_policies"].items()
    }
    if set(policies) != set(content["options"]["class_policy"]):
        raise ValueError("class_policies are not those of the option class_policy")
    if unknown := set(policies) - set(content["classes"]):
        raise ValueError(f"class_policies: no classes: {sorted(unknown)}")
    return policies


def _one_each(content: dict[str, Any], name: str) -> list[Any]:
    found = content[name]
    if not isinstance(found, list) or len(found) != len(content["classes"]):
        raise ValueError(f"{name}: expected one for each class")
    return found


def _repeats(content: dict[str, Any]) -> ClassRepeats:
    repeats = ClassRepeats(**content)
    _count("whole", repeats.whole)
    if type(repeats.extra_below) is not float or not 0 <= repeats.extra_below < 1:
        raise ValueError(f"extra_below: {repeats.extra_below!r}")
    return repeats


def _pages(content: dict[str, Any], expected: frozenset[str]) -> dict[str, str]:
    if content.keys() != expected:
        raise ValueError(f"pages {sorted(content)} instead of {sorted(expected)}")
    return {name: _digest(name, digest) for name, digest in content.items()}


def _file_record(content: dict[str, Any], expected: str) -> FileRecord:
    record = _counted(FileRecord(**content))
    _digest(record.file, record.sha256)
    if record.file != expected:
        raise ValueError(f"file {record.file!r} instead of {expected}")
    return record


def _reference_record(content: dict[str, Any]) -> ReferenceRecord:
    lists = {name: tuple(content[name]) for name in ("blank", "leaks")}
    record = _counted(ReferenceRecord(**{**content, **lists}))
    _digest("fingerprint", record.fingerprint)
    return record


def _shard_record(content: dict[str, Any]) -> ShardRecord:
    record = _counted(ShardRecord(**content))
    if not is_shard_name(record.name):
        raise ValueError(f"shard name {record.name!r}")
    _digest(record.name, record.sha256)
    return record


def _split_record(content: dict[str, Any], classes: int) -> SplitRecord:
    lists = {name: tuple(content[name]) for name in ("per_class", "views_per_class")}
    record = SplitRecord(**{**content, **lists})
    for name, counts in lists.items():
        if len(counts) != classes:
            raise ValueError(f"{name} has {len(counts)} counts for {classes} classes")
        for count in counts:
            _count(name, count)
    return _counted(record)


def _counted(record: RecordT) -> RecordT:
    """The record, when its fields are what their annotations say and no number is negative."""
    for field in fields(record):
        value = getattr(record, field.name)
        if field.type == "int":
            _count(field.name, value)
        elif field.type == "str" and not isinstance(value, str):
            raise ValueError(f"{field.name}: {value!r} is no text")
        elif field.type == "tuple[str, ...]" and not all(isinstance(name, str) for name in value):
            raise ValueError(f"{field.name}: {value!r} are no names")
    return record


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{name}: {value!r:.200} is no count")
    return value


def _digest(name: str, value: Any) -> str:
    """A hash can become the name of a file, so that it must be nothing else."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"{name}: {value!r:.200} is no SHA-256")
    return value
