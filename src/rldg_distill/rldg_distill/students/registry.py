# SPDX-License-Identifier: Apache-2.0
"""The students by name. A student is a folder here whose `student.py` names its class `STUDENT`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rldg_distill.students.student import (
    CARD,
    DataCard,
    Student,
    StudentConfig,
    StudentError,
    read_card,
)


class UnknownStudent(ValueError):
    """No student of that name; the message lists those that exist."""


def names() -> list[str]:
    """Every student, without importing one."""
    return sorted(file.parent.name for file in Path(__file__).parent.glob("*/student.py"))


def student_class(name: str) -> type[Student]:
    """The class of a student.

    Raises:
        UnknownStudent: there is none of that name.
    """
    if name not in names():
        raise UnknownStudent(f"no student '{name}'; there are: {', '.join(names())}")
    found: type[Student] = import_module(f"rldg_distill.students.{name}.student").STUDENT
    return found


@dataclass(frozen=True)
class Described:
    """What a student's card says of it, whose weights may lie elsewhere."""

    kind: type[Student]
    config: StudentConfig
    data: DataCard
    crop: dict[str, float]


def describe_student(folder: Path) -> Described:
    """What `Student.save` wrote beside the weights.

    Raises:
        StudentError: there is nothing, it is damaged, or of another contract version.
        UnknownStudent: a student that this program does not have.
    """
    card = read_card(folder)
    kind = student_class(card["student"])
    try:
        config = type(kind.configure(card["config"]["size"]))(**card["config"])
        return Described(kind, config, DataCard.from_json(card["data"]), card["crop"])
    except (KeyError, TypeError) as error:
        raise StudentError(f"{folder / CARD} was written by another program: {error}") from error


def load_student(folder: Path, device: str = "cpu") -> Student:
    """A student that `Student.save` wrote, ready to act; errors as of `describe_student`."""
    described = describe_student(folder)
    student = described.kind(described.config, described.data)
    student.load_weights(folder)
    student.crop = described.crop
    return student.to(device).eval()
