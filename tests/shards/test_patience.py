"""Trying again: how often, after how long, and after which failures."""

from __future__ import annotations

import errno
import ssl
from typing import Any

import aiohttp
import pytest
from fsspec.exceptions import FSTimeoutError

from augcli.shards.patience import Patience, is_refusal, may_pass, patiently


class Flaky:
    """Fails with each of `failures`, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def test_longer_and_longer_delays() -> None:
    waited: list[float] = []
    flaky = Flaky(*[OSError(errno.EIO, "bad moment")] * 4)
    assert patiently(flaky, Patience(), waited.append, lambda: 0.5) == "done"
    assert waited == [1, 2, 4, 8]


@pytest.mark.parametrize(("luck", "factor"), [(0.0, 0.5), (0.5, 1.0), (0.999, 1.499)])
def test_luck_spreads_them(luck: float, factor: float) -> None:
    waited: list[float] = []
    patiently(Flaky(TimeoutError()), Patience(first_seconds=3), waited.append, lambda: luck)
    assert waited == [pytest.approx(3 * factor)]


def test_by_default_luck_differs() -> None:
    waited: list[float] = []
    for _ in range(8):
        patiently(Flaky(TimeoutError()), Patience(), waited.append)
    assert len(set(waited)) > 1
    assert all(0.5 <= seconds < 1.5 for seconds in waited)


def test_delays_have_a_limit() -> None:
    patience = Patience(tries=9, most_seconds=20)
    waited: list[float] = []
    patiently(Flaky(*[OSError()] * 8), patience, waited.append, lambda: 0.5)
    assert waited == [1, 2, 4, 8, 16, 20, 20, 20]


def test_the_last_failure_is_told() -> None:
    failures = [OSError(number, "bad") for number in (errno.EIO, errno.ESTALE, errno.EPIPE)]
    flaky = Flaky(*failures)
    with pytest.raises(OSError) as error:
        patiently(flaky, Patience(tries=3), lambda _: None)
    assert error.value is failures[2]
    assert flaky.tries == 3


def response_error(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]


def drivers(module: str, name: str, base: type[Exception] = Exception, **fields: Any) -> Exception:
    """An exception as a driver that isn't installed would raise it."""
    kind = type(name, (base,), {"__module__": module, **fields})
    return type("Sub", (kind,), {"__module__": "x"})("what it says")


PASSING = [
    OSError(),
    OSError(errno.EIO, "input/output error"),
    OSError(errno.EBUSY, "Please reduce your request rate."),  # s3fs: SlowDown
    TimeoutError(),
    FSTimeoutError(),
    ConnectionResetError(),
    EOFError(),
    aiohttp.ClientPayloadError(),
    aiohttp.ServerDisconnectedError(),
    *map(response_error, (500, 502, 503, 504, 408, 429)),
    drivers("botocore.exceptions", "HTTPClientError"),
    drivers("botocore.exceptions", "ConnectionError"),
    drivers("azure.core.exceptions", "ServiceRequestError"),
    drivers("azure.core.exceptions", "HttpResponseError", status_code=503),
    drivers("google.auth.exceptions", "TransportError"),
    drivers("gcsfs.retry", "HttpError", code=500),
    drivers("huggingface_hub", "HfHubHTTPError", OSError, response=response_error(503)),
]
LASTING = [
    FileNotFoundError(),
    PermissionError(),
    IsADirectoryError(),
    OSError(errno.EINVAL, "The authorization header is malformed"),  # s3fs
    OSError("Forbidden: b/d"),  # gcsfs
    *map(response_error, (400, 401, 403, 404, 410)),
    aiohttp.InvalidURL("x"),
    ssl.SSLCertVerificationError(),
    ValueError(),
    KeyError(),
    RuntimeError(),
    drivers("botocore.exceptions", "NoCredentialsError"),
    drivers("azure.core.exceptions", "HttpResponseError", status_code=403),
    drivers("google.auth.exceptions", "DefaultCredentialsError"),
    drivers("gcsfs.retry", "HttpError", code=400),
    drivers("huggingface_hub", "HfHubHTTPError", OSError, response=response_error(401)),
]


@pytest.mark.parametrize("failure", PASSING, ids=repr)
def test_what_may_pass(failure: Exception) -> None:
    assert may_pass(failure)
    assert not is_refusal(failure)


@pytest.mark.parametrize("failure", LASTING, ids=repr)
def test_what_lasts_is_not_tried_again(failure: Exception) -> None:
    flaky = Flaky(failure)
    with pytest.raises(type(failure)):
        patiently(flaky, Patience(), lambda _: pytest.fail("waited"))
    assert flaky.tries == 1


@pytest.mark.parametrize(
    "failure", [PermissionError(), response_error(401), response_error(403), LASTING[4]], ids=repr
)
def test_refusals(failure: Exception) -> None:
    assert is_refusal(failure)
