# SPDX-License-Identifier: Apache-2.0
"""A training or a collection without ROS is one program, and what only nodes can do is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stacks import STACKS

TRAIN = STACKS["train_rl"]
DIRECT = {"transport": "direct", "name": "a"}


def test_it_is_one_program_with_the_run_s_arguments(tmp_path: Path) -> None:
    given = {**DIRECT, "runs": str(tmp_path), "seed": "3", "demos": "5", "video": "false"}
    plan = TRAIN.plan(given)
    (program,) = plan.nodes
    assert (program.executable, program.output, program.required) == ("trainer", "screen", True)
    assert not program.respawn and not plan.speaks_ros
    assert program.arguments == (
        *(f"{tmp_path}/a", "--task", "connector/vga", "--seed", "3", "--demos", "5"),
        *("--steps", "0", "--episodes", "20", "--operator", "scripted"),
        *("--observation", "state", "--encoder", "demos", "--no-video"),
    )


def test_a_run_goes_on_as_it_was_started_or_as_is_asked(tmp_path: Path) -> None:
    RunClaim(TRAIN.plan({**DIRECT, "runs": str(tmp_path)})).release()
    again = {"runs": str(tmp_path), "name": "a"}
    assert [node.executable for node in TRAIN.plan(again).nodes] == ["trainer"]
    assert "learner" in {n.executable for n in TRAIN.plan({**again, "transport": "ros"}).nodes}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"viewer": "true"}, "viewer:= needs ROS"),
        ({"real_time_factor": "1"}, "real_time_factor:= needs ROS"),
        ({"resets": "motion"}, "leave out transport:=direct"),
        ({"reward": "pose"}, "direct knows the twin alone"),
        ({"operator": "keyboard"}, "faster than a person can push"),
        ({"machine": "gpu"}, "machine:= is for transport:=ros"),
        ({"robot": "fci"}, "leave it out with robot:=fci"),
    ],
)
def test_what_needs_nodes_is_refused(tmp_path: Path, given: dict[str, str], why: str) -> None:
    with pytest.raises(StackError, match=why):
        TRAIN.plan({**DIRECT, "runs": str(tmp_path), **given})


@pytest.mark.parametrize(("name", "kept"), [("reward", "pose"), ("resets", "motion")])
def test_a_run_of_nodes_that_needs_them_does_not_go_on_without(
    tmp_path: Path, name: str, kept: str
) -> None:
    run = {"runs": str(tmp_path), "name": "a"}
    RunClaim(TRAIN.plan({**run, name: kept})).release()
    with pytest.raises(StackError, match=f"leave it out with {name}:={kept}"):
        TRAIN.plan({**run, "transport": "direct"})


def test_a_collection_is_one_program_too(tmp_path: Path) -> None:
    given = {"runs": str(tmp_path), "name": "a", "source": "operator", "task": "connector/vga"}
    (program,) = STACKS["collect"].plan({**given, "transport": "direct", "workers": "2"}).nodes
    assert program.executable == "collector"
    assert program.arguments == (
        *(f"{tmp_path}/a", "--task", "connector/vga", "--operator", "scripted"),
        *(
            "--episodes",
            "50",
            "--status",
            "success",
            "--seed",
            "0",
            "--replan",
            "1",
            "--workers",
            "2",
        ),
    )
    with pytest.raises(StackError, match="workers:= is for transport:=direct"):
        STACKS["collect"].plan({**given, "workers": "2"})
    hand = {**given, "source": "keyboard", "transport": "direct"}
    with pytest.raises(StackError, match="faster than a person can push"):
        STACKS["collect"].plan(hand)
