# SPDX-License-Identifier: Apache-2.0
"""The actor as a node: leads a run through its phases and tells recorder, learner and screen of every step."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rldg_robot.node_main import UserError, run_main
from rldg_robot.ros import listen_to, now, publish_on, to_stamp
from rldg_robot.task import Task, load_task
from tensorboard.summary import Writer

from rldg_msgs.msg import LearnerStatus, PolicyWeights, RecorderStatus, RunStatus, SafetyState
from rldg_rl.actor import (
    DEMONSTRATION,
    EVALUATION,
    POLICY,
    Actor,
    EpisodeAborted,
    EpisodeResult,
    LivedStep,
    Status,
)
from rldg_rl.agent_config import AgentConfig
from rldg_rl.bag import EpisodeSummary
from rldg_rl.checkpoint import CheckpointError
from rldg_rl.environment import RobotEnv
from rldg_rl.hands import Hands
from rldg_rl.learner_config import LearnerConfig, updates_due
from rldg_rl.live_policy import LivePolicy
from rldg_rl.messages import episode_message, step_message, transition_message
from rldg_rl.pace import Pace
from rldg_rl.report import summarize_run, write_report
from rldg_rl.robot_client import RobotClient, RobotSilent
from rldg_rl.run_folder import RunError, RunFolder
from rldg_rl.schedule import Plan, Progress, autonomous_success, episode_seed
from rldg_robot import contract

MAX_LAG = 30  # steps that the actor may be ahead of the learner in lockstep
STATUS_PERIOD = 0.25  # [s] of wall time
RETRY_SECONDS = 1.0
SETTLE_SECONDS = 1.0
MAX_FAILED_DEMOS = 3  # times the wanted number
PHASE_NAMES = {
    DEMONSTRATION: "demonstrations",
    POLICY: "training",
    EVALUATION: "evaluation",
    None: "done",
}


class ActorNode(Node):
    """Witness of its own actor: publishes what was lived."""

    def __init__(self) -> None:
        super().__init__("actor")
        self._started = time.monotonic()
        self.task: Task = load_task(self._parameter("task", "connector/vga"))
        self.seed: int = self._parameter("seed", 0)
        self.training: bool = self._parameter("mode", "train") == "train"
        self.operator: str = self._parameter("operator", "scripted")
        self.lockstep: bool = self._parameter("lockstep", True)
        self.deterministic: bool = self._parameter("deterministic", False)
        self.observation: str = self._parameter("observation", "state")
        self.plan = Plan(
            demos=self._parameter("demos", 20) if self.training else 0,
            steps=self._parameter("steps", 8000) if self.training else 0,
            evaluations=self._parameter("episodes", 20),
        )
        self.run = RunFolder(Path(self._parameter("run", "runs/unnamed")))
        self._prepare_run()
        self._earlier = self.run.wall_seconds()
        self.progress = Progress(self.plan)
        self._pace = Pace()
        self._source = ""
        self._lived_steps = 0

        executor = SingleThreadedExecutor()
        executor.add_node(self)
        self.robot = RobotClient(self, executor, self.task)
        self.policy = LivePolicy(self.task.action_dim, self.seed)
        self._make_publishers()
        self._learner = LearnerStatus()
        self._recorder: RecorderStatus | None = None
        self._safety = SafetyState()
        listen_to(self, contract.LEARNER_STATUS, self._on_learner)
        listen_to(self, contract.RECORDER_STATUS, self._on_recorder)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)
        if self.training:
            listen_to(self, contract.POLICY_WEIGHTS, self._on_weights)
        else:
            self._load_policy(Path(self._parameter("policy", "policy.safetensors")))
        self.actor = Actor(
            RobotEnv(self.robot, self.task), Hands(self, self.robot, self.operator), self
        )
        self.board = Writer(str(self.run.tensorboard / "actor"))

    def _parameter(self, name: str, default: Any) -> Any:
        return self.declare_parameter(name, default).value

    def _prepare_run(self) -> None:
        if self.observation != "state":
            raise UserError(f"observation:={self.observation} is not there yet; there is: state")
        if self.training and self.plan.demos and self.operator == "none":
            raise UserError(
                f"demos:={self.plan.demos} need a person: use operator:=scripted or spacemouse, or demos:=0"
            )
        try:
            self.run.prepare()
            self.run.settle_config(
                {
                    "task": self.task.id,
                    "observation": self.observation,
                    "seed": self.seed,
                    "operator": self.operator,
                    "plan": vars(self.plan),
                    "learner": vars(LearnerConfig()),
                    "agent": vars(AgentConfig()),
                }
            )
        except RunError as error:
            raise UserError(str(error)) from error

    def _load_policy(self, path: Path) -> None:
        try:
            self.policy.load(path.read_bytes())
        except (OSError, CheckpointError) as error:
            raise UserError(f"no policy to evaluate: {error}") from error

    def _make_publishers(self) -> None:
        self._step_pub = publish_on(self, contract.STEP)
        self._episode_pub = publish_on(self, contract.EPISODE)
        self._transition_pub = publish_on(self, contract.TRANSITION)
        self._status_pub = publish_on(self, contract.RUN_STATUS)
        self._status_told = 0.0

    # What arrives

    def _on_learner(self, message: LearnerStatus) -> None:
        self._learner = message

    def _on_recorder(self, message: RecorderStatus) -> None:
        self._recorder = message

    def _on_safety(self, message: SafetyState) -> None:
        self._safety = message

    def _on_weights(self, message: PolicyWeights) -> None:
        self.policy.load(bytes(message.safetensors))

    # The run

    def live(self) -> None:
        """Lead the run to its end."""
        self._wait_for_recorder()
        self._close_orphan()
        self.progress = Progress(self.plan, self.run.episodes())
        while (source := self.progress.phase) is not None:
            self._tell_status(source, force=True)
            try:
                self._next_episode(source)
            except (RobotSilent, EpisodeAborted) as error:
                self.get_logger().warning(f"episode aborted: {error}")
                self._recover()
        if self.training:
            self._wait_for(lambda: self._learner.ready, "the learner")
        self._tell_status(None, note="writing the report", force=True)
        updates = int(self._learner.updates) if self.training else self.policy.version
        summary = summarize_run(self.task, self.seed, self.progress, updates, self._wall())
        write_report(self.run, self.task, summary, self.progress)
        self._tell_status(None, force=True)
        self.robot.spin(1.0)

    def _next_episode(self, source: str) -> None:
        if source == DEMONSTRATION:
            self._check_demos()
        if source != DEMONSTRATION and self.training:
            self._wait_for_weights(final=source == EVALUATION)
        self._source = source
        number = self.run.next_episode_number(source)
        self.actor.run_episode(
            f"{source}_{number:05d}",
            source,
            episode_seed(self.seed, source, number),
            None if source == DEMONSTRATION else self.policy,
            deterministic=source == EVALUATION and self.deterministic,
        )

    def _check_demos(self) -> None:
        failed = len(self.progress.finished(DEMONSTRATION)) - self.progress.demos
        if failed > MAX_FAILED_DEMOS * self.plan.demos:
            raise UserError(
                f"{failed} demonstrations failed against {self.progress.demos} that succeeded: "
                "the task may be out of reach; look at the bags, or record fewer with demos:="
            )

    def _wait_for_recorder(self) -> None:
        """Nothing is lived that nobody records. Also: by now what a kill left open was mended."""
        self._wait_for(lambda: self._recorder is not None, "the recorder")
        self._check_recorder()

    def _close_orphan(self) -> None:
        """Close the episode that an actor before this one was killed in."""
        assert self._recorder is not None
        if not self._recorder.open:
            return
        orphan = EpisodeResult(self._recorder.episode_id, "", 0, Status.ABORTED)
        orphan.source = orphan.episode_id.rsplit("_", 1)[0]
        orphan.reason = "the actor was restarted"
        self.robot.wait_for(
            lambda: self._episode_pub.get_subscription_count() > 0, "the recorder", 10.0
        )
        self._episode_pub.publish(episode_message(orphan, self.task, now(self)))
        self.robot.wait_for(self._recorder_is_free, "the recorder", 10.0)

    def _recorder_is_free(self) -> bool:
        return self._recorder is not None and not self._recorder.open

    def _wait_for_weights(self, final: bool) -> None:
        def there() -> bool:
            if not final:
                return self.policy.ready
            caught_up = self._learner.ready and self._learner.updates >= self._owed()
            return caught_up and self.policy.version >= self._learner.updates

        if final and self._source == POLICY:
            self.robot.spin(SETTLE_SECONDS)  # for the last transition to arrive there
        self._wait_for(there, "the learner")

    def _wait_for(self, condition: Callable[[], bool], whom: str) -> None:
        """Wait as long as it takes, and say so."""
        while rclpy.ok() and not condition():
            self._tell_status(self.progress.phase, note=f"waiting for {whom}")
            self.robot.spin(0.1)

    def _recover(self) -> None:
        """Wait until the parts that failed are back, and count again what is on disk."""
        while rclpy.ok() and self._safety.state == SafetyState.STOPPED:
            self._tell_status(None, note=f"waiting: the gate stopped ({self._safety.reason})")
            self.robot.spin(RETRY_SECONDS)
        self.robot.spin(RETRY_SECONDS)
        self._wait_for(self._recorder_is_free, "the recorder")
        self.progress = Progress(self.plan, self.run.episodes())

    # What the actor tells (see actor.Witness)

    def opened(self, result: EpisodeResult) -> None:
        """Open the episode for everybody."""
        self._lived_steps = 0
        self._result = result
        self._episode_pub.publish(episode_message(result, self.task, now(self)))

    def before_step(self) -> None:
        """Wait for recorder and learner; stop when the gate did."""
        if self._safety.state == SafetyState.STOPPED:
            raise EpisodeAborted(f"the safety gate stopped the arm: {self._safety.reason}")
        self._check_recorder()
        if not self._on_disk():
            self.robot.wait_for(self._on_disk, "the recorder", 10.0)
        if self._source == POLICY and self.lockstep and self._ahead():
            self._tell_status(POLICY)
            while rclpy.ok() and self._ahead():
                self.robot.spin(0.005)

    def _check_recorder(self) -> None:
        if self._recorder is not None and self._recorder.error:
            raise UserError(self._recorder.error)

    def _on_disk(self) -> bool:
        """Whether all steps so far are recorded: a kill then loses the step in flight at most."""
        status = self._recorder
        assert status is not None
        self._check_recorder()
        if self._lived_steps > 0 and not status.open:
            raise EpisodeAborted("the recorder was restarted")
        return status.episode_id == self._result.episode_id and status.steps >= self._lived_steps

    def _owed(self) -> int:
        """Updates that the learner owes for the training steps so far."""
        lived = self.progress.steps + (self._lived_steps if self._source == POLICY else 0)
        return updates_due(lived, LearnerConfig(), AgentConfig())

    def _ahead(self) -> bool:
        return self._owed() - self._learner.updates > MAX_LAG * AgentConfig().updates_per_step

    def lived(self, step: LivedStep) -> None:
        """Publish the step."""
        self._lived_steps += 1
        self._pace.count()
        self._step_pub.publish(step_message(step))
        if self.training and self._source != EVALUATION:
            self._transition_pub.publish(transition_message(step))
        self._tell_status(self._source)

    def closed(self, result: EpisodeResult) -> None:
        """Close the episode for everybody."""
        if not rclpy.ok():
            return
        self._episode_pub.publish(episode_message(result, self.task, now(self)))
        summary = EpisodeSummary(
            episode_id=result.episode_id,
            source=result.source,
            status=result.status.name.lower(),
            task=self.task.id,
            seed=result.seed,
            steps=result.steps,
            interventions=result.interventions,
            seconds=result.seconds,
        )
        self.progress.add(summary)
        self._lived_steps = 0
        self.run.keep_wall_seconds(self._wall())
        if result.status is not Status.ABORTED:
            self._log(summary)

    def _log(self, episode: EpisodeSummary) -> None:
        number = self.progress.steps if episode.source == POLICY else int(episode.episode_id[-5:])
        for name, value in {
            "success": float(autonomous_success(episode)),
            "success_rate": self.progress.success_rate(episode.source),
            "seconds": episode.seconds,
            "interventions": episode.interventions,
        }.items():
            self.board.add_scalar(f"{PHASE_NAMES[episode.source]}/{name}", value, number)
        self.board.flush()

    def _tell_status(self, source: str | None, note: str = "", force: bool = False) -> None:
        """Publish where the run stands, a few times a second at most."""
        if not (force or note) and time.monotonic() - self._status_told < STATUS_PERIOD:
            return
        self._status_told = time.monotonic()
        progress, plan = self.progress, self.plan
        living = source == POLICY
        message = RunStatus(
            phase=note or PHASE_NAMES[source],
            demos=progress.demos,
            demos_wanted=plan.demos,
            steps=progress.steps + (self._lived_steps if living else 0),
            steps_wanted=plan.steps,
            episodes=len(progress.finished(POLICY)),
            evaluations=len(progress.finished(EVALUATION)),
            evaluations_wanted=plan.evaluations,
            interventions=progress.interventions,
            steps_per_second=self._pace.per_second(),
            wall_seconds=self._wall(),
        )
        if source is not None:
            message.success_rate = progress.success_rate(source)
            message.cycle_seconds = progress.cycle_seconds(source)
            message.seconds_left = self._pace.seconds_left(progress)
        message.header.stamp = to_stamp(now(self))
        self._status_pub.publish(message)

    def _wall(self) -> float:
        return self._earlier + time.monotonic() - self._started


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = ActorNode()
        try:
            node.live()
        except OSError as error:
            raise UserError(
                f"cannot write into {node.run.path}: {error.strerror or error}; make room, then start the "
                "run again under its name"
            ) from error
        finally:
            node.board.close()
            node.destroy_node()

    run_main(live)
