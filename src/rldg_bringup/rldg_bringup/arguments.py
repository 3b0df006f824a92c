# SPDX-License-Identifier: Apache-2.0
"""Arguments of a stack: `name:=value` text in, checked and typed values out."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Value = str | int | float | bool
Values = Mapping[str, Value]


class StackError(Exception):
    """The person who started the stack has to change something; the message says what."""


class Resume(Enum):
    """What becomes of an argument when a run is started again under its name."""

    NEW = "new"
    """Holds for one start only."""
    KEPT = "kept"
    """The run's own value stays, unless another one than the default is asked for."""
    FIXED = "fixed"
    """The run's own value stays; asking for another one is an error."""


def whole(minimum: int) -> Callable[[str], int]:
    """Reader of integers from `minimum` up."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or int(text) < minimum:
            raise ValueError(f"a whole number of at least {minimum}")
        return int(text)

    return read


def real(minimum: float) -> Callable[[str], float]:
    """Reader of finite decimal numbers from `minimum` up."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not minimum <= number < math.inf:
            raise ValueError(f"a number of at least {minimum:g}")
        return number

    return read


def rate_or_off(text: str) -> float:
    """Reader of 'off', which is -1, and of decimal numbers from 0 up."""
    if text == "off":
        return -1.0
    try:
        return real(0.0)(text)
    except ValueError as error:
        raise ValueError(f"off, or {error}") from error


def flag(text: str) -> bool:
    """Reader of 'true' and 'false', the only booleans that launch files know."""
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def matching(pattern: str, meaning: str) -> Callable[[str], str]:
    """Reader of text that matches `pattern` whole; `meaning` is for people."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(meaning)
        return text

    return read


@dataclass(frozen=True)
class Argument:
    """One `name:=value` of a stack."""

    name: str
    """As it is typed."""
    default: str | None
    """Text of the default; None where the argument must be given."""
    description: str
    """One line for people."""
    choices: tuple[str, ...] = ()
    """All valid values, where they can be listed."""
    parse: Callable[[str], Value] = str
    """Text to value; its ValueError says what is expected."""
    resume: Resume = Resume.NEW
    """What becomes of it when a run is resumed."""

    def read(self, text: str) -> Value:
        """The typed value of `text`.

        Raises:
            StackError: not one of the choices, or not of the argument's type.
        """
        if self.choices and text not in self.choices:
            raise StackError(f"{self.name}:={text} is not valid.{nearest(text, self.choices)}")
        try:
            return self.parse(text)
        except ValueError as error:
            raise StackError(f"{self.name}:={text} is not valid: it takes {error}") from None


def nearest(text: str, valid: Iterable[str]) -> str:
    """' Did you mean …? Valid: …' for an error about `text`."""
    names = list(valid)
    close = difflib.get_close_matches(text, names, n=1)
    guess = f" Did you mean '{close[0]}'?" if close else ""
    return f"{guess} Valid: {', '.join(names) or 'none'}"


def split(words: Sequence[str]) -> dict[str, str]:
    """`name:=value` words of a command line as a mapping.

    Raises:
        StackError: a word of another form.
    """
    given = {}
    for word in words:
        name, mark, value = word.partition(":=")
        if not mark or not name:
            raise StackError(f"'{word}' is not an argument: arguments are written name:=value")
        given[name] = value
    return given


def resolve(
    arguments: Sequence[Argument], given: Mapping[str, str], own: Values | None = None
) -> dict[str, Value]:
    """Values of all `arguments` from what was `given` and, for a resumed run, its `own` values.

    A value equal to the default counts as not given: a launch file cannot tell the two apart,
    and both ways to start a stack must give the same graph.

    Raises:
        StackError: unknown argument, missing argument, bad value, or a change to a fixed one.
    """
    known = {argument.name: argument for argument in arguments}
    for name in given:
        if name not in known:
            raise StackError(f"unknown argument '{name}'.{nearest(name, known)}")
    return {name: _value(known[name], given.get(name), own or {}) for name in known}


def _value(argument: Argument, text: str | None, own: Values) -> Value:
    if text is None:
        text = argument.default
    if text is None:
        raise StackError(f"give {argument.name}:=… ({argument.description})")
    value = argument.read(text)
    if argument.resume is Resume.NEW or argument.name not in own:
        return value
    kept = own[argument.name]
    if text == argument.default:
        return kept
    if argument.resume is Resume.FIXED and value != kept:
        raise StackError(
            f"this run was made with {argument.name}:={kept}; {argument.name}:={text} cannot "
            "change it: choose another name:=… for a new run"
        )
    return value


def show(arguments: Sequence[Argument]) -> str:
    """The arguments for people, as `ros2 launch --show-args` prints them."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in arguments:
        lines += ["", f"    '{argument.name}':", f"        {argument.description}"]
        if argument.choices:
            lines[-1] += f" Valid choices are: {list(argument.choices)}"
        if argument.default is not None:
            lines.append(f"        (default: '{argument.default}')")
    return "\n".join(lines)
