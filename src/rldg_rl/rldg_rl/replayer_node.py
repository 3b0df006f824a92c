# SPDX-License-Identifier: Apache-2.0
"""The replayer: sends the actions of recorded episodes to the robot again, through the gate, and compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import rclpy
from rclpy.node import Node

from rldg_core import contract
from rldg_core.bags.bag_reader import bags_in
from rldg_core.commands.console import plain_console
from rldg_core.files.atomic_file import write_atomically
from rldg_core.poses import Pose
from rldg_core.provenance import domain_of
from rldg_core.task import Task, load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_msgs.msg import Step
from rldg_rl.acting.actor import Actor, EpisodeAborted, HandsOff
from rldg_rl.acting.closed_loop import GATE_SECONDS, close_the_loop
from rldg_rl.acting.recorder_watch import RecorderWatch
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episode_witness import RECORDER_SECONDS
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.messages import episode_message
from rldg_rl.episodes.replay import (
    RecordedActions,
    RecordedEpisode,
    ReplayComparison,
    compare_replay,
    comparison_table,
    read_recorded,
)
from rldg_rl.episodes.step import ControlStep, step_message
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.robot.robot_client import RobotClient
from rldg_rl.run_folder import RunFolder
from rldg_robot.node_main import run_main
from rldg_robot.ros import make_executor, now, publish_on
from rldg_robot.terminal import say

START_SECONDS = 60.0  # of wall time, for the recorder to come up


class ReplayerNode(Node):
    """Witness of its own actor, as the actor's node is: what is replayed is recorded, too."""

    def __init__(self) -> None:
        super().__init__("replayer")
        names = self.declare_parameter("task", "connector/vga").value.split(",")
        self.run = RunFolder(Path(self.declare_parameter("run", "runs/replays/unnamed").value))
        path = Path(self.declare_parameter("bag", "").value)
        try:
            self.bags = bags_in(path)
        except FileNotFoundError as error:
            raise UserError(str(error)) from error
        randomize = self.declare_parameter("randomize", False).value
        self.domain = domain_of(real=False, randomize=randomize)  # nothing is replayed on an arm
        self.comparisons: list[ReplayComparison] = []
        self._path: list[Pose] = []

        self.first = load_task(names[0])
        self.robot = RobotClient(self, make_executor(self), self.first)
        self.recorder = RecorderWatch(self, self.run)
        self._episode = publish_on(self, contract.EPISODE)
        self._step = publish_on(self, contract.STEP)

    def live(self) -> bool:
        """Replay every episode in order; returns whether all went as they did then.

        Raises:
            UserError: no episode could be executed.
        """
        self._wait_for_everybody()
        reason = ""
        try:
            for recording, task in self._recordings():
                reason = self._replay(recording, task)
                if reason:
                    break
        finally:
            self._report(reason)
        if not (self.comparisons or reason):
            raise UserError("no episode could be executed, see above")
        return not reason and all(each.agrees for each in self.comparisons)

    def _wait_for_everybody(self) -> None:
        self.robot.wait_for(self.recorder.is_free, "the recorder", START_SECONDS)
        close_the_loop(self, self.robot, self.first, self.recorder)

    def _recordings(self) -> Iterator[tuple[RecordedEpisode, Task]]:
        """What can be executed; what is left out is reported."""
        for bag in self.bags:
            try:
                recording = read_recorded(bag)
                yield recording, load_task(recording.summary.task)
            except ValueError as error:
                self.get_logger().warning(f"left out: {error}")

    def _replay(self, recording: RecordedEpisode, task: Task) -> str:
        """Execute one episode; returns why no other should follow, in words, if none should."""
        summary = recording.summary
        # Whatever comes of them: when the actions are all sent the episode is over.
        self.env = RobotEnv(self.robot, replace(task, horizon=len(recording.actions)))
        actor = Actor(self.env, HandsOff(), self)
        self._recording, reason = recording, ""
        try:
            actor.run_episode(
                f"{Source.REPLAY}_{summary.episode_id}",
                Source.REPLAY,
                summary.seed,
                RecordedActions(recording),
            )
        except (RobotSilent, EpisodeAborted) as error:
            reason = str(error)
        self.robot.wait_for(self.recorder.is_free, "the recorder", RECORDER_SECONDS)
        return reason

    def _report(self, reason: str) -> None:
        if self.comparisons:
            plain_console().print(comparison_table(self.comparisons))
            report = {"stopped": reason, "episodes": [asdict(each) for each in self.comparisons]}
            write_atomically(self.run.replay_report, json.dumps(report, indent=2))
        if reason:
            say(f"stopped: {reason}")

    # What the actor reports (see actor.Witness)

    def opened(self, result: EpisodeResult) -> None:
        """Open the episode for the recorder."""
        self._result, self._path = result, [self.env.latest.pose]
        self._episode.publish(episode_message(result, now(self), self.domain))

    def before_step(self) -> None:
        """Wait for recorder and gate; stop when the gate did.

        Raises:
            EpisodeAborted: the gate stopped the arm.
            RobotSilent: recorder or gate do not answer.
        """
        self.robot.wait_for(self._on_disk, "the recorder", RECORDER_SECONDS)
        self.robot.wait_for(self._gate_is_on_task, "the safety gate", GATE_SECONDS)
        if self.robot.stopped:
            raise EpisodeAborted(f"the safety gate stopped the arm: {self.robot.stopped}")

    def _on_disk(self) -> bool:
        return self.recorder.has(self._result.episode_id, self._result.steps)

    def _gate_is_on_task(self) -> bool:
        """Whether the limits of this episode's task are in force, or none will be."""
        return bool(self.robot.stopped) or self.robot.safety.task == self._result.task.id

    def after_step(self, step: ControlStep) -> None:
        """Publish the step."""
        self._path.append(step.after.pose)
        self._step.publish(step_message(step, Step()))

    def closed(self, result: EpisodeResult) -> None:
        """Close the episode for the recorder, and compare."""
        self.comparisons.append(compare_replay(self._recording, result, self._path))
        self.get_logger().info(_line(self.comparisons[-1]))
        if rclpy.ok():
            self._episode.publish(episode_message(result, now(self), self.domain))


def _line(comparison: ReplayComparison) -> str:
    return (
        f"{comparison.episode_id}: {comparison.recorded}, replayed: {comparison.replayed}, "
        f"{comparison.largest_mm:.3f} mm at most"
    )


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = ReplayerNode()
        try:
            agrees = node.live()
        except RobotSilent as error:
            raise UserError(str(error)) from error
        finally:
            node.destroy_node()
        if not agrees:
            sys.exit(1)

    run_main(live)
