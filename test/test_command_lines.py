# SPDX-License-Identifier: Apache-2.0
"""Every option of every command, with nonsense of every kind: understood, or told in one line with exit code 2."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rldg_bringup import runner
from rldg_core.commands.command_line import Parser
from rldg_distill import convert, dataset, distill
from rldg_distill.conversion import options
from rldg_experiments import command_line as experiment
from rldg_rl.evaluation import compare, evaluator, sweep
from rldg_rl.policies import relabel
from rldg_rl.rewards import classifier
from rldg_robot import keys
from rldg_robot.devices import spacemouse_probe
from rldg_robot.simulation import film

NUMBERS = ("nan", "inf", "-inf", "-1", "1e999", "", "9" * 20, "9" * 5000, "0x1", "1_0", "१")
TEXTS = ("", "/", "..", ",", "\x1b[2J", "a\nb", "[/]", "\udcff", "--", "%s", "{}", "a" * 5000)
PROGRAMS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "convert": (options.parse, ["bags", "--out", "data/a"]),
    "dataset info": (dataset.main, ["info", "data"]),
    "dataset validate": (dataset.main, ["validate", "data"]),
    "dataset show": (dataset.main, ["show", "data"]),
    "distill cnn": (distill.parse, ["data", "--student", "cnn"]),
    "distill octo": (distill.parse, ["data", "--student", "octo"]),
    "distill openvla": (distill.parse, ["data", "--student", "openvla"]),
    "evaluator": (evaluator.parse, ["runs/a", "--task", "connector/vga"]),
    "sweep": (sweep.parse, ["runs/a", "--task", "connector/vga", "--axis", "camera"]),
    "compare": (compare.main, ["runs/a", "runs/b"]),
    "relabel": (relabel.main, ["a", "--policy", "connector/vga=b", "--name", "c"]),
    "classifier train": (classifier.main, ["train", "a"]),
    "classifier review": (classifier.main, ["review", "a"]),
    "experiment": (experiment.main, ["--plan", "nothing"]),
    "keys": (keys.main, ["keys"]),
    "film": (film.main, []),
    "spacemouse_probe": (spacemouse_probe.probe, []),
    "stack": (runner.main, ["train_rl"]),
}


class Reached(Exception):
    """The command line was understood."""


class Seen:
    """The parser of a program, caught in the act; understood words end there, before any work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parser: argparse.ArgumentParser | None = None
        parse = argparse.ArgumentParser.parse_known_args

        def caught(parser: argparse.ArgumentParser, *arguments: Any, **more: Any) -> Any:
            found = parse(parser, *arguments, **more)
            if parser.add_help:  # the first look of `distill` has none
                self.parser = parser
                if not found[1] and not parser.prog.count(" "):
                    raise Reached
            return found

        monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", caught)


def options_of(parser: argparse.ArgumentParser, verb: str) -> Iterator[argparse.Action]:
    """The options of a parser, or of its verb."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from options_of(action.choices[verb], "")
        elif action.option_strings and action.nargs != 0 and "--help" not in action.option_strings:
            yield action


def outcome(run: Callable[..., Any], words: list[str]) -> int:
    """Exit code of a program; 0 where it understood the words."""
    try:
        code = run(words)
    except Reached:
        return 0
    except SystemExit as ended:
        return int(str(ended.code))
    return int(code) if isinstance(code, int) else 0


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there, and nothing of worth."""
    monkeypatch.chdir(tmp_path)


def test_every_option_takes_what_it_can_and_tells_the_rest(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, base = PROGRAMS[program]
    seen = Seen(monkeypatch)
    assert outcome(run, base) == 0 and seen.parser, "the words of this test are understood"
    parser = seen.parser  # made once: that of a student takes a while
    capsys.readouterr()
    for option in options_of(parser, base[0] if base else ""):
        name = option.option_strings[-1]
        for text in (*NUMBERS, *TEXTS):
            code = outcome(parser.parse_args, [*base, f"{name}={text}"])
            said = capsys.readouterr().err
            assert code in (0, 2), (name, text)
            assert (code == 2) == bool(said) and said.count("\n") <= 1, (name, text, said)
            assert "\x1b" not in said and "Traceback" not in said
            number = option.type not in (None, str) and "number" in said
            assert not number or name in said
    assert outcome(run, [*base, "--nonsense"]) == 2
    assert outcome(run, [*base, "-Z"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_no_number_is_read_by_python_alone(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`int` takes digits of all scripts, `float` takes nan, and `Path` the empty text for the folder one is in."""
    run, base = PROGRAMS[program]
    seen = Seen(monkeypatch)
    outcome(run, base)
    assert seen.parser
    for option in options_of(seen.parser, base[0] if base else ""):
        assert option.type not in (int, float, Path), option.option_strings
    assert program == "stack" or isinstance(seen.parser, Parser)


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        (convert.main, ["x", "--out", ""], "the path is empty"),
        (convert.main, ["x", "--out", "/"], "ends in no name"),
        (convert.main, ["x", "--out", "y", "--val", "2"], "no number between 0 and 1"),
        (convert.main, ["x", "--out", "y", "--count", "0"], "2 is the least"),
        (convert.main, ["x", "--out", "y", "--task", "vga"], "'vga' is neither a family"),
        (convert.main, ["x", "--out", "y", "--source", "me"], "invalid choice: 'me'"),
        (convert.main, ["x", "--out", "y", "--image-format", "jpeg:0"], "not in 1 to 100"),
        (convert.main, ["x", "--out", "y", "--status", "all", "--status", "failure"], "leave out"),
        (convert.main, ["x", "--out", "y", "--camera", "a", "--camera", "a"], "is given twice"),
        (convert.main, ["x", "--out", "y"], "x does not exist"),
        (convert.main, ["x" * 400, "--out", "y"], "longer than a file system takes"),
        (convert.main, ["x", "--out", "y/" * 4000], "longer than a file system takes"),
        (dataset.main, ["info", "x" * 400], "longer than a file system takes"),
        (compare.main, ["x" * 400, "y"], "longer than a file system takes"),
        (sweep.main, ["x" * 400, "--task", "connector/vga", "--axis", "light"], "longer than"),
        (convert.main, [".", "--out", "y"], "holds no bags"),
        (convert.main, [".", "--out", "Y"], "is no name"),
        *[
            (dataset.main, [verb, "x"], "no finished dataset")
            for verb in ("info", "validate", "show")
        ],
        (distill.main, ["x", "--student", "cnn"], "no finished dataset"),
        (distill.main, ["x", "--student", "cnn", "--processes", "2"], "no finished dataset"),
        (distill.main, ["x", "--student", "cnn", "--clip", "nan"], "--clip"),
        (distill.main, ["x", "--student", "cnn", "--weights", "1"], "there is one dataset"),
        (distill.main, ["x", "--student", "octo", "--merge"], "there is no --init"),
        (
            distill.main,
            ["x", "--student", "openvla", "--lora-rank", "0", "--lora-alpha", "4"],
            "no adapters",
        ),
        (
            distill.main,
            ["x", "--student", "openvla", "--no-proprioception"],
            "it is for --variant oft",
        ),
        (sweep.main, ["x", "--task", "pick_place", "--axis", "clearance"], "would change nothing"),
        (
            sweep.main,
            ["x", "--task", "connector/vga", "--axis", "camera", "--workers", "-3"],
            "0 is the least",
        ),
        (sweep.main, ["x", "x", "--task", "connector/vga", "--axis", "all"], "is given twice"),
        (sweep.main, ["x", "--task", "connector/vga", "--axis", "camera,camera"], "camera twice"),
        (classifier.main, ["review", "x", "--false", "7-3"], "goes backwards"),
        (classifier.main, ["train", "x", "--false-positives", "2"], "no number between 0 and 1"),
        (relabel.main, ["x", "--policy", "vga", "--name", "y"], "is not family/variant=<run>"),
        (experiment.main, ["demo", "--list"], "leave demo out"),
        (experiment.main, [], "which one? Name one of"),
        (film.main, ["--task", "connector/x"], "no task 'connector/x'"),
        (film.main, ["--output", "nowhere/a.png"], "in a folder that is there"),
        (film.main, ["--size", "0"], "16 is the least"),
        (keys.main, ["/"], "ends in no name"),
        (runner.main, ["train_rl", "--foo"], "unrecognized arguments: --foo"),
        (runner.main, [], "required: stack"),
    ],
)
def test_what_was_typed_amiss_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], run: Callable[..., Any], words: list[str], message: str
) -> None:
    assert outcome(run, words) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["gate", "arm", "twin", "actor", "player"])
def test_a_node_takes_no_words_that_it_does_not_know(name: str) -> None:
    module = {
        "gate": "rldg_robot.gate_command",
        "arm": "rldg_robot.arm.command",
        "twin": "rldg_robot.simulation.twin_node",
        "actor": "rldg_rl.actor_node",
        "player": "rldg_robot.player_node",
    }[name]
    words = ["stop"] if name == "gate" else ["recover"] if name == "arm" else []
    program = f"import sys; sys.argv[0] = '{name}'; from {module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--foo", "--ros-args", "-p", "a:=1"],
        env=os.environ | {"ROS_DOMAIN_ID": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and "--foo" in done.stderr and done.stderr.count("\n") == 1
