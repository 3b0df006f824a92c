# SPDX-License-Identifier: Apache-2.0
"""Command lines, what their values may be, and a terminal that shows foreign text as it is."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table
from rich.text import Text

from rldg_core.commands import argument_types
from rldg_core.commands.command_line import Parser, UsageError, command, once
from rldg_core.commands.console import plain_console
from rldg_core.commands.visible import visible

HOSTILE = "peg [/] \x1b[2J [bold]in[/bold] \x9b31m\r\u202e\udcff :smile:"
SHOWN = r"peg [/] \x1b[2J [bold]in[/bold] \x9b31m\x0d\u202e\udcff :smile:"


def printed(thing: Any) -> str:
    console = plain_console(width=200)
    console.file = io.StringIO()
    console.print(thing)
    return console.file.getvalue()


def test_foreign_text_is_shown_and_not_obeyed() -> None:
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    assert visible(HOSTILE) == SHOWN and visible(SHOWN) == SHOWN
    for thing in (HOSTILE, table):
        assert SHOWN in printed(thing)
    assert "\x1b" not in printed(Text(HOSTILE, "red"))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            argument_types.whole(1),
            {"1": 1, "+7": 7, "2147483647": 2**31 - 1},
            [
                "0",
                "-1",
                "1.0",
                "",
                " 1",
                "1_0",
                "١",
                "9" * 20,
                "9" * 5000,
                "nan",
                "1e3",
                "2147483648",
            ],
        ),
        (argument_types.seed_value, {"0": 0, "9223372036854775807": 2**63 - 1}, ["-1", "9" * 23]),
        (
            argument_types.real(0.0, 2.0),
            {"0": 0.0, "2": 2.0, ".5": 0.5, "1e-3": 1e-3},
            ["nan", "inf", "-inf", "1e999", "-0.1", "2.1", "", "1_0", "0x1", "1e", "e"],
        ),
        (argument_types.share, {"0.1": 0.1}, ["0", "1", "2", "nan", "-0.1", ""]),
        (argument_types.name_of("a name"), {"a-1": "a-1"}, ["", "../x", "/", "a b", "a\n"]),
        (argument_types.place, {"a/b": Path("a/b")}, ["", "a\0"]),
        (argument_types.named_place, {"data/a": Path("data/a")}, ["", "/", ".."]),
        (argument_types.folder, {"/": Path("/")}, ["", "/nowhere", "/dev/null"]),
        (
            argument_types.ray_address,
            {"auto": "auto", "10.0.0.1:6379": "10.0.0.1:6379"},
            ["", "host", "a b:1", "host:x", "host:1;rm"],
        ),
        (argument_types.listed(int), {"1, 2": (1, 2)}, ["", ",", "1,", "1,,2", "1,1", "1,01"]),
    ],
)
def test_values_are_in_their_range_or_refused(
    kind: Callable[[str], Any], good: dict[str, Any], bad: list[str]
) -> None:
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError):
            kind(text)


def test_an_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="convert", description="d")
    parser.add_argument("--workers", type=argument_types.whole(1))
    for words, message in (
        (["--worker", "1"], "--worker is unknown here. Did you mean --workers?"),
        (["--workers", "\x1b[2J\n"], r"'\x1b[2J ', it takes a whole number from 1 to 2147483647"),
        (["x"], "x is unknown here"),
        (["--workers"], "expected one argument"),
    ):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(words)
        said = capsys.readouterr().err
        assert ended.value.code == 2 and message in said and said.count("\n") == 1
    assert parser.typed(["--workers=3", "x"]) == {"workers"} and parser.typed([]) == set()


def test_an_option_is_given_once() -> None:
    assert once("--task", ["a", "b"]) == ["a", "b"]
    with pytest.raises(UsageError, match="--task a is given twice"):
        once("--task", ["a", "a"])


def test_what_a_person_can_mend_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    @command("tool")
    def main(error: BaseException | None) -> None:
        if error:
            raise error

    assert main(None) == 0
    assert main(UsageError("give\x1bmore")) == 2
    assert main(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "tool: give\\x1bmore\ntool: stopped\n"


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"\xe4 \udcff"), ("utf-8", "ä \\udcff")])
def test_any_text_can_be_printed_on_any_terminal(encoding: str, shown: str) -> None:
    program = (
        "from rldg_core.commands.command_line import command\n"
        "@command('tool')\ndef main(): print('ä \\udcff')\nraise SystemExit(main())"
    )
    environment = {"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == shown and not done.stderr


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    program = (
        "from rldg_core.commands.command_line import command\n"
        "@command('tool')\ndef main(): [print('line') for _ in range(100_000)]\nraise SystemExit(main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141
