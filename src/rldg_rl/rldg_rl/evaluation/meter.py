# SPDX-License-Identifier: Apache-2.0
"""How far an evaluation has come: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rldg_core.commands.console import SlowLines


class EpisodeMeter:
    """Counts episodes; a context manager."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        """Begin.

        Args:
            console: where it is shown.
            total: number of episodes.
            done: how many of them were run before.
        """
        self._bar = Progress(
            TextColumn("evaluation"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[solved]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, solved="")
        self._finished = self._solved = 0
        self._lines = SlowLines(console)
        if done:
            console.print(f"going on: {done} of {total} episodes are done")

    def __enter__(self) -> EpisodeMeter:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def count(self, success: bool) -> None:
        """One more is over."""
        self._finished += 1
        self._solved += success
        solved = f"{100 * self._solved / self._finished:.0f} % solved"
        self._bar.update(self._task, advance=1, solved=solved)
        self._lines.say(lambda: self._line(solved))

    def _line(self, solved: str) -> str:
        (task,) = self._bar.tasks
        left = task.time_remaining
        remaining = "" if left is None else f", {left:.0f} s left"
        return f"{task.completed:.0f}/{task.total:.0f} episodes, {solved}{remaining}"
