# SPDX-License-Identifier: Apache-2.0
"""Sentences are for people: no program decides by what a reason, a note or an answer says in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2]
SENTENCES = {
    *("reason", "message", "note", "phase", "attention", "trouble", "refusal"),
    *("stop", "stopped", "held", "why", "wrong"),
    "episode_id",
}
"""names that hold a sentence of our own, or an episode's id, which says nothing that its source does not"""


def decisions(code: str) -> Iterator[int]:
    """Lines that look into a sentence: its beginning, its end, a part of it."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="startswith" | "endswith")):
                looks = _is_sentence(value)
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[value]):
                looks = _is_sentence(value)
            case _:
                continue
        if looks:
            yield node.lineno


def _is_sentence(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SENTENCES
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id="error")]):
            return True
    return False


@pytest.mark.parametrize(
    "code",
    [
        'answer.result().message.startswith("released")',
        'not response.message.startswith("not")',
        '"wrench" in stop',
        'alone and "wrench" in self.robot.stopped',
        "OUTSIDE in reason",
        'scene.phase.startswith("waiting for")',
        "self.reason.startswith(WRENCH)",
        '"busy" not in str(error)',
        'step.episode_id.startswith("policy")',
    ],
)
def test_a_look_into_a_sentence_is_found(code: str) -> None:
    assert list(decisions(code)) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "stop.code is ReasonCode.WRENCH",
        "if reason:\n    say(reason)",
        'path.name.startswith(".")',
        '"header" in fields',
        'message.format.startswith("bayer")',
        'run.phase == "done"',
        "for reason in reasons:\n    pass",
    ],
)
def test_data_is_no_sentence(code: str) -> None:
    assert list(decisions(code)) == []


def test_nothing_decides_by_a_sentence() -> None:
    files = [file for package in SOURCES.iterdir() for file in package.glob("rldg_*/**/*.py")]
    assert len(files) > 200
    found = [f"{f}:{line}" for f in files for line in decisions(f.read_text())]
    assert not found, "decide by a code or a field of its own: " + ", ".join(found)
