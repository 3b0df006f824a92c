# SPDX-License-Identifier: Apache-2.0
"""The terminal for text that others wrote: names, instructions and errors are printed as they are, never as markup."""

from __future__ import annotations

from rich.console import Console


def plain_console(*, stderr: bool = False) -> Console:
    """A rich console that takes `[/]` for three characters; colours come from `style=` and `rich.text.Text` alone."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)
