"""torchvision's datasets as folders of PNGs: `torchvision:CIFAR10`, exported once to the cache."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from augcli.manifests.cache import cache_folder
from augcli.manifests.errors import AugcliError, unknown_name
from augcli.manifests.keys import sample_key

_TRAIN_FLAG = {"train": {"train": True}, "test": {"train": False}}
_TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
_TRAIN_VAL_TEST = {
    "train": {"split": "train"},
    "validation": {"split": "val"},
    "test": {"split": "test"},
}

# name in torchvision.datasets -> our split folder -> the arguments that give that split
DATASETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "CIFAR10": _TRAIN_FLAG,
    "CIFAR100": _TRAIN_FLAG,
    "DTD": _TRAIN_VAL_TEST,
    "EuroSAT": {"": {}},
    "FGVCAircraft": _TRAIN_VAL_TEST,
    "FashionMNIST": _TRAIN_FLAG,
    "Flowers102": _TRAIN_VAL_TEST,
    "Food101": _TRAIN_TEST,
    "GTSRB": _TRAIN_TEST,
    "Imagenette": {"train": {"split": "train"}, "validation": {"split": "val"}},
    "KMNIST": _TRAIN_FLAG,
    "MNIST": _TRAIN_FLAG,
    "OxfordIIITPet": {"train": {"split": "trainval"}, "test": {"split": "test"}},
    "PCAM": _TRAIN_VAL_TEST,
    "RenderedSST2": _TRAIN_VAL_TEST,
    "STL10": _TRAIN_TEST,
    "SVHN": _TRAIN_TEST,
    "StanfordCars": _TRAIN_TEST,
    "USPS": _TRAIN_FLAG,
}


def torchvision_folder(name: str) -> Path:
    """The folder of one of torchvision's datasets, downloaded and exported if it isn't there.

    Raises:
        UsageError: an unknown name; the message lists the choices.
        AugcliError: it can't be downloaded, read or exported.
    """
    if name not in DATASETS:
        raise unknown_name("torchvision dataset", name, DATASETS)
    folder = cache_folder() / "torchvision" / name
    if folder.is_dir():
        return folder
    temporary = folder.with_name(f"{name}.{os.getpid()}.tmp")
    try:
        for split, arguments in DATASETS[name].items():
            _export(_download(name, arguments), temporary / split)
        os.replace(temporary, folder)
    except AugcliError:
        raise
    except OSError as error:
        raise AugcliError(f"{error.filename or folder}: can't be written: {error}") from error
    except Exception as error:  # a damaged download: torchvision's readers raise whatever
        raise AugcliError(
            f"torchvision:{name} could not be read: {error}; remove its files from "
            f"{_downloads()} and run it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _download(name: str, arguments: Mapping[str, Any]) -> Any:
    from torchvision import datasets

    root = _downloads()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):  # torchvision reports progress where results belong
            return getattr(datasets, name)(root=str(root), download=True, **arguments)
    except Exception as error:  # no network, a moved file, a full disk: torchvision raises any
        raise AugcliError(
            f"torchvision:{name} could not be downloaded: {error}; check the network, or put "
            f"torchvision's files into {root} by hand"
        ) from error


def _downloads() -> Path:
    return cache_folder() / "torchvision-downloads"


def _export(dataset: Any, folder: Path) -> None:
    """Write every image as PNG into the folder of its class."""
    names = class_names(dataset)
    for index in range(len(dataset)):
        image, label = dataset[index]
        target = folder / names[int(label)]
        target.mkdir(parents=True, exist_ok=True)
        image.save(target / f"{index:07d}.png", compress_level=1)


def class_names(dataset: Any) -> dict[int, str]:
    """Label -> folder name: the dataset's own class names, or the numbers."""
    names = getattr(dataset, "classes", None)
    if not names:
        labels = {int(dataset[index][1]) for index in range(len(dataset))}
        width = len(str(max(labels)))
        return {label: f"{label:0{width}d}" for label in labels}
    plain = [name if isinstance(name, str) else name[0] for name in names]
    folders = [name.replace("/", "-").strip(". ") for name in plain]
    clear = [name and folders.count(name) == 1 for name in folders]
    return {
        label: folder if is_clear else sample_key(name)
        for label, (folder, is_clear, name) in enumerate(zip(folders, clear, plain, strict=True))
    }
