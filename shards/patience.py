"""Trying again when the network or its other end had a bad moment, and only then."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

ResultT = TypeVar("ResultT")

_HOPELESS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_HOPELESS_NUMBERS = frozenset(
    (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.ELOOP)
)
_PASSING_STATUS = frozenset((408, 425, 429))  # beside 5xx: slow, early, too many

_LUCK = random.SystemRandom().random  # nobody's seed, and not the same one in forks

# By name, so that no driver has to be imported to be asked
_PASSING = frozenset(
    (
        "aiohttp.client_exceptions.ClientError",
        "azure.core.exceptions.IncompleteReadError",
        "azure.core.exceptions.ServiceRequestError",
        "azure.core.exceptions.ServiceResponseError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
        "botocore.exceptions.IncompleteReadError",
        "gcsfs.retry.ChecksumError",
        "google.auth.exceptions.TransportError",
    )
)


@dataclass(frozen=True)
class Patience:
    """How often a download is tried, and how long it waits.

    Before try `n + 1` it waits `first_seconds * 2**n`, at most `most_seconds`, times a random
    factor from 0.5 to 1.5, so that processes which failed together don't return together: by
    default about 1, 2, 4 and 8 seconds between the 5 tries. A connection over http that is silent
    for `stall_seconds` has failed; other protocols' drivers have their own limits.
    """

    tries: int = 5
    first_seconds: float = 1.0
    most_seconds: float = 30.0
    stall_seconds: float = 60.0

    def delay_seconds(self, failures: int, luck: float) -> float:
        """Seconds to wait after so many failures (1, 2, …); `luck` is in [0, 1)."""
        return min(self.most_seconds, self.first_seconds * 2.0 ** (failures - 1)) * (0.5 + luck)


def patiently(
    attempt: Callable[[], ResultT],
    patience: Patience,
    wait: Callable[[float], None],
    luck: Callable[[], float] = _LUCK,
) -> ResultT:
    """What `attempt` returns, tried again after failures that pass.

    Raises:
        Exception: that of the first try which failed for good, or of the last one.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except Exception as error:
            failures += 1
            if failures >= patience.tries or not may_pass(error):
                raise
        wait(patience.delay_seconds(failures, luck()))


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a little later: no answer, a broken one, or a 5xx.

    What isn't there or isn't allowed stays so.
    """
    status = status_of(error)
    if status is not None:
        return status >= 500 or status in _PASSING_STATUS
    if isinstance(error, _HOPELESS) or is_refusal(error) or isinstance(error, ValueError):
        return False  # a bad URL or certificate is a ValueError, too
    if isinstance(error, OSError):
        return error.errno not in _HOPELESS_NUMBERS
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return isinstance(error, EOFError) or bool(names & _PASSING)


def is_refusal(error: Exception) -> bool:
    """Whether the other end wants other credentials, or none would do."""
    forbidden = type(error) is OSError and str(error).startswith("Forbidden")  # gcsfs
    return isinstance(error, PermissionError) or forbidden or status_of(error) in (401, 403)


def status_of(error: Exception) -> int | None:
    """The HTTP status that a driver's error carries, under any of the names in use."""
    sources = (error, getattr(error, "response", None))
    for source in sources:
        for name in ("status", "status_code", "code"):
            value = getattr(source, name, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return None
