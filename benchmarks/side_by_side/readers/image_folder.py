"""torchvision's ImageFolder behind torch's DataLoader: images are augmented when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.work import ReadWork


class Numbered(ImageFolder):  # type: ignore[misc]
    """Gives the image's number too, so that it can be checked that each one comes once."""

    def __getitem__(self, number: int) -> Any:
        return (*super().__getitem__(number), number)


@contextmanager
def open_folder(
    work: ReadWork, load: Callable[[str], Any], transform: Callable[[Any], Any], **more: Any
) -> Iterator[Epochs]:
    """`load` reads a file, `transform` fits and augments it; `more` are options of the loader."""
    dataset = Numbered(str(work.data), loader=load, transform=transform)
    names = [Path(path).relative_to(work.data).as_posix() for path, _ in dataset.samples]
    options = {**loader_options(work), **more}
    loader = DataLoader(dataset, batch_size=work.batch, shuffle=True, **options)

    def batches(epoch: int) -> Iterator[Batch]:
        for images, labels, numbers in loader:
            yield Batch(images, labels, [names[number] for number in numbers.tolist()])

    yield batches
