# SPDX-License-Identifier: Apache-2.0
"""TFRecord and Example: known bytes, round trips, damage."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldg_distill.datasets.tfrecord import (
    DamagedRecord,
    Serialised,
    checksums,
    decode_example,
    encode_example,
    masked_crc,
    read_records,
    write_record,
)


def test_checksums_and_frames_are_those_of_tensorflow() -> None:
    # What tf.io.TFRecordWriter writes for b"foo".
    stream = io.BytesIO()
    write_record(stream, Serialised.of(b"foo"))
    assert stream.getvalue().hex() == EXPECTED_FOO
    assert masked_crc(b"") == 0xA282EAD8


EXPECTED_FOO = "0300000000000000b099490e666f6f618abefe"
EXPECTED_EXAMPLE = (
    "0a390a110a0161120c120a0a080000c03f000000c00a0c0a016212070a050a01780a000a160a0163"
    "12111a0f0a0d03ffffffffffffffffff01ac02"
)


def test_an_example_has_the_bytes_that_tensorflow_gives_it() -> None:
    features = {
        "b": [b"x", b""],
        "a": np.array([1.5, -2.0], np.float32),
        "c": np.array([3, -1, 300], np.int64),
    }
    assert bytes(encode_example(features)).hex() == EXPECTED_EXAMPLE


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=40)),
    st.lists(st.floats(width=32, allow_nan=False)),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
)
def test_examples_come_back(texts: list[bytes], floats: list[float], numbers: list[int]) -> None:
    example = encode_example(
        {
            "texts": texts,
            "floats": np.array(floats, np.float32),
            "numbers": np.array(numbers, np.int64),
        }
    )
    data = bytes(example)
    assert len(data) == example.length
    back = decode_example(data)
    assert list(back["texts"]) == texts
    assert list(back["floats"]) == floats
    assert list(back["numbers"]) == numbers


def test_unpacked_numbers_are_read_too() -> None:
    # features { feature { key: "a" value { int64_list { value: 1 value: 2 (unpacked) } } } }
    data = bytes.fromhex("0a0d0a0b0a016112061a0408010802")
    assert decode_example(data)["a"].tolist() == [1, 2]  # type: ignore[union-attr]


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with path.open("wb") as stream:
        write_record(stream, Serialised.of(b"first"))
        write_record(stream, Serialised.of(b"second"))
    assert list(read_records(path)) == [b"first", b"second"]
    assert [length for length, _ in checksums(path)] == [5, 6]
    whole = path.read_bytes()
    path.write_bytes(whole[:14] + b"X" + whole[15:])
    with pytest.raises(DamagedRecord, match="checksum"):
        list(read_records(path))
    path.write_bytes(whole[:-3])
    with pytest.raises(DamagedRecord, match="cut off"):
        list(read_records(path))
