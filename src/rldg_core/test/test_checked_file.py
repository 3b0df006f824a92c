# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rldg_core.files.checked_file import (
    FormatError,
    parse_json,
    parse_yaml,
    read_json,
    read_yaml,
    typed,
)


@dataclass
class Part:
    size: float
    tags: tuple[str, ...] = ()


@dataclass
class Card:
    name: str
    steps: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    note: str | None = None


SOUND = '{"name": "a", "steps": 3, "parts": {"hand": {"size": 2, "tags": ["x"]}}, "later": 1}'


def test_a_sound_text_is_read_into_its_type_and_more_fields_are_passed_over() -> None:
    expected = Card("a", 3, {"hand": Part(2.0, ("x",))})
    assert parse_json(SOUND, Card, "card") == expected
    assert parse_yaml(SOUND, Card, "card") == expected
    assert isinstance(expected.parts["hand"].size, float)


def test_other_types_than_dataclasses() -> None:
    assert parse_json("[1, 2.5]", list[float], "line") == [1.0, 2.5]
    assert parse_json("1.5", float, "seconds") == 1.5
    assert parse_yaml("a: {size: 1}", dict[str, Part], "parts") == {"a": Part(1.0)}


def test_strict_names_the_field_that_does_not_belong() -> None:
    with pytest.raises(FormatError, match="later"):
        parse_json(SOUND, Card, "card", strict=True)


DEEP = 100_000
BAD = {
    "empty": "",
    "null": "null",
    "a list": "[]",
    "a text": '"card"',
    "field missing": "{}",
    "field of another type": '{"name": 3}',
    "a text for a number": '{"name": "a", "parts": {"x": {"size": "1"}}}',
    "a truth value for a number": '{"name": "a", "parts": {"x": {"size": true}}}',
    "a list for a mapping": '{"name": "a", "parts": [1]}',
    "a huge whole number": '{"name": "a", "steps": ' + "9" * 100 + "}",
    "more digits than Python converts": '{"name": "a", "steps": ' + "9" * 10_000 + "}",
    "deep lists": "[" * DEEP,
    "deep closed lists": "[" * 500 + "]" * 500,
    "deep mappings": '{"a":' * DEEP,
    "unknown field too deep": '{"name": "a", "x": ' + "[" * 100 + "]" * 100 + "}",
    "NUL": "\0",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_a_bad_text_is_one_error_with_place_and_fix(parse: object, text: str) -> None:
    with pytest.raises(FormatError, match=r"(?s)^here/card.json cannot be used: .+\. Mend it$"):
        parse(text, Card, "here/card.json", fix="Mend it")  # type: ignore[operator]


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_called_empty(parse: Callable[..., Card], text: str) -> None:
    with pytest.raises(FormatError, match=r"^card cannot be used: it is empty\. Mend it$"):
        parse(text, Card, "card", fix="Mend it")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_in_json(text: str) -> None:
    with pytest.raises(FormatError, match="no number"):
        parse_json(f'{{"size": {text}}}', Part, "part")


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf"])
def test_numbers_that_are_none_in_yaml(text: str) -> None:
    with pytest.raises(FormatError, match="no number"):
        parse_yaml(f"size: {text}", Part, "part")


def test_yaml_that_multiplies_itself() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for one, two in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{two}: &{two} [{', '.join([f'*{one}'] * 100)}]")
    with pytest.raises(FormatError):
        parse_yaml("\n".join(lines), dict[str, list[str]], "bomb")


def test_yaml_makes_no_objects() -> None:
    with pytest.raises(FormatError):
        parse_yaml("!!python/object/apply:os.system ['true']", dict[str, str], "yaml")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(FormatError, match="cannot be used"):
        parse_json(b"\xff\xfe\x00", Card, "card")


def test_a_file_that_is_too_long_or_none_is_not_read(tmp_path: Path) -> None:
    long = tmp_path / "long.json"
    long.write_text(SOUND + " " * 5000)
    with pytest.raises(FormatError, match="longer than"):
        read_json(long, Card, most=4096)
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(FormatError, match="no file"):
        read_yaml(pipe, Card)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json", Card)


def test_damaged_texts_never_let_another_error_out() -> None:
    rng = random.Random(0)
    for _ in range(3000):
        text = bytearray(SOUND.encode())
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(text))
            kind = rng.randrange(3)
            if kind == 0:
                text[at] = rng.randrange(256)
            elif kind == 1:
                del text[at : at + rng.randrange(1, 8)]
            else:
                text[at:at] = rng.choice(
                    [b"[", b"{", b"]", b"1e9", b"null", b"-", b'"', b"&a ", b"*a"]
                )
        for parse in (parse_json, parse_yaml):
            with contextlib.suppress(FormatError):
                assert isinstance(parse(bytes(text), Card, "card"), Card)


def test_a_part_is_typed_later() -> None:
    assert typed({"size": 2}, Part, "part") == Part(2.0)
    with pytest.raises(FormatError, match="part cannot be used"):
        typed({"size": "x" * 5000}, Part, "part")
    with pytest.raises(FormatError, match=r"no number"):
        typed({"size": float("nan")}, Part, "part")


def test_a_message_is_short_whatever_was_read() -> None:
    with pytest.raises(FormatError) as caught:
        parse_json('{"name": ["' + "x" * 100_000 + '"]}', Card, "card")
    assert len(str(caught.value)) < 500


def test_a_name_with_a_zero_byte_is_no_path() -> None:
    with pytest.raises(FormatError, match="no path"):
        read_json(Path("a\0b"), Card)
