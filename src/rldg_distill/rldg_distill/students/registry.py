# SPDX-License-Identifier: Apache-2.0
"""The students by name. A student is a folder here whose `student.py` names its class `STUDENT`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rldg_distill.students.student import Student


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
