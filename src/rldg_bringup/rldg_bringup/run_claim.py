# SPDX-License-Identifier: Apache-2.0
"""The claim on a run folder: one stack at a time, with its arguments written down."""

from __future__ import annotations

from pathlib import Path

import yaml

from rldg_bringup.arguments import StackError
from rldg_bringup.stack import StackPlan
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.claim import Claim, InUse
from rldg_core.run_paths import RunPaths

DERIVED = ("run", "runs", "evaluation", "started", "tasks", "checkpoint", "checkpoints", "leader")
"""values that say where the run lies, or follow from others"""


class RunClaim:
    """Holds a run folder, made if it is missing, until `release` or the end of the process."""

    def __init__(self, plan: StackPlan) -> None:
        """Claim the folder and write down the arguments of a stack that makes runs.

        Raises:
            StackError: another stack uses the run, or the folder cannot be written.
        """
        self.logs = RunPaths(plan.run).logs
        self._settings = RunPaths(plan.run).arguments
        self._before: str | None = None
        refusal = (
            f"another stack is using the run {plan.run}: stop it first, or give another name:="
        )
        try:
            self._claim = Claim(plan.run, refusal)
        except InUse as error:
            raise StackError(str(error)) from None
        except OSError as error:
            raise _unwritable(plan.run, error) from error
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            if self._settings.exists():
                self._before = self._settings.read_text()
            if plan.makes_run:
                self._write(_text(plan))
        except OSError as error:
            self.release()
            raise _unwritable(plan.run, error) from error

    def forget(self) -> None:
        """Take the arguments back: a run that refused them must not insist on them."""
        if self._before is None:
            self._settings.unlink(missing_ok=True)
        else:
            self._write(self._before)

    def release(self) -> None:
        """Let another stack use the run."""
        self._claim.release()

    def _write(self, text: str) -> None:
        write_atomically(self._settings, text)


def _text(plan: StackPlan) -> str:
    arguments = {name: value for name, value in plan.values.items() if name not in DERIVED}
    return yaml.safe_dump({"stack": plan.stack, "arguments": arguments}, sort_keys=False)


def _unwritable(run: Path, error: OSError) -> StackError:
    return StackError(
        f"cannot write the run folder {run}: {error.strerror}; fix that or give another runs:="
    )
