"""Files by `torch.save`, from anyone: only tensors and plain values, and no more than they have."""

from __future__ import annotations

import zipfile
from typing import IO, Any

import torch

_ZIP_START = b"PK\x03\x04"


def load_torch(file: IO[bytes]) -> Any:
    """What a file holds, on the CPU; nothing in it is executed.

    Raises:
        ValueError: it holds more than its size; torch raises whatever a file makes it raise.
    """
    _refuse_inflating(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _refuse_inflating(file: IO[bytes]) -> None:
    """torch stores tensors as they are; it reads compressed ones too, of a thousand times the size.

    Nor must two members be the same bytes.
    """
    start = file.read(len(_ZIP_START))
    size = file.seek(0, 2)
    file.seek(0)
    if start != _ZIP_START:
        return
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    file.seek(0)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed, as torch never writes it")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its members claim more bytes than it has")
