# SPDX-License-Identifier: Apache-2.0
"""The students by name: folders here whose `student.py` names its class `STUDENT`, and what a program registers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rldg_core.files.checked_file import FormatError, typed
from rldg_core.user_error import UserError
from rldg_distill.students.card import CARD, FIX, DataCard, StudentError, read_card
from rldg_distill.students.student import Student, StudentConfig


class UnknownStudent(UserError, ValueError):
    """No student of that name; the message lists those that exist."""


_REGISTERED: dict[str, type[Student]] = {}
"""students from outside of this package, by name"""


def register(kind: type[Student]) -> None:
    """Make a student from outside of this package known to this process, by its `name`.

    Raises:
        ValueError: there is another one of that name.
    """
    if kind.name in names() and _REGISTERED.get(kind.name) is not kind:
        raise ValueError(f"there is a student '{kind.name}' already: give yours another name")
    _REGISTERED[kind.name] = kind


def names() -> list[str]:
    """Every student, without importing one."""
    folders = {file.parent.name for file in Path(__file__).parent.glob("*/student.py")}
    return sorted(folders | _REGISTERED.keys())


def student_class(name: str) -> type[Student]:
    """The class of a student.

    Raises:
        UnknownStudent: there is none of that name.
    """
    if name not in names():
        raise UnknownStudent(f"no student '{name[:40]}'; there are: {', '.join(names())}")
    if name in _REGISTERED:
        return _REGISTERED[name]
    found: type[Student] = import_module(f"rldg_distill.students.{name}.student").STUDENT
    return found


@dataclass(frozen=True)
class CardHeader:
    """What a student's card says of it, whose weights may lie elsewhere."""

    kind: type[Student]
    config: StudentConfig
    data: DataCard
    crop: dict[str, float]


def describe_student(folder: Path) -> CardHeader:
    """What `Student.save` wrote beside the weights.

    Raises:
        StudentError: there is nothing, it is damaged, or of another contract version.
        UnknownStudent: a student that this program does not have.
    """
    card = read_card(folder)
    kind = student_class(card.student)
    of_config = type(kind.configure(kind.sizes[0]))
    try:
        config = typed(card.config, of_config, str(folder / CARD), fix=FIX, strict=True)
    except FormatError as error:
        raise StudentError(str(error)) from error
    if config.size not in kind.sizes:
        raise StudentError(f"{folder / CARD}: no size '{config.size[:40]}' of {kind.name}. {FIX}")
    return CardHeader(kind, config, card.data, card.crop)


def load_student(folder: Path, device: str = "cpu") -> Student:
    """A student that `Student.save` wrote, ready to act; errors as of `describe_student`."""
    described = describe_student(folder)
    student = described.kind(described.config, described.data)
    student.load_weights(folder)
    student.crop = described.crop
    return student.to(device).eval()
