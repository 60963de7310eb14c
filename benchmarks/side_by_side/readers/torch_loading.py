"""What all readers give torch's DataLoader alike: workers that stay, and batches ahead."""

from __future__ import annotations

from typing import Any

from side_by_side.reading.work import ReadWork

PREFETCH_BATCHES = 4


def loader_options(work: ReadWork) -> dict[str, Any]:
    """Options of a DataLoader with worker processes."""
    return {
        "num_workers": work.workers,
        "persistent_workers": True,
        "prefetch_factor": PREFETCH_BATCHES,
    }


def one_thread(worker: int) -> None:
    """For workers that use OpenCV, which takes a thread per core in each; torch takes one."""
    import cv2

    cv2.setNumThreads(0)
