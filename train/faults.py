"""What the machine can do to a run, told in one line: a full disk, a killed loader process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.train.loader import is_lost_worker


@contextmanager
def told(folder: Path, then: Callable[[], str]) -> Iterator[None]:
    """Turn such failures of the work in `folder` into messages that end with `then()`: what to do.

    Raises:
        AugcliError: instead of an OSError, or of torch's RuntimeError about a killed process.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise AugcliError(f"{where}: {error.strerror or error}; mend that, {then()}") from error
    except RuntimeError as error:
        if not is_lost_worker(error):
            raise
        raise AugcliError(
            "a loader process was killed, most likely because the memory ran out: free some, or "
            f"use fewer --workers, {then()}"
        ) from error
