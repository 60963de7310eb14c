"""Images by cv2, augmented on the fly by albumentations, behind torch's DataLoader.

Its samples are those of torchvision's ImageFolder where the data are a folder per class; where
they are not, those that the arm has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset

from augcli.augment.plain_pipeline import plain_pipeline
from augcli.train.comparisons.peers.work import PeerWork


class Images(VisionDataset):  # type: ignore[misc]
    """As ImageFolder gives them: (view, label) by number."""

    def __init__(self, work: PeerWork) -> None:
        super().__init__(root="")
        self._samples = work.sources()
        self._view = plain_pipeline(work.policy, work.size)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        path, label = self._samples[number]
        image: Any = cv2.imread(path, cv2.IMREAD_COLOR)
        rgb: Any = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return torch.from_numpy(self._view(rgb)), label


@contextmanager
def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
    """In random order."""
    loader: Any = DataLoader(
        Images(work),
        batch_size=work.batch_size,
        shuffle=True,
        worker_init_fn=_one_thread,
        **work.loader_options(),
    )
    yield lambda: iter(loader)


def _one_thread(worker: int) -> None:
    """OpenCV takes a thread per core in each worker; torch takes one."""
    cv2.setNumThreads(0)
