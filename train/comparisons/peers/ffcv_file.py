"""FFCV: one file, read by compiled code on threads. It encodes the views' pixels itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import Squeeze, ToTensor
from ffcv.writer import DatasetWriter

from augcli.train.comparisons.peers.work import PeerWork


class _Indexed:
    """What its writer wants: (pixels, label) by number."""

    def __init__(self, work: PeerWork) -> None:
        self._work, self._views = work, list(work.stored())

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        data, label = self._views[number]
        return self._work.decoded(data), label


@contextmanager
def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
    """In random order, as JPEG where the arm's views are, else as pixels."""
    options = work.manifest.options
    path = str(Path(work.folder) / "views.beton")
    mode = {"write_mode": "raw"}
    if options["codec"] == "jpeg":
        mode = {"write_mode": "jpg", "jpeg_quality": options["quality"]}
    fields = {"image": RGBImageField(**mode), "label": IntField()}
    workers = max(1, work.workers)
    DatasetWriter(path, fields, num_workers=workers).from_indexed_dataset(_Indexed(work))
    loader = Loader(
        path,
        batch_size=work.batch_size,
        num_workers=workers,
        os_cache=True,
        order=OrderOption.RANDOM,
        drop_last=False,
        pipelines={
            "image": [SimpleRGBImageDecoder(), ToTensor()],
            "label": [IntDecoder(), ToTensor(), Squeeze()],
        },
    )
    yield lambda: iter(loader)
