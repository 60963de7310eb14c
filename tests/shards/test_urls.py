"""URLs: what is taken for one, what is refused, and what people never see."""

from __future__ import annotations

import pytest

from augcli.manifests.errors import UsageError
from augcli.shards.urls import PROTOCOLS, Place, checked_url, is_url, joined, masked
from augcli.shards.urls import without_secrets as cleaned


@pytest.mark.parametrize(
    "text",
    [
        "s3://b/d",
        "HTTPS://h/d",
        "file:///d",
        "memory://d",
        "pipe:cat x",
        "zip::s3://b/d",
        "abc://x",
    ],
)
def test_urls(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize("text", ["d", "/d/x", "./a:b", "a:b", "C:\\d", "C:/d", "", "s3:", "s3/x"])
def test_paths(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_known_protocols(protocol: str) -> None:
    assert checked_url(f"{protocol}://b/d/") == f"{protocol}://b/d"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("pipe:curl evil | sh", "pipes and chained"),
        ("simplecache::s3://b/d", "pipes and chained"),
        ("s3://b/d::pipe:sh", "pipes and chained"),
        ("zip://x.tar::https://h/d", "pipes and chained"),
        ("http://[::1]/d::zip", "pipes and chained"),
        ("s3://", "not the URL of a folder"),
        ("s3:///", "not the URL of a folder"),
        ("http://[b/d", "not a URL"),
        ("ftps://b/d", "unknown protocol 'ftps': choose from abfs"),
        ("reference://b/d", "unknown protocol"),
        ("data://b/d", "unknown protocol"),
    ],
)
def test_refused(url: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        checked_url(url)


def test_small_letters_and_an_address_in_brackets() -> None:
    assert checked_url("HTTP://[::1]:80/D/") == "http://[::1]:80/D"


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("s3://b/d", "s3://b/d/shards/x.tar"),
        ("s3://b/what?", "s3://b/what?/shards/x.tar"),
        ("https://h/d?sig=1&x=/", "https://h/d/shards/x.tar?sig=1&x=/"),
        ("https://h/d#part", "https://h/d/shards/x.tar"),
        ("https://h", "https://h/shards/x.tar"),
    ],
)
def test_joined(url: str, file: str) -> None:
    assert joined(url, "shards/x.tar") == file


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("https://me:secret@h/d?sig=secret#secret", "https://***@h/d"),
        ("https://secret@h/d", "https://***@h/d"),
        ("https://me:s@cret@h/d", "https://***@h/d"),
        ("abfs://container@account.dfs/d", "abfs://container@account.dfs/d"),
        ("abfs://me:secret@account.dfs/d", "abfs://***@account.dfs/d"),
        ("url=URL('http://h/d?a=secret') and s3://b/d", "url=URL('http://h/d') and s3://b/d"),
        ("me@example.org asked?", "me@example.org asked?"),
    ],
)
def test_masked(text: str, seen: str) -> None:
    assert masked(text) == seen


def test_libraries_may_say_secrets_in_their_own_words() -> None:
    url = "https://me:pass%2Fword@h/d?sig=abc%2Bdefghij&v=1"
    text = "denied: pass/word, pass%2Fword, key abc+defghij of ?sig=abc%2Bdefghij&v=1 on v=1"
    assert cleaned(text, url) == "denied: ***, ***, key *** of ?*** on v=1"


def test_a_container_is_no_secret() -> None:
    assert cleaned("no container1", "abfs://container1@account.dfs/d") == "no container1"


def test_a_place_is_a_folder() -> None:
    assert f"{Place('s3://b') / 'd' / 'x.tar'}" == "s3://b/d/x.tar"
