# SPDX-License-Identifier: Apache-2.0
"""A run is led from one episode to the next: who is waited for, what follows a stop, what is closed and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from logged import Clock, Logged
from played_parts import (
    EMERGENCY_STOP,
    VGA,
    WRENCH,
    PlayedAnnouncer,
    PlayedRecorder,
    PlayedRobot,
    PlayedTopic,
)
from test_bag import STEPS, write_episode

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.gate_reason import Reason
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import EpisodeAborted, GateStop
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import RunPlan, RunProgress
from rldg_rl.environment.reset_count import ResetLedger, read_resets
from rldg_rl.environment.reset_motion import ResetStalled
from rldg_rl.episode_witness import EpisodeWitness
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.orphan import orphan_of
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.run_folder import RunFolder
from rldg_rl.run_loop import FREE, RunLoop
from rldg_rl.waiting import Waiting


class PlayedMode:
    """A mode of some evaluation episodes, led by nobody in particular."""

    deterministic = False
    sees = False

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self.policies: dict[str, Any] = {}
        self.did: list[str] = []
        self.teaching = False

    def count(self, episodes: list[EpisodeSummary], earlier: frozenset[str]) -> RunProgress:
        return RunProgress(self.plan, episodes)

    def leader(self, source: str, task: str) -> None:
        return None

    def before_episode(self, source: str, state: RunState) -> None:
        self.did.append(f"before {source}")

    def before_step(self, state: RunState) -> None:
        self.did.append("before a step")

    def teaches(self, source: str) -> bool:
        return self.teaching

    def finish(self) -> None:
        self.did.append("finished")

    def report(self, state: RunState, wall_seconds: float) -> None:
        self.did.append("reported")


Living = Callable[["Stage", EpisodeResult], None]


def succeed(stage: Stage, result: EpisodeResult) -> None:
    result.status = EpisodeStatus.SUCCESS


class PlayedActor:
    """Lives episodes in no time, each as the next of some functions says; the last one goes on for ever."""

    def __init__(self, stage: Stage, *lives: Living) -> None:
        self._stage = stage
        self._lives = list(lives)
        self.names: list[str] = []
        self.seeds: list[int] = []

    def run_episode(
        self, name: str, source: str, seed: int, policy: object, deterministic: bool
    ) -> EpisodeResult:
        live = self._lives.pop(0) if len(self._lives) > 1 else self._lives[0]
        result = EpisodeResult(name, VGA, source, seed)
        if live is stall:
            live(self._stage, result)
        self.names.append(name)
        self.seeds.append(seed)
        witness = self._stage.witness
        witness.opened(result)
        try:
            live(self._stage, result)
        except EpisodeAborted:
            result.status = EpisodeStatus.ABORTED
            raise
        finally:
            witness.closed(result)
            self._stage.write_bag(result)
        return result


def stall(stage: Stage, result: EpisodeResult) -> None:
    stage.robot.release_at = stage.clock.now + 30
    raise ResetStalled("it presses")


class Stage:
    """A run's loop among played parts."""

    def __init__(
        self,
        folder: Path,
        *lives: Living,
        episodes: int = 2,
        operator: str = "none",
        lockstep: bool = True,
        moves: bool = False,
        drives: dict[str, Any] | None = None,
        company: tuple[Callable[[], None], ...] = (),
    ) -> None:
        self.run = RunFolder(folder)
        self.run.prepare()
        self.clock, self.log = Clock(), Logged()
        self.robot, self.recorder = PlayedRobot(self.clock), PlayedRecorder()
        self.announcer = PlayedAnnouncer(self.recorder)
        self.mode = PlayedMode(RunPlan((VGA.id,), demos=0, steps=0, evaluations=episodes))
        self.state = RunState(self.run, self.mode.count)
        self.waiting = Waiting(
            self.robot.spin, lambda: self.clock.now < 1000, self.announcer.notes.append
        )
        self.gate = GateRelease(
            self.robot,
            self.robot,
            possible=lockstep and not moves,
            unattended=operator == "none",
        )
        self.records, self.resets = RecordFile(self.run.records), ResetLedger(self.run)
        self.to_recorder, self.to_learner = PlayedTopic(), PlayedTopic()
        self.witness = EpisodeWitness(
            run=self.run,
            domain="sim",
            mode=self.mode,
            state=self.state,
            records=self.records,
            resets=self.resets if moves else None,
            waiting=self.waiting,
            robot=self.robot,
            recorder=self.recorder,
            gate=self.gate,
            announcer=self.announcer,
            to_recorder=self.to_recorder,
            to_learner=self.to_learner,
        )
        self.actor = PlayedActor(self, *(lives or (succeed,)))
        self.closed: list[str] = []
        self.loop = RunLoop(
            run=self.run,
            seed=3,
            mode=self.mode,
            state=self.state,
            records=self.records,
            resets=self.resets,
            moves=moves,
            waiting=self.waiting,
            robot=self.robot,
            recorder=self.recorder,
            gate=self.gate,
            announcer=self.announcer,
            log=self.log,
            close_loop=self.closed.append,
            company=company,
            actors={VGA.id: self.actor},
            drives=drives or {},
        )

    def write_bag(self, result: EpisodeResult) -> None:
        """As the recorder leaves it."""
        status = str(result.status)
        summary = EpisodeSummary(
            result.episode_id, result.source, status, VGA.id, result.seed, STEPS, 0, 0.5
        )
        write_episode(self.run.bags / result.episode_id, close=False).close(summary)


def test_a_run_lives_what_is_missing_and_reports(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.loop.live()
    assert stage.actor.names == ["evaluation_00000", "evaluation_00001"]
    assert stage.mode.did == ["before evaluation"] * 2 + ["finished", "reported"]
    assert stage.closed == [VGA.id], "once, before the first episode"
    assert [record.number for record in stage.records.read()] == [0, 1]
    assert stage.announcer.outcomes == stage.actor.names
    assert stage.run.wall_seconds() == 1.0

    again = Stage(tmp_path, episodes=3)
    again.loop.live()
    assert again.actor.names == ["evaluation_00002"], "it goes on where it stopped"


def test_an_aborted_episode_takes_a_name_and_its_start_is_drawn_again(tmp_path: Path) -> None:
    def gone(stage: Stage, result: EpisodeResult) -> None:
        raise EpisodeAborted("the recorder was restarted")

    stage = Stage(tmp_path, gone, succeed, episodes=1)
    stage.loop.live()
    assert stage.actor.names == ["evaluation_00000", "evaluation_00001"]
    first, second = stage.actor.seeds
    assert first == second
    assert stage.log.lines == ["warning: episode aborted: the recorder was restarted"]
    assert stage.closed == [VGA.id] * 2, "a part may have been restarted"
    (record,) = stage.records.read()
    assert (record.number, record.bag) == (0, "evaluation_00001")
    assert stage.announcer.outcomes == ["evaluation_00001"]


def test_what_has_no_end_in_sight_ends(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.mode.count = lambda episodes, earlier: SimpleNamespace(  # type: ignore[method-assign]
        source=Source.POLICY, task=VGA.id, trouble="nobody can do this", finished=lambda source: []
    )
    stage.state = stage.loop.state = RunState(stage.run, stage.mode.count)
    with pytest.raises(UserError, match="nobody can do this"):
        stage.loop.live()


def test_an_evaluation_whose_record_is_lost_is_reported(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.loop.live()
    stage.run.records.unlink()
    with pytest.raises(UserError, match="lacks 2 evaluation episodes"):
        Stage(tmp_path).loop.live()


def test_an_episode_that_its_actor_died_in_is_closed_as_aborted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, episodes=0)
    write_episode(stage.run.bags / "policy_00000", close=False)
    stage.recorder.open_episode = "policy_00000"
    stage.loop.live()
    assert stage.announcer.episodes == [("policy_00000", EpisodeStatus.ABORTED)]
    orphan = orphan_of(stage.run.bags / "policy_00000")
    assert (orphan.task.id, orphan.source, orphan.seed) == (VGA.id, "policy", 3)
    assert orphan.reason == "the actor was restarted"


# Who is waited for


def test_no_episode_begins_before_everybody_is_there(tmp_path: Path) -> None:
    came: list[str] = []
    stage = Stage(tmp_path, episodes=1, company=(lambda: came.append("person"),))
    stage.robot.gate_comes_at = 0.25
    stage.loop.live()
    assert came == ["person"]
    assert set(stage.announcer.notes) == {"waiting for the safety gate", "writing the report"}


def test_a_person_drives_until_they_want_an_episode(tmp_path: Path) -> None:
    def until_wanted(goes_on: Callable[[], bool]) -> None:
        assert goes_on()

    stage = Stage(tmp_path, episodes=1, drives={VGA.id: SimpleNamespace(until_wanted=until_wanted)})
    stage.loop.live()
    assert FREE in stage.announcer.notes and stage.actor.names == ["evaluation_00000"]


@pytest.mark.parametrize("moves", [False, True])
def test_where_the_arm_moves_to_its_start_the_last_bag_is_closed_first(
    tmp_path: Path, moves: bool
) -> None:
    stage = Stage(tmp_path, moves=moves, episodes=2)
    stage.loop.live()
    assert stage.robot.waited_for == ["the recorder"] * 2 * moves


# What follows a stop


def press(stage: Stage, result: EpisodeResult) -> None:
    stage.robot.stopped = WRENCH
    result.status, result.stopped = EpisodeStatus.FAILURE, True


def test_without_a_person_a_stop_for_a_wrench_is_released_here(tmp_path: Path) -> None:
    stage = Stage(tmp_path, press, succeed)
    stage.loop.live()
    assert stage.robot.did == [f"reset to {VGA.id}", "released"]
    assert stage.actor.names == ["evaluation_00000", "evaluation_00001"]


def test_a_stop_for_a_wrench_from_before_fails_no_episode(tmp_path: Path) -> None:
    stage = Stage(tmp_path, episodes=1)
    stage.robot.stopped = WRENCH
    stage.loop.live()
    assert stage.robot.did == [f"reset to {VGA.id}", "released"] and stage.closed == [VGA.id]


@pytest.mark.parametrize(
    ("stop", "options"),
    [
        (EMERGENCY_STOP, {}),
        (WRENCH, {"lockstep": False}),
        (WRENCH, {"moves": True}),
    ],
)
def test_any_other_stop_waits_for_a_person(
    tmp_path: Path, stop: Reason, options: dict[str, Any]
) -> None:
    stage = Stage(tmp_path, episodes=1, **options)
    stage.robot.stopped, stage.robot.release_at = stop, 20.0
    stage.loop.live()
    assert stage.robot.did == [] and stage.clock.now > 20
    assert f"waiting: the gate stopped ({stop})" in stage.announcer.notes
    assert stage.mode.did[:2] == ["before evaluation"] * 2, "all begins anew"


def test_after_a_stop_in_real_time_a_person_looks(tmp_path: Path) -> None:
    def press_for_a_while(stage: Stage, result: EpisodeResult) -> None:
        press(stage, result)
        stage.robot.release_at = stage.clock.now + 20

    stage = Stage(tmp_path, press_for_a_while, succeed, lockstep=False)
    stage.loop.live()
    assert stage.robot.did == [] and stage.clock.now > 20
    assert len(stage.actor.names) == 2


def test_an_arm_that_is_stuck_is_stopped_until_a_person_came(tmp_path: Path) -> None:
    stage = Stage(tmp_path, stall, succeed, episodes=1, moves=True)
    stage.loop.live()
    assert stage.robot.did == ["stopped"]
    assert "it presses. Free it" in stage.announcer.attention[0]
    count = read_resets(stage.run)
    assert (count.stalled, count.resets) == (1, 1)


def test_who_releases_depends_on_who_is_there() -> None:
    robot = PlayedRobot(Clock())
    robot.stopped = WRENCH
    attended = GateRelease(robot, robot, possible=True, unattended=False)
    assert attended.is_due(Source.EVALUATION) and not attended.is_due(Source.POLICY)
    alone = GateRelease(robot, robot, possible=True, unattended=True)
    assert alone.is_due(Source.POLICY) and alone.is_due(Source.DEMONSTRATION)
    robot.stopped = None
    assert not alone.is_due(Source.POLICY)


# Before a step


def opened(stage: Stage, source: str = Source.EVALUATION) -> EpisodeResult:
    result = EpisodeResult(stage.state.next_episode(source), VGA, source, 0)
    stage.witness.opened(result)
    return result


def test_a_step_waits_for_gate_recorder_and_learner(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    opened(stage)
    stage.witness.before_step()
    assert stage.mode.did == ["before a step"]
    stage.robot.safety.task = "connector/xlr"
    with pytest.raises(RobotSilent, match="the safety gate to take up the task"):
        stage.witness.before_step()
    stage.robot.safety.task = VGA.id
    stage.state.steps = 1
    with pytest.raises(RobotSilent, match="the recorder"):
        stage.witness.before_step()
    stage.recorder.open_episode = ""
    with pytest.raises(EpisodeAborted, match="the recorder was restarted"):
        stage.witness.before_step()


@pytest.mark.parametrize(
    ("source", "operator", "stop", "kind"),
    [
        (Source.EVALUATION, "scripted", WRENCH, GateStop),
        (Source.POLICY, "none", WRENCH, GateStop),
        (Source.POLICY, "scripted", WRENCH, EpisodeAborted),
        (Source.EVALUATION, "scripted", EMERGENCY_STOP, EpisodeAborted),
    ],
)
def test_a_stop_fails_who_is_alone_with_it_and_aborts_otherwise(
    tmp_path: Path, source: str, operator: str, stop: Reason, kind: type[Exception]
) -> None:
    stage = Stage(tmp_path, operator=operator)
    opened(stage, source)
    stage.robot.stopped = stop
    with pytest.raises(kind, match="the safety gate stopped the arm"):
        stage.witness.before_step()


def test_an_episode_that_a_shutdown_cuts_off_is_left_to_the_next_start(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    result = opened(stage)
    stage.clock.now = 2000
    stage.witness.closed(result)
    assert stage.announcer.episodes == [(result.episode_id, EpisodeStatus.OPEN)]


# What becomes of a step


def test_every_step_is_recorded_and_the_learner_hears_those_that_teach(tmp_path: Path) -> None:
    bag = tmp_path / "bags" / "policy_00000"
    write_episode(bag)
    step = next(recorded_steps(bag, VGA))
    stage = Stage(tmp_path / "run")
    opened(stage, Source.POLICY)
    for teaching, handed_over in ((False, True), (True, False), (True, True)):
        stage.mode.teaching = teaching
        stage.witness.after_step(replace(step, handed_over=handed_over))
    assert [message.index for message in stage.to_recorder.messages] == [0, 0, 0]
    (sent,) = stage.to_learner.messages
    assert (sent.run, sent.reward, len(sent.image)) == ("run", step.reward, 0)
    assert stage.state.steps == 3


# What is counted


def test_training_steps_count_as_they_are_executed_and_lead_ins_never(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    state = stage.state
    state.next_episode(Source.POLICY)
    state.opened()
    for who in (ExecutedBy.DEMONSTRATION, ExecutedBy.POLICY, ExecutedBy.INTERVENTION):
        state.count_step(who)
    assert (state.steps, state.policy_steps) == (3, 2)
    done = EpisodeSummary("policy_00000", Source.POLICY, "success", VGA.id, 0, 3, 1, 0.3, lead_in=1)
    state.closed(done)
    assert (state.steps, state.policy_steps) == (0, 2)
    state.next_episode(Source.EVALUATION)
    state.count_step(ExecutedBy.POLICY)
    assert state.policy_steps == 2
