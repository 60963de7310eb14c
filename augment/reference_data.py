"""From `--data` to a scanned reference dataset: embedded, from torchvision, or the user's own."""

from __future__ import annotations

from pathlib import Path

from augcli.augment.config import EMBEDDED
from augcli.manifests.cache import recall_root
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import ReferenceRecord
from augcli.manifests.reference import Reference, check_trainable
from augcli.manifests.scan import scan

TORCHVISION_PREFIX = "torchvision:"


def load_reference(
    data: str | None,
    *,
    val_fraction: float | None = None,
    test_fraction: float | None = None,
) -> Reference:
    """Scan the reference dataset that `data` names (None: the embedded mock galaxies).

    Raises:
        UsageError: not a dataset; the message says what was expected.
        AugcliError: it can't be read or downloaded, or has too few classes or training images.
    """
    spec = data or EMBEDDED
    if spec == EMBEDDED:
        folder, name = _embedded_folder(), "mock galaxies"
    elif spec.startswith(TORCHVISION_PREFIX):
        name = spec.removeprefix(TORCHVISION_PREFIX)
        folder = _torchvision_folder(name)
    else:
        folder, name, spec = Path(spec), None, ""
    reference = scan(
        folder, name=name, spec=spec, val_fraction=val_fraction, test_fraction=test_fraction
    )
    check_trainable(reference)
    return reference


def find_root(record: ReferenceRecord, data: str | None) -> Path:
    """The folder that the sources in a manifest are relative to.

    `data` is where the user says it is; otherwise it is known from the manifest (embedded and
    torchvision's datasets) or remembered from the expansion on this machine.

    Raises:
        AugcliError: it isn't known; the message says which option tells.
    """
    if data is not None:
        path = Path(data)
        return path if path.is_dir() else path.parent
    if record.spec == EMBEDDED:
        return _embedded_folder()
    if record.spec.startswith(TORCHVISION_PREFIX):
        return _torchvision_folder(record.spec.removeprefix(TORCHVISION_PREFIX))
    root = recall_root(record.fingerprint)
    if root is None:
        raise AugcliError(
            f"the reference dataset '{record.name}' is not where it was, or was expanded on "
            "another machine: say where it is with --data DIR"
        )
    return root


def _embedded_folder() -> Path:
    from augcli.augment.embedded import galaxies_folder

    return galaxies_folder()


def _torchvision_folder(name: str) -> Path:
    from augcli.augment.torchvision_data import torchvision_folder

    return torchvision_folder(name)
