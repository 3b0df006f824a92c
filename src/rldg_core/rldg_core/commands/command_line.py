# SPDX-License-Identifier: Apache-2.0
"""How every command reads what was typed, and how it ends: one line and exit code 2 where a person can mend it."""

from __future__ import annotations

import argparse
import difflib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from rldg_core.commands.visible import tell_error
from rldg_core.user_error import UserError

USAGE = 2
"""exit code: a person has to change something, and nothing was done"""
STOPPED, PIPE_CLOSED = 130, 141
"""exit codes of a shell for what SIGINT and SIGPIPE ended"""

T = TypeVar("T")


class UsageError(UserError):
    """The command line asks for what cannot be; the message says what to change. Exit code 2."""


class Parser(argparse.ArgumentParser):
    """Tells an error in one line; knows an option by its whole name alone, and which options were typed."""

    def __init__(self, prog: str, **settings: Any) -> None:
        """As `ArgumentParser`; texts stay as they are written, line by line."""
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog, **{"allow_abbrev": False, **settings})

    def parse_args(  # type: ignore[override]
        self, words: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As of `ArgumentParser`; an unknown word is reported with what it may have been."""
        given, unknown = self.parse_known_args(words, namespace)
        if unknown:
            self.error(f"{unknown[0]} is unknown here.{self._nearest(unknown[0])}")
        return given

    def _nearest(self, word: str) -> str:
        known = [option for option in self._option_string_actions if option.startswith("--")]
        close = difflib.get_close_matches(word.partition("=")[0], known, n=1)
        return f" Did you mean {close[0]}?" if close else ""

    def error(self, message: str) -> NoReturn:
        """One line, and exit code 2."""
        text = " ".join(message.split())
        tell_error(self.prog, f"{text} ({self.prog} --help lists what there is)")
        sys.exit(USAGE)

    def typed(self, words: Sequence[str] | None) -> set[str]:
        """The options among the words, by the names of their values."""
        given = sys.argv[1:] if words is None else words
        options = self._option_string_actions
        return {options[name].dest for word in given if (name := word.partition("=")[0]) in options}


def pointless(option: str, why: str, fix: str) -> UsageError:
    """The error of an option that was typed and would change nothing."""
    return UsageError(f"{option} has no effect: {why}. {fix}")


def once(option: str, values: Iterable[T]) -> list[T]:
    """The values of an option that may be repeated.

    Raises:
        UsageError: one of them is there twice.
    """
    found: list[T] = []
    for value in values:
        if value in found:
            raise UsageError(f"{option} {value} is given twice: once is enough")
        found.append(value)
    return found


def command(program: str) -> Callable[[Callable[..., int | None]], Callable[..., int]]:
    """Make a program of its main function: any file's name can be printed, and a reader that has seen enough ends it.

    What a person can mend is reported in one line, with exit code 2; Ctrl-C is no traceback.
    """

    def decorate(main: Callable[..., int | None]) -> Callable[..., int]:
        @functools.wraps(main)
        def run(*arguments: Any) -> int:
            print_anything()
            try:
                code = main(*arguments) or 0
                sys.stdout.flush()
            except UserError as error:
                tell_error(program, error)
                return USAGE
            except KeyboardInterrupt:
                tell_error(program, "stopped")
                return STOPPED
            except BrokenPipeError:
                _close_output()
                return PIPE_CLOSED
            return code

        return run

    return decorate


def print_anything() -> None:
    """A character that the terminal's encoding lacks is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _close_output() -> None:
    """Python flushes once more at its end, and would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
