"""What the machine can do to a run, told in one line: a full disk, a process that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.train.fillers import LoaderLostError
from augcli.train.together import OtherRankEndedError


@contextmanager
def told(folder: Path, then: Callable[[], str]) -> Iterator[None]:
    """Turn such failures of the work in `folder` into messages that end with `then()`: what to do.

    Raises:
        AugcliError: instead of an OSError, or of a loader process or a rank that ended.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise AugcliError(f"{where}: {error.strerror or error}; mend that, {then()}") from error
    except (LoaderLostError, OtherRankEndedError) as error:
        raise AugcliError(f"{error}, {then()}") from error
