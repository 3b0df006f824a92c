# SPDX-License-Identifier: Apache-2.0
"""JSON and YAML from files, messages and command lines into typed values: the one way in which text is believed.

    card = read_json(folder / "student.json", Card, fix="train it again")

A text that is too long, too deep, not of the type's shape, or has a number that is none, is one `FormatError` that
names the place, the cause and the fix. Everything else a caller may rely on the type alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import dacite
import yaml

from rldg_core.user_error import UserError

MAX_BYTES = 16 << 20
"""of a text: the longest that this project writes, an RLDS dataset's info with its shards, is far below"""
MAX_DEPTH = 64
"""of lists and mappings within each other"""
MAX_ALIASES = 100
"""of YAML's references, each of which repeats what it refers to"""
LARGEST_INTEGER = 2**63
LONGEST_CAUSE = 300
"""letters of a message"""

T = TypeVar("T")


class FormatError(UserError):
    """A text is not what it should be; the message says where, why and what to do."""


def read_json(
    path: Path, kind: type[T], *, fix: str = "", strict: bool = False, most: int = MAX_BYTES
) -> T:
    """Read a JSON file as a value of a type.

    Args:
        path: of the file.
        kind: a dataclass, or anything that stands in a dataclass's field: `dict[str, float]`, `list[Line]`.
        fix: what a person can do about a bad file; ends the message.
        strict: a field that the dataclass lacks is an error; otherwise it is passed over, so that an older reader
            reads a newer file.
        most: bytes that are read; see `MAX_BYTES`.

    Raises:
        FormatError: the file is not such a value.
        OSError: it is not there, or cannot be read.
    """
    return parse_json(read_bytes(path, most), kind, str(path), fix=fix, strict=strict)


def read_yaml(
    path: Path, kind: type[T], *, fix: str = "", strict: bool = False, most: int = MAX_BYTES
) -> T:
    """Read a YAML file as a value of a type; see `read_json`.

    Raises:
        FormatError: the file is not such a value.
        OSError: it is not there, or cannot be read.
    """
    return parse_yaml(read_bytes(path, most), kind, str(path), fix=fix, strict=strict)


def parse_json(
    text: str | bytes, kind: type[T], where: str, *, fix: str = "", strict: bool = False
) -> T:
    """The value of a JSON text; `where` names its place in messages. See `read_json`.

    Raises:
        FormatError: the text is not such a value.
    """
    return _believed(lambda: json.loads(_text(text)), kind, where, fix, strict)


def parse_yaml(
    text: str | bytes, kind: type[T], where: str, *, fix: str = "", strict: bool = False
) -> T:
    """The value of a YAML text; `where` names its place in messages. See `read_json`.

    Raises:
        FormatError: the text is not such a value.
    """
    return _believed(lambda: _load_yaml(_text(text)), kind, where, fix, strict)


def typed(content: Any, kind: type[T], where: str, *, fix: str = "", strict: bool = False) -> T:
    """A part of what was read before, whose type was not known until then. See `read_json`.

    Raises:
        FormatError: it is not such a value.
    """
    return _believed(lambda: content, kind, where, fix, strict)


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a file that is one, and not longer than such a file may be.

    Raises:
        FormatError: it is longer, or a pipe or the like.
        OSError: it is not there, or cannot be read.
    """
    if "\0" in str(path):
        raise FormatError(f"{str(path)!r} is no path")
    if path.exists() and not path.is_file():
        raise FormatError(f"{path} is no file")  # a pipe or a device would be waited for
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FormatError(f"{path} is longer than the {most >> 10} kB that are read of such a file")
    return content


def _text(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _believed(load: Callable[[], Any], kind: type[T], where: str, fix: str, strict: bool) -> T:
    content: Any = None
    try:
        content = load()
        _check(content)
        return _typed(content, kind, strict)
    except (
        *(RecursionError, MemoryError, UserError, yaml.YAMLError, dacite.DaciteError),
        *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    ) as error:
        cause = "it is empty" if _nothing(content, error) else _cause(error)
        raise FormatError(f"{where} cannot be used: {cause}{fix and '. ' + fix}") from error


def _nothing(content: Any, error: Exception) -> bool:
    """Whether there was nothing to read: what a power cut leaves, and no shape that one could put right."""
    if isinstance(error, json.JSONDecodeError):
        return not error.doc.strip()
    return content is None and isinstance(error, dacite.DaciteError)


def _cause(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH}"
    text = " ".join(
        str(error).replace(f'"{_FIELD}.', '"').replace(f'"{_FIELD}"', "the whole").split()
    )
    return _shortened(text) or type(error).__name__


def _shortened(text: str) -> str:
    """What was read stands in the message, however long it is."""
    return text if len(text) <= LONGEST_CAUSE else f"{text[: LONGEST_CAUSE - 2]} …"


def _load_yaml(text: str) -> Any:
    """Load after a look at the events alone: composing a tree recurses in C, where depth ends the process."""
    for _ in yaml_events(text):
        pass
    return yaml.load(text, yaml.CSafeLoader)


def yaml_events(text: str | bytes) -> Iterator[yaml.Event]:
    """The events of a YAML text, one after the other, as far as somebody wants to know.

    Raises:
        ValueError: it is nested too deep, or repeats itself too often.
        yaml.YAMLError: it is no YAML.
    """
    depth = aliases = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH}, or repeats itself too often")
        yield event


def _check(content: Any) -> None:
    """Every number is one, and nothing lies too deep.

    Raises:
        ValueError: not so.
    """
    layer = [content]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in layer:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple | set):
                below += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{value} is no number to go by")
            elif isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
                raise ValueError(f"a number of {len(str(value))} digits is too large")
        if not below:
            return
        layer = below
    raise RecursionError


_FIELD = "content"


def _typed(content: Any, kind: type[T], strict: bool) -> T:
    holder = make_dataclass("holder", [(_FIELD, kind)])
    config = dacite.Config(
        strict=strict, cast=[tuple, Enum], type_hooks={float: _number, int: _whole}
    )
    typed: T = dacite.from_dict(holder, {_FIELD: content}, config).content  # type: ignore[attr-defined]
    return typed


def _number(value: Any) -> Any:
    """Whole numbers are numbers, too; a truth value, which Python counts among them, is none."""
    return float(_whole(value)) if isinstance(value, int) else value


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError(f"{value} is no number")
    return value
