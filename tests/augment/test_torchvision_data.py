"""torchvision's datasets as folders, with a mock in the place of the downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from augcli.augment import torchvision_data
from augcli.augment.reference_data import load_reference
from augcli.augment.torchvision_data import class_names, torchvision_folder
from augcli.manifests.errors import AugcliError, UsageError

Item = tuple[Image.Image, int]


class Mock:
    """Six images of three classes; brightness tells split and number."""

    classes: Sequence[Any] = ("0 - zero", "one/uno", "two")

    def __init__(self, root: str, download: bool, train: bool = True) -> None:
        assert download and Path(root).is_dir()
        print("Downloading…")
        self.base = 0 if train else 100

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Item:
        return Image.new("L", (9, 7), self.base + index), index % 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Puts a class into torchvision under the name `Mock`."""

    def put(cls: Any, splits: object = None) -> None:
        split_arguments = {"train": {"train": True}, "test": {"train": False}}
        monkeypatch.setattr(datasets, "Mock", cls, raising=False)
        table = {**torchvision_data.DATASETS, "Mock": splits or split_arguments}
        monkeypatch.setattr(torchvision_data, "DATASETS", table)

    return put


Install = Callable[..., None]


def leftovers(cache: Path) -> list[str]:
    folder = cache / "torchvision"
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def test_export(install: Install, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(Mock)
    folder = torchvision_folder("Mock")
    assert folder == cache / "torchvision" / "Mock"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    names = ["0 - zero", "one-uno", "two"]
    assert files == sorted(
        f"{split}/{names[n % 3]}/{n:07d}.png" for split in ("train", "test") for n in range(6)
    )
    assert np.asarray(Image.open(folder / "test" / "two" / "0000005.png"))[0, 0] == 105
    assert leftovers(cache) == ["Mock"]
    assert capsys.readouterr().out == ""  # results belong there, not progress


def test_a_second_call_does_nothing(install: Install) -> None:
    install(Mock)
    folder = torchvision_folder("Mock")
    install(None)
    assert torchvision_folder("Mock") == folder


def test_as_reference(install: Install) -> None:
    install(Mock)
    reference = load_reference("torchvision:Mock")
    assert (reference.name, reference.spec) == ("Mock", "torchvision:Mock")
    assert reference.classes == ("0 - zero", "one-uno", "two")
    assert len(reference.of_split("test")) == 6


def test_without_splits(install: Install) -> None:
    install(Mock, {"": {}})
    folder = torchvision_folder("Mock")
    assert sorted(entry.name for entry in folder.iterdir()) == ["0 - zero", "one-uno", "two"]


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UsageError, match=r"'cifar10'.*CIFAR10, CIFAR100.*USPS"):
        torchvision_folder("cifar10")


@pytest.mark.parametrize("name", sorted(torchvision_data.DATASETS))
def test_names_and_arguments_are_torchvisions(name: str) -> None:
    import inspect

    accepted = inspect.signature(getattr(datasets, name)).parameters
    for arguments in torchvision_data.DATASETS[name].values():
        assert {"root", "download", *arguments} <= set(accepted)


@pytest.mark.parametrize("failure", [RuntimeError("no net"), OSError(28, "disk full"), EOFError()])
def test_failed_download(install: Install, cache: Path, failure: Exception) -> None:
    class Broken(Mock):
        def __init__(self, **arguments: Any) -> None:
            raise failure

    install(Broken)
    with pytest.raises(AugcliError, match=r"torchvision:Mock could not be downloaded"):
        torchvision_folder("Mock")
    assert leftovers(cache) == []


def test_failure_in_the_second_split_leaves_nothing(install: Install, cache: Path) -> None:
    class Broken(Mock):
        def __getitem__(self, index: int) -> Item:
            if self.base and index == 3:
                raise OSError(5, "Input/output error")
            return super().__getitem__(index)

    install(Broken)
    with pytest.raises(AugcliError, match="Input/output error"):
        torchvision_folder("Mock")
    assert leftovers(cache) == []


def test_interrupted_export_leaves_nothing(install: Install, cache: Path) -> None:
    class Interrupted(Mock):
        def __getitem__(self, index: int) -> Item:
            raise KeyboardInterrupt

    install(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        torchvision_folder("Mock")
    assert leftovers(cache) == []


class Named:
    """A dataset that has only labels, and perhaps names."""

    def __init__(self, labels: Sequence[int], classes: object = None) -> None:
        self.labels = labels
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[None, int]:
        return None, self.labels[index]


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        (Named([0, 1], ["a", "b"]), {0: "a", 1: "b"}),
        (Named([0, 1], [("a", "alias"), ("b",)]), {0: "a", 1: "b"}),
        (Named([2, 0]), {0: "0", 2: "2"}),
        (Named([0, 10, 3]), {0: "00", 3: "03", 10: "10"}),
        (Named([0], ["a/b. "]), {0: "a-b"}),
    ],
)
def test_class_names(dataset: Named, names: dict[int, str]) -> None:
    assert class_names(dataset) == names


@pytest.mark.parametrize("name", ["..", "...", " ", "", "/", "../../etc", ".hidden"])
def test_class_names_are_plain_folders(name: str) -> None:
    folder = class_names(Named([0], [name]))[0]
    assert folder
    assert "/" not in folder
    assert not folder.startswith(".")


def test_class_names_that_clean_alike_stay_apart() -> None:
    class Dataset:
        classes = ("a/b", "a-b", "c", "...")

    names = class_names(Dataset())
    assert len(set(names.values())) == 4
    assert names[2] == "c"
    assert not any("/" in name or name.startswith(".") for name in names.values())
