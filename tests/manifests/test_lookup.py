"""A lookup finds what a dict would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from augcli.manifests.lookup import DIGEST_BYTES, Lookup, as_digests

texts = st.lists(st.text(max_size=3), max_size=30)


@given(known=texts, wanted=texts)
def test_as_a_dict_of_first_places(known: list[str], wanted: list[str]) -> None:
    first: dict[str, int] = {}
    for number, text in enumerate(known):
        first.setdefault(text, number)
    lookup = Lookup(known)
    assert len(lookup) == len(known)
    assert lookup.places(wanted).tolist() == [first.get(text, -1) for text in wanted]


def test_zeros_at_the_end_of_a_hash_count() -> None:
    """NumPy leaves them out when it shows a value, and must not when it compares two."""
    one, other = bytes(DIGEST_BYTES), b"\1" + bytes(DIGEST_BYTES - 1)
    first, second, third = as_digests(one + other + one)
    assert first == third != second
