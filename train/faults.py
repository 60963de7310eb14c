"""What the machine can do to a run, told in one line: a full disk, no memory, a killed process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from augcli.manifests.errors import AugcliError, is_out_of_memory
from augcli.train.fillers import LoaderLostError
from augcli.train.together import OtherRankEndedError


@contextmanager
def told(folder: Path, then: Callable[[], str]) -> Iterator[None]:
    """Turn such failures of the work in `folder` into messages that end with `then()`: what to do.

    Raises:
        AugcliError: instead of an OSError, want of memory, or of a loader process or a rank that
            ended.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise AugcliError(f"{where}: {error.strerror or error}; mend that, {then()}") from error
    except (LoaderLostError, OtherRankEndedError) as error:
        raise AugcliError(f"{error}, {then()}") from error
    except (MemoryError, RuntimeError) as error:
        if (whose := _whose_memory(error)) is None:
            raise
        raise AugcliError(
            f"the memory of the {whose} ran out: free some, {then()}; or begin anew with a smaller "
            "--batch-size or --model"
        ) from error


def _whose_memory(error: Exception) -> str | None:
    """Of what the memory ran out, if that is what `error` says."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "GPU"
    return "machine" if is_out_of_memory(error) else None
