"""From `--data` to a scanned reference dataset: embedded, from torchvision, or the user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import EMBEDDED
from augcli.manifests.cache import recall_root
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import ReferenceRecord
from augcli.manifests.reference import Reference, check_trainable
from augcli.manifests.scan import data_root, scan
from augcli.shards.urls import is_url, masked

TORCHVISION_PREFIX = "torchvision:"


def load_reference(
    data: str | None,
    *,
    val_fraction: float | None = None,
    test_fraction: float | None = None,
    trainable: bool = True,
) -> Reference:
    """Scan the reference dataset that `data` names (None: the embedded mock galaxies).

    `data` is `embedded:galaxies`, `torchvision:NAME`, or the path or URL of a folder or table.
    `trainable`: it must have what training needs, two classes with training images.

    Raises:
        UsageError: not a dataset; the message says what was expected.
        AugcliError: it can't be read or downloaded, or has too few classes or training images.
    """
    where = _locate(EMBEDDED if data is None else data)
    try:
        reference = scan(
            where.path,
            name=where.name,
            spec=where.spec,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
        )
    except AugcliError as error:
        if where.url:
            error.args = (str(error).replace(str(where.path), masked(where.url)),)
        raise
    if trainable:
        check_trainable(reference)
    return reference


def make_reference(data: str) -> None:
    """Generate or download what `data` names, if that is needed and was not done before.

    Raises:
        AugcliError: as `load_reference`.
    """
    _locate(data)


def find_root(record: ReferenceRecord, data: str | None) -> Path:
    """The folder that the sources in a manifest are relative to.

    `data` is what the user says it is, as for `load_reference`; otherwise it is known from the
    manifest (embedded and torchvision's datasets) or remembered from the expansion on this
    machine.

    Raises:
        UsageError: `data` is no dataset.
        AugcliError: it isn't known; the message says which option tells.
    """
    if data is None and record.spec.startswith((EMBEDDED, TORCHVISION_PREFIX)):
        data = record.spec
    if data is not None:
        return data_root(_locate(data).path)
    root = recall_root(record.fingerprint)
    if root is None:
        raise AugcliError(
            f"the reference dataset '{record.name}' is not where it was, or was expanded on "
            "another machine: say where it is with --data DIR"
        )
    return root


@contextlib.contextmanager
def named_by_url(data: str | None, root: Path) -> Iterator[None]:
    """Errors name what `data` is by its URL, if it is one, and not by its copy in `root`."""
    try:
        yield
    except AugcliError as error:
        if data is not None and is_url(data):
            from augcli.augment.remote_data import place_of

            error.args = (str(error).replace(str(root), place_of(data)),)
        raise


@dataclass(frozen=True)
class _Location:
    """Where a dataset is, perhaps as a copy of what is at `url`.

    `name` and `spec` are those of `Reference`; None: by the path.
    """

    path: Path
    name: str | None = None
    spec: str = ""
    url: str = ""


def _locate(data: str) -> _Location:
    """Find what `data` names; embedded and torchvision's datasets are made if need be."""
    if not data.strip():
        raise UsageError(
            "--data: is empty (an unset variable?): expected a folder, a table, "
            f"{TORCHVISION_PREFIX}NAME or {EMBEDDED}"
        )
    if data == EMBEDDED:
        return _Location(_embedded_folder(), "mock galaxies", data)
    if data.startswith(TORCHVISION_PREFIX):
        name = data.removeprefix(TORCHVISION_PREFIX)
        return _Location(_torchvision_folder(name), name, data)
    if is_url(data):
        return _Location(_copied_folder(data), url=data)
    return _Location(Path(data))


def _embedded_folder() -> Path:
    from augcli.augment.embedded import galaxies_folder

    return galaxies_folder()


def _torchvision_folder(name: str) -> Path:
    from augcli.augment.torchvision_data import torchvision_folder

    return torchvision_folder(name)


def _copied_folder(url: str) -> Path:
    from augcli.augment.remote_data import data_at

    return data_at(url)
