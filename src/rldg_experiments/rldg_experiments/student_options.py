# SPDX-License-Identifier: Apache-2.0
"""Whether `distill` will understand what an experiment asks of a student, before hours have been spent on its data."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import fields
from typing import Any

from rldg_distill import distill
from rldg_distill.students import registry
from rldg_distill.training.training_config import TrainingConfig
from rldg_experiments.commands import option


def check_student_options(student: str, options: Mapping[str, Any]) -> None:
    """Whether there is such a student with such options.

    Raises:
        ValueError: there is not; the message lists what there is.
    """
    kind = registry.student_class(student)
    config = kind.configure(kind.sizes[0])
    valid = ["recipe", *(field.name for field in (*fields(TrainingConfig), *fields(config)))]
    for name in options:
        if name not in valid:
            raise ValueError(f"{student} has no option '{name}'; there are: {', '.join(valid)}")
    words = [word for name, value in options.items() for word in option(name, value)]
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            distill.parse(["data", "--student", student, *words])
    except SystemExit:
        message = said.getvalue().strip().removeprefix("distill: ")
        raise ValueError(message.rpartition(" (distill --help")[0]) from None
