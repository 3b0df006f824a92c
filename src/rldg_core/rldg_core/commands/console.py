# SPDX-License-Identifier: Apache-2.0
"""The terminal for text that others wrote: names, instructions and errors are printed as they are, never as markup.

What a terminal would obey instead of showing it, an escape sequence in a folder's name, is shown as text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from rldg_core.commands.visible import OBEYED, visible


class _PlainConsole(Console):
    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(visible(text), **settings)  # so that tables know its width

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or not OBEYED.search(segment.text):
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)


def plain_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A rich console that takes `[/]` for three characters; colours come from `style=` and `rich.text.Text` alone."""
    return _PlainConsole(
        stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=True
    )


class SlowLines:
    """How far something has come, for whoever has no terminal that could show a bar: a line now and then."""

    def __init__(self, console: Console, period: float = 10.0) -> None:
        """Say nothing yet; `period` [s] passes before the first line, and between two."""
        self._console = console
        self._period = period
        self._printed = time.monotonic()

    def say(self, line: Callable[[], RenderableType]) -> None:
        """One line, where it is time for one; `line` makes it."""
        if not self._console.is_terminal and time.monotonic() - self._printed >= self._period:
            self._printed = time.monotonic()
            self._console.print(line())
