"""Columns of the table of samples, as arrays."""

from __future__ import annotations

import pyarrow as pa

from augcli.manifests.samples import numbers


def test_numbers_of_a_column_in_parts() -> None:
    """Whatever its chunks, slices and kinds, as pyarrow gives them itself."""
    parts = [
        pa.array([5, -1, 2**31 - 1], pa.int32()),
        pa.array([], pa.int32()),
        pa.array([7], pa.int32()),
    ]
    column = pa.chunked_array(parts)
    assert numbers(column).tolist() == column.to_pylist()
    assert numbers(column.slice(1, 3)).tolist() == column.to_pylist()[1:]
    assert numbers(pa.chunked_array([pa.array([2**40])])).tolist() == [2**40]
    assert numbers(pa.chunked_array([], pa.int64())).tolist() == []
    names = pa.chunked_array([["b", "a", "b"], ["c", "a"]]).dictionary_encode()
    names = names.unify_dictionaries()
    found = [names.chunk(0).dictionary[int(index)].as_py() for index in numbers(names)]
    assert found == ["b", "a", "b", "c", "a"]
