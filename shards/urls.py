"""URLs of remote datasets: which are read, how names are joined to them, how people see them.

Nothing executes from data: only the protocols listed here are read, chains of them and pipes never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from augcli.manifests.cache import cache_folder
from augcli.manifests.errors import UsageError, unknown_name
from augcli.manifests.hashing import sha256_bytes

PROTOCOLS: Mapping[str, str] = {
    "s3": "'augcli[s3]'",
    "s3a": "'augcli[s3]'",
    "gs": "'augcli[gcs]'",
    "gcs": "'augcli[gcs]'",
    "az": "'augcli[azure]'",
    "abfs": "'augcli[azure]'",
    "abfss": "'augcli[azure]'",
    "http": "'augcli[http]'",
    "https": "'augcli[http]'",
    "hf": "huggingface_hub",
    "file": "fsspec",
    "memory": "fsspec",
}
"""What is read, and what to `pip install` for it."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)|pipe:")
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/\s'\"?#]*)@")
_QUERY = re.compile(r"(://[^\s'\"?#]*)[?#][^\s'\"]*")
_CONTAINER_BEFORE_AT = ("abfs", "abfss")  # abfs://container@account/path
_NAME_DIGITS = 32
_SHORT = 6  # characters: what is shorter may be part of any word


def is_url(text: str) -> bool:
    """Whether `text` names something remote, or asks for what only looks like it, as `pipe:` does.

    One letter and a colon is a drive, and `name:rest` a path.
    """
    return _URL.match(text) is not None


def checked_url(url: str) -> str:
    """`url` with its protocol in small letters and without a slash at the end.

    Raises:
        UsageError: not a URL, a chain of them, or a protocol that isn't read.
    """
    protocol, separator, rest = url.partition("://")
    if url.startswith("pipe:") or "::" in re.sub(r"\[[0-9A-Fa-f:.]*\]", "", url, count=1):
        raise UsageError(
            f"{masked(url)}: pipes and chained URLs are not read: give the folder's own URL, "
            "as s3://bucket/dataset"
        )
    if not separator or not rest.strip("/"):
        raise UsageError(f"{masked(url)}: not the URL of a folder, as s3://bucket/dataset")
    if protocol.lower() not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    try:
        urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{masked(url)}: not a URL: {error}") from None
    return f"{protocol.lower()}://{rest}".rstrip("/")


def protocol_of(url: str) -> str:
    """The protocol of a checked URL: one of `PROTOCOLS`."""
    return url.partition("://")[0]


def joined(url: str, name: str) -> str:
    """The URL of the file `name` below the folder `url`; a query, as signatures are, stays last."""
    if protocol_of(url) not in ("http", "https"):
        return f"{url.rstrip('/')}/{name}"
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{name}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def parent_of(url: str) -> tuple[str, str]:
    """A checked URL's folder and the name of the file in it: `joined` undone."""
    if protocol_of(url) not in ("http", "https"):
        folder, _, name = url.rpartition("/")
        return folder, name
    parts = urlsplit(url)
    path, _, name = parts.path.rpartition("/")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), name


def masked(text: str) -> str:
    """`text` without the users, passwords and queries of the URLs in it."""
    return _QUERY.sub(r"\1", _USER.sub(_without_user, text))


def cache_folder_of(url: str, kind: str) -> Path:
    """The folder in the cache for what is at `url`, whoever has the credentials."""
    return cache_folder() / kind / sha256_bytes(masked(url).encode())[:_NAME_DIGITS]


def _without_user(found: re.Match[str]) -> str:
    protocol, user = found.groups()
    if protocol.lower() in _CONTAINER_BEFORE_AT and ":" not in user:
        return found.group()
    return f"{protocol}://***@"


def without_secrets(text: str, url: str) -> str:
    """`text`, which may be any library's message, without what is secret in the checked `url`."""
    parts = urlsplit(url)
    values = (value for _, value in parse_qsl(parts.query))
    found = (parts.username, parts.password, parts.query, *values)
    if parts.scheme in _CONTAINER_BEFORE_AT and not parts.password:
        found = found[1:]
    for part in sorted((part for part in found if part and len(part) >= _SHORT), key=len)[::-1]:
        for secret in (part, unquote(part), quote(part, safe="")):
            text = text.replace(secret, "***")
    return masked(text)


class Place(str):
    """A remote folder as people see it: `place / name` is that of a file in it."""

    __slots__ = ()

    def __truediv__(self, name: str) -> Place:
        return Place(f"{self}/{name}")
