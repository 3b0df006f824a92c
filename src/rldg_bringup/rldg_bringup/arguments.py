# SPDX-License-Identifier: Apache-2.0
"""Arguments of a stack: `name:=value` text in, checked and typed values out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rldg_core.files.safe_name import is_too_long
from rldg_core.user_error import UserError

Value = str | int | float | bool
Values = Mapping[str, Value]


class StackError(UserError):
    """The person who started the stack has to change something; the message says what."""


def place(text: Value) -> Path:
    """Absolute path of a file or folder that was named.

    Raises:
        StackError: it begins with the home of an unknown user.
    """
    if is_too_long(str(text)):
        raise StackError(f"the path {str(text)[:40]}… is longer than a file system takes")
    try:
        return Path(str(text)).expanduser().absolute()
    except RuntimeError:
        raise StackError(
            f"{text}: no user of that name has a home folder here; give an absolute path"
        ) from None


class Resume(Enum):
    """What becomes of an argument when a run is started again under its name."""

    NEW = "new"
    """Holds for one start only."""
    KEPT = "kept"
    """The run's own value stays, unless another one than the default is asked for."""
    FIXED = "fixed"
    """The run's own value stays; asking for another one is an error."""


LARGEST = 2**31 - 1
"""of a number that counts something"""


@dataclass(frozen=True)
class Reader:
    """What becomes of an argument's text."""

    takes: str
    """what it takes, for people; empty: any text"""
    convert: Callable[[str], Value]
    """text to value; a ValueError says that it is no such text"""

    def __call__(self, text: str) -> Value:
        """The value of a text. Raises ValueError with what is expected."""
        try:
            return self.convert(text)
        except ValueError:
            raise ValueError(self.takes) from None


def whole(minimum: int, maximum: int = LARGEST) -> Reader:
    """Reader of whole numbers in a range."""

    def convert(text: str) -> int:
        # int() takes more: underscores, digits of other scripts, and as many as one likes.
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not minimum <= int(text) <= maximum:
            raise ValueError
        return int(text)

    return Reader(f"a whole number of at least {minimum} and at most {maximum}", convert)


def real(minimum: float, maximum: float) -> Reader:
    """Reader of decimal numbers in a range."""

    def convert(text: str) -> float:
        decimal = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?"
        if not re.fullmatch(decimal, text) or not minimum <= float(text) <= maximum:
            raise ValueError
        return float(text)

    return Reader(f"a number of at least {minimum:g} and at most {maximum:g}", convert)


def rate_or_off(maximum: float) -> Reader:
    """Reader of 'off', which is -1, and of decimal numbers from 0 up."""
    rate = real(0.0, maximum)
    return Reader(f"off, or {rate.takes}", lambda text: -1.0 if text == "off" else rate(text))


def flag(text: str) -> bool:
    """Reader of 'true' and 'false', the only booleans that launch files know."""
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def matching(pattern: str, meaning: str) -> Reader:
    """Reader of text that matches `pattern` whole; `meaning` is for people."""

    def convert(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError
        return text

    return Reader(meaning, convert)


def _several(text: str) -> str:
    parts = text.split(",")
    if text and (not all(part.strip() for part in parts) or len(set(parts)) < len(parts)):
        raise ValueError
    return text


something = Reader("a text that is not empty", matching(r"(?s).+", ""))
several = Reader("names with a comma between them, each once", _several)


@dataclass(frozen=True)
class Need:
    """What must be so for an argument to change anything."""

    argument: str
    """name of another argument, or of what follows from them; where a stack has no such thing, nothing is needed"""
    values: tuple[str, ...]
    """of the other, as they are typed: under any of them this one counts"""
    says: str = ""
    """what to tell a person; by default `is for <argument>:=<values>`"""

    def missing(self, values: Values, known: Mapping[str, Argument]) -> str:
        """What to tell where it is not so, with what to do; empty where it is."""
        here = as_text(values.get(self.argument, self.values[0]))
        if here in self.values:
            return ""
        says = self.says or f"is for {self.argument}:={' or '.join(self.values)}"
        if self.argument not in known:
            return f"{says}, and here it is {here}: leave it out"
        if known[self.argument].default in self.values:
            fix = f"leave out {self.argument}:={here}"
        else:
            fix = f"give {self.argument}:={self.values[0]}"
        return f"{says}, and here it is {self.argument}:={here}: leave it out, or {fix}"


def only_with(argument: str, *values: str, says: str = "") -> Need:
    """What an argument needs that counts only under some values of another one."""
    return Need(argument, values, says)


def as_text(value: Value) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    needs: tuple[Need, ...] = ()
    """What must be so for it to change anything."""
    resume: Resume = Resume.NEW
    """What becomes of it when a run is resumed."""

    @property
    def help_text(self) -> str:
        """Its description, with what it takes where that can be said."""
        takes = self.parse.takes if isinstance(self.parse, Reader) else ""
        return f"{self.description} It takes {takes}." if takes else self.description

    def read(self, text: str) -> Value:
        """The typed value of `text`.

        Raises:
            StackError: not one of the choices, or not of the argument's type.
        """
        if self.choices and text not in self.choices:
            raise StackError(f"{self.name}:={text} is not valid.{suggestions(text, self.choices)}")
        try:
            return self.parse(text)
        except ValueError as error:
            raise StackError(f"{self.name}:={text} is not valid: it takes {error}") from None


def suggestions(text: str, valid: Iterable[str]) -> str:
    """' Did you mean …? Valid: …' for an error about `text`."""
    names = list(valid)
    close = difflib.get_close_matches(text, names, n=1)
    guess = f" Did you mean '{close[0]}'?" if close else ""
    return f"{guess} Valid: {', '.join(names) or 'none'}"


def visible(text: str) -> str:
    """The text with an escape in the place of what a terminal obeys, or cannot show."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def split(words: Sequence[str]) -> dict[str, str]:
    """`name:=value` words of a command line as a mapping.

    Raises:
        StackError: a word of another form.
    """
    given: dict[str, str] = {}
    for word in words:
        name, mark, value = word.partition(":=")
        if not mark or not name:
            raise StackError(f"'{word}' is not an argument: arguments are written name:=value")
        if name in given:
            raise StackError(f"{name}:= is given twice: {given[name]} and {value}; give one")
        given[name] = value
    return given


def resolve(
    arguments: Sequence[Argument], given: Mapping[str, str], own: Values | None = None
) -> dict[str, Value]:
    """Values of all `arguments` from what was `given` and, for a resumed run, its `own` values.

    Raises:
        StackError: unknown argument, missing argument, bad value, or a change to a fixed one.
    """
    known = {argument.name: argument for argument in arguments}
    for name in given:
        if name not in known:
            raise StackError(f"unknown argument '{name}'.{suggestions(name, known)}")
    return {name: _value(known[name], given.get(name), own or {}) for name in known}


def _value(argument: Argument, text: str | None, own: Values) -> Value:
    if argument.resume is Resume.NEW or argument.name not in own:
        if text is None:
            text = argument.default
        if text is None:
            raise StackError(f"give {argument.name}:=… ({argument.description})")
        return argument.read(text)
    kept = own[argument.name]
    if text is None:
        return kept
    value = argument.read(text)
    if argument.resume is Resume.FIXED and value != kept:
        raise StackError(
            f"this run was made with {argument.name}:={as_text(kept)}; {argument.name}:={text} cannot "
            "change it: choose another name:=… for a new run"
        )
    return value


def check_arguments_have_effect(
    arguments: Sequence[Argument], given: Mapping[str, str], values: Values
) -> None:
    """Check that everything that was typed, other than a default, changes something.

    Raises:
        StackError: it does not; the message says why, and what to do.
    """
    known = {argument.name: argument for argument in arguments}
    for name, text in given.items():
        if text == known[name].default:
            continue
        for need in known[name].needs:
            if missing := need.missing(values, known):
                raise StackError(f"{name}:={text} has no effect: {name}:= {missing}")


def show(arguments: Sequence[Argument]) -> str:
    """The arguments for people, as `ros2 launch --show-args` prints them."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in arguments:
        lines += ["", f"    '{argument.name}':", f"        {argument.help_text}"]
        if argument.choices:
            lines[-1] += f" Valid choices are: {list(argument.choices)}"
        if argument.default is not None:
            lines.append(f"        (default: '{argument.default}')")
    return "\n".join(lines)
