# SPDX-License-Identifier: Apache-2.0
"""Which of the actor's steps a learner takes, and when some are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from logged import Clock, Logged
from test_bag import write_episode
from test_beginning import new_learner

from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_msgs.msg import Transition
from rldg_rl.agent.learner import PATIENCE, Arrivals
from rldg_rl.agent.learner_setup import LearnerSetup
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.episodes.step import transition_message
from rldg_rl.learner_config import DEMOS, MEMORY
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")


def mistaken(fault: str) -> None:
    raise UserError(fault)


def sent(folder: Path, images: bool = False) -> list[Transition]:
    """What the actor sends of an episode."""
    write_episode(folder / "policy_00000")
    steps = recorded_steps(folder / "policy_00000", VGA, looks=True)
    return [transition_message(step, Transition(), images) for step in steps]


def test_steps_wait_until_the_learner_has_begun(tmp_path: Path) -> None:
    learner = new_learner()
    arrivals = Arrivals(learner, None, VGA, Logged(), mistaken)
    first, second, *_ = sent(tmp_path)
    arrivals.hear(first)
    assert learner.policy_steps == 0
    arrivals.begin()
    assert learner.policy_steps == 1
    arrivals.hear(second)
    assert learner.policy_steps == 2


def test_a_step_of_another_size_is_dropped(tmp_path: Path) -> None:
    learner, log = new_learner(), Logged()
    arrivals = Arrivals(learner, None, load_task("pick_place/pepper"), log, mistaken)
    arrivals.begin()
    arrivals.hear(sent(tmp_path)[0])
    assert learner.buffer.steps_received == 0
    (line,) = log.lines
    assert line.startswith("error: a step was dropped: it has ")


def test_a_step_with_a_bad_picture_is_dropped(tmp_path: Path) -> None:
    learner, log = new_learner(), Logged()
    arrivals = Arrivals(learner, None, VGA, log, mistaken)
    arrivals.begin()
    message = sent(tmp_path, images=True)[0]
    message.image_height += 1
    arrivals.hear(message)
    assert learner.buffer.steps_received == 0
    (line,) = log.lines
    assert line.startswith("error: a step was dropped: a picture of ")


@pytest.mark.parametrize(("observation", "images"), [("state", True), ("image", False)])
def test_steps_of_another_observation_are_reported(
    tmp_path: Path, observation: str, images: bool
) -> None:
    setup = LearnerSetup(VGA, RunFolder(tmp_path / "run"), 0, observation, DEMOS, MEMORY)
    arrivals = Arrivals(*setup.make(), VGA, Logged(), mistaken)
    with pytest.raises(UserError, match="were given another observation:="):
        arrivals.hear(sent(tmp_path, images)[0])


def test_who_cannot_see_yet_finds_the_steps_in_the_bags(tmp_path: Path) -> None:
    setup = LearnerSetup(VGA, RunFolder(tmp_path / "run"), 0, "image", DEMOS, MEMORY)
    learner, encoder = setup.make()
    arrivals = Arrivals(learner, encoder, VGA, Logged(), mistaken)
    arrivals.hear(sent(tmp_path, images=True)[0])
    arrivals.begin()
    assert learner.buffer.steps_received == 0


def test_steps_are_missed_after_a_while_without_any(tmp_path: Path) -> None:
    clock, learner = Clock(), new_learner()
    arrivals = Arrivals(learner, None, VGA, Logged(), mistaken, clock)
    arrivals.begin()
    arrivals.hear(sent(tmp_path)[0])
    clock.wait(PATIENCE - 0.1)
    assert arrivals.silence == 0.0 and not arrivals.misses(5)
    clock.wait(0.2)
    assert arrivals.silence == pytest.approx(PATIENCE + 0.1)
    assert arrivals.misses(5) and not arrivals.misses(1)
    arrivals.noticed()
    assert not arrivals.misses(5), "they were looked for"
