# SPDX-License-Identifier: Apache-2.0
"""A run in one process: its parts take turns, and stand in for the nodes."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest
from logged import Logged

from rldg_core import contract
from rldg_core.bags.bag_reader import is_complete, messages_of, read_summary
from rldg_core.contract import RECORDED, STEP
from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, Source
from rldg_msgs.msg import Episode, Step
from rldg_rl.direct.direct_run import DirectRun, LearnerBeginning
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.direct.recorder import DirectRecorder, mend
from rldg_rl.episodes.bag import BagWriter, recorded_steps
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.run_folder import RunFolder

SOMETIMES = {
    contract.ANSWER.name,
    contract.INSTRUCTION.name,
    contract.POLICY_GRIPPER.name,
    contract.GRIPPER_COMMAND.name,
}
"""topics that say nothing in an episode in which nothing of the kind happens"""


def training(folder: Path, **given: object) -> DirectRun:
    """A tiny one."""
    wanted = {"demos": 1, "steps": 40, "episodes": 1, "video": False, "real": False} | given
    parameters = ActorParameters(mode="train", run=str(folder), **wanted)  # type: ignore[arg-type]
    return DirectRun(parameters, LearnerBeginning())


def test_a_bag_has_every_topic_and_every_moment(tmp_path: Path) -> None:
    run = training(tmp_path)
    run.loop.state.start()
    run.loop._next_episode(Source.DEMONSTRATION)
    run.close()
    (bag,) = run.run.own_bags()
    summary = read_summary(bag)
    steps = list(recorded_steps(bag, run.tasks["connector/vga"], looks=True))
    assert len(steps) == summary.steps > 10
    assert summary.status == EpisodeStatus.SUCCESS
    for topic in RECORDED:
        if topic.name in SOMETIMES:
            continue
        found = messages_of(bag, topic)
        assert found, topic.name
    # One target a step, and the one before the first episode that shows that targets arrive.
    assert len(messages_of(bag, contract.TARGET_POSE)) == summary.steps + 1
    assert len(messages_of(bag, contract.WRIST_IMAGE)) == summary.steps + 1
    assert steps[0].seen.image.any(), "it shows something"


def test_who_stands_by_releases_a_stop_for_a_wrench_and_the_run_goes_on(tmp_path: Path) -> None:
    run = training(tmp_path)
    pressed = Reason(ReasonCode.WRENCH, "pressed too hard")

    def press(step: Step) -> None:
        if (step.episode_id, step.index) == ("demonstration_00000", 3):
            run.body._robot.gate.stop(pressed)

    run.channel.listen(STEP, press)
    run.live()
    first, second = (read_summary(bag) for bag in list(run.run.own_bags())[:2])
    assert (first.status, first.steps) == (EpisodeStatus.ABORTED, 4)
    assert second.status == EpisodeStatus.SUCCESS
    assert run.run.summary.is_file()
    assert run.run.policy_checkpoint.is_file()


def test_nothing_is_done_that_cannot_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: BagWriter) -> None:
        raise OSError(errno.ENOSPC, "full")

    run = training(tmp_path)
    monkeypatch.setattr(BagWriter, "flush", fill)
    with pytest.raises(UserError, match="make room"):
        run.live()
    assert not any(map(is_complete, run.run.own_bags()))


def test_what_a_kill_left_open_is_mended(tmp_path: Path) -> None:
    channel, run, log = LocalChannel(), RunFolder(tmp_path), Logged()
    run.prepare()
    recorder = DirectRecorder(run, channel)
    opening = Episode(episode_id="policy_00000", task="connector", variant="vga", source="policy")
    channel.publish(contract.EPISODE, opening)
    channel.publish(STEP, Step(episode_id="policy_00000"))
    assert recorder.has("policy_00000", 1) and not recorder.has("policy_00000", 2)
    recorder.close()
    mend(run, log)
    assert read_summary(run.bags / "policy_00000").steps == 1
    assert log.lines == ["warning: policy_00000 was never closed, or is damaged: recovered 1 steps"]


def test_a_training_needs_somebody_who_demonstrates(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="demos:=1 need a person"):
        training(tmp_path, operator="none")


def test_ctrl_c_ends_the_step_first_and_the_run_goes_on(tmp_path: Path) -> None:
    run = training(tmp_path)
    seen: list[int] = []

    def interrupt(step: Step) -> None:
        if step.episode_id == "policy_00000":
            seen.append(step.index)
            if step.index == 5:
                signal.raise_signal(signal.SIGINT)

    run.channel.listen(STEP, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.live()
    assert seen == list(range(6))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    stopped = read_summary(run.run.bags / "policy_00000")
    assert (stopped.status, stopped.steps) == (EpisodeStatus.ABORTED, 6)
    assert run.run.learner_checkpoint.is_file()

    again = training(tmp_path)
    again.live()
    assert read_summary(run.run.bags / "policy_00000") == stopped
    assert again.run.summary.is_file()
