# SPDX-License-Identifier: Apache-2.0
"""Whoever has to hear of an episode hears of it: recorder, learner, screen, and the run's own count."""

from __future__ import annotations

from dataclasses import dataclass, field

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import EpisodeStatus, Source
from rldg_msgs.msg import Step, Transition
from rldg_rl.acting.actor import EpisodeAborted, GateStop
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.run_state import RunState
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import ControlStep, step_message, transition_message
from rldg_rl.evaluation.outcomes import Trace
from rldg_rl.evaluation.results import RecordFile, make_record
from rldg_rl.modes.mode import Mode
from rldg_rl.run_folder import RunFolder
from rldg_rl.run_parts import Publisher, Recorder, WaitingRobot
from rldg_rl.waiting import Waiting

TASK_LIMITS_SECONDS, RECORDER_SECONDS = 5.0, 10.0


@dataclass
class EpisodeWitness:
    """Implements `actor.Witness`; before a step, it waits for those who have to keep up."""

    run: RunFolder
    domain: str
    """that the robot acts in; see `provenance`"""
    mode: Mode
    state: RunState
    records: RecordFile
    """of evaluation episodes"""
    resets: ResetLedger | None
    """where the arm moves to its starts"""
    waiting: Waiting
    robot: WaitingRobot
    recorder: Recorder
    gate: GateRelease
    announcer: Announcer
    to_recorder: Publisher
    """of `step`"""
    to_learner: Publisher
    """of `transition`"""
    _trace: Trace = field(default_factory=Trace, init=False)

    def opened(self, result: EpisodeResult) -> None:
        """Open the episode for everybody."""
        self.state.opened()
        self._trace = Trace()
        self._result = result
        if self.resets:
            self.resets.arrived(result.reset_seconds)
        self.announcer.episode(result)

    def before_step(self) -> None:
        """Wait for gate, recorder and learner.

        Raises:
            GateStop: the policy that is evaluated made the gate stop the arm.
            EpisodeAborted: the gate stopped it otherwise, or somebody is gone.
            RobotSilent: gate or recorder do not keep up.
        """
        if stop := self.robot.stopped:
            failed = self.gate.is_alone(self.state.source) and self.gate.stopped_for_wrench()
            kind = GateStop if failed else EpisodeAborted
            raise kind(f"the safety gate stopped the arm: {stop}")
        if not self._gate_is_on_task():
            self.robot.wait_for(
                self._gate_is_on_task, "the safety gate to take up the task", TASK_LIMITS_SECONDS
            )
        if not self._is_on_disk():
            self.robot.wait_for(self._is_on_disk, "the recorder", RECORDER_SECONDS)
        self.mode.before_step(self.state)

    def _gate_is_on_task(self) -> bool:
        """Whether the limits of this episode's task are in force: a gate that was restarted begins with its first."""
        return bool(self.robot.safety.task == self._result.task.id)

    def _is_on_disk(self) -> bool:
        """Whether all steps so far are recorded."""
        if self.state.steps > 0 and not self.recorder.open_episode:
            raise EpisodeAborted("the recorder was restarted")
        return self.recorder.has(self._result.episode_id, self.state.steps)

    def after_step(self, step: ControlStep) -> None:
        """Publish the step: to the recorder, and to the learner where it learns from it."""
        source = self.state.source
        self.state.count_step(step.executed_by)
        self._trace.add(step)
        self.to_recorder.publish(step_message(step, Step()))
        if self.mode.teaches(source) and step.handed_over:
            empty = Transition(run=self.run.name)
            self.to_learner.publish(transition_message(step, empty, self.mode.sees))
        if policy := self.mode.policies.get(self.state.progress.task):
            self.announcer.health(policy.health)
        self.announcer.status(self.state, source)

    def closed(self, result: EpisodeResult) -> None:
        """Close the episode for everybody."""
        if not self.waiting.goes_on():
            return
        if result.source == Source.EVALUATION and result.status is not EpisodeStatus.ABORTED:
            number = self.state.number
            self.records.add(make_record(result, self._trace, number, result.episode_id))
        self.announcer.episode(result)
        summary = closed_summary(result, self.domain)
        self.state.closed(summary)
        self.run.keep_wall_seconds(self.announcer.wall_seconds)
        if result.status is not EpisodeStatus.ABORTED:
            self.announcer.outcome(summary, self.state.progress)


def closed_summary(result: EpisodeResult, domain: str) -> EpisodeSummary:
    """An episode that is over, as its bag says it too."""
    return EpisodeSummary(
        episode_id=result.episode_id,
        source=result.source,
        status=str(result.status),
        task=result.task.id,
        seed=result.seed,
        steps=result.steps,
        interventions=result.interventions,
        seconds=result.seconds,
        lead_in=result.lead_in,
        embodiment=contract.EMBODIMENT,
        region=result.task.region,
        domain=domain,
    )
