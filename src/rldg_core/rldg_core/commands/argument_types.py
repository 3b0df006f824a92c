# SPDX-License-Identifier: Apache-2.0
"""What an option's value may be: the types of every command's options, each with its range.

A type reads a text, or raises `ArgumentTypeError` with what it takes instead.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rldg_core.files.safe_name import UnsafeName, check_name, is_too_long

LARGEST = 2**31 - 1
"""of a number that counts something"""
LARGEST_SEED = 2**63 - 1
"""what ROS has room for"""

T = TypeVar("T")


def whole(least: int, most: int = LARGEST) -> Callable[[str], int]:
    """Type of whole numbers in a range."""

    def read(text: str) -> int:
        # int() takes more: underscores, digits of other scripts, and as many as one likes.
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
            range_text = "" if least == -LARGEST else f" from {least} to {most}"
            raise ArgumentTypeError(
                f"invalid int value: '{text}', it takes a whole number{range_text}"
            )
        if not least <= int(text) <= most:
            bound = f"{least} is the least" if int(text) < least else f"{most} is the greatest"
            raise ArgumentTypeError(f"{bound}, and it is {text}")
        return int(text)

    return read


seed_value = whole(0, LARGEST_SEED)


def real(least: float, most: float, *, open_ends: bool = False) -> Callable[[str], float]:
    """Type of numbers in a range, with its ends unless they are open."""

    def read(text: str) -> float:
        number = _number(text)
        inside = least < number < most if open_ends else least <= number <= most
        if not inside:
            between = (
                f"between {least:g} and {most:g}" if open_ends else f"from {least:g} to {most:g}"
            )
            raise ArgumentTypeError(f"'{text}' is no number {between}")
        return number

    return read


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?", text):
        return math.nan
    return float(text)


share = real(0.0, 1.0, open_ends=True)


def name_of(what: str) -> Callable[[str], str]:
    """Type of names that become a file's; `what` says whose."""

    def read(text: str) -> str:
        try:
            return check_name(text, what)
        except UnsafeName as error:
            raise ArgumentTypeError(str(error)) from error

    return read


def place(text: str) -> Path:
    """Type of paths that are written to or read from: any but the empty one, which would be the folder one is in."""
    if not text or "\0" in text:
        raise ArgumentTypeError("the path is empty" if not text else "a path has no NUL in it")
    if is_too_long(text):
        raise ArgumentTypeError(f"the path {text[:40]}… is longer than a file system takes")
    return Path(text)


def named_place(text: str) -> Path:
    """Type of paths of what is to be made: they end in a name."""
    path = place(text)
    if not path.absolute().name or path.name in ("", ".."):
        raise ArgumentTypeError(f"'{text}' ends in no name that can be given to something new")
    return path


def folder(text: str) -> Path:
    """Type of folders that are there."""
    path = place(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"there is no folder '{text}'")
    return path


def ray_address(text: str) -> str:
    """Type of the address of a Ray cluster."""
    if text != "auto" and not re.fullmatch(r"(ray://)?[\w.\[\]:-]+:[0-9]{1,5}", text, re.ASCII):
        raise ArgumentTypeError(f"'{text}' is neither host:port nor auto")
    return text


def listed(each: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Type of several values with commas between them, each there once."""

    def read(text: str) -> tuple[T, ...]:
        found: list[T] = []
        for part in text.split(","):
            if not part.strip():
                raise ArgumentTypeError(f"'{text}' has nothing before or behind a comma")
            value = each(part.strip())
            if value in found:
                raise ArgumentTypeError(f"'{text}' has {part.strip()} twice")
            found.append(value)
        return tuple(found)

    return read
