# SPDX-License-Identifier: Apache-2.0
"""The learner as a node: transitions in, weights out."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
import torch
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from rldg_core import contract
from rldg_core.bags.bag_reader import is_complete
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_msgs.msg import (
    EncoderWeights,
    PolicyWeights,
    RecorderStatus,
    RunStatus,
)
from rldg_rl.acting.schedule import DONE, PHASES
from rldg_rl.agent.bag_steps import BagSteps
from rldg_rl.agent.beginning import Beginning
from rldg_rl.agent.checkpoint import (
    encoder_to_bytes,
    policy_to_bytes,
)
from rldg_rl.agent.learner import Arrivals
from rldg_rl.agent.learner_files import LearnerFiles
from rldg_rl.agent.learner_setup import LearnerSetup
from rldg_rl.agent.learner_status import learner_status
from rldg_rl.agent.learning_loop import LearningLoop
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.episodes.bag_exchange import BagTaker
from rldg_rl.learner_config import DEMOS, MEMORY
from rldg_rl.own_run import listen_to_own
from rldg_rl.robot.specialist_spaces import specialist_spaces
from rldg_rl.run_folder import RunFolder
from rldg_rl.vision.scratch_encoder import ScratchEncoder
from rldg_robot.node_main import run_main
from rldg_robot.publishers import count_publishers, crowd
from rldg_robot.ros import make_executor, now, publish_on
from rldg_robot.ros_values import to_stamp

LOOK_SECONDS = 0.1
STATUS_PERIOD = 0.2  # [s] of wall time


class LearnerNode(Node):
    """Plumbing around learner.Learner: what surrounds its beginning, and the outlet of what it learns."""

    def __init__(self) -> None:
        super().__init__("learner")
        self.task = task = load_task(self.declare_parameter("task", "connector/vga").value)
        seed = int(self.declare_parameter("seed", 0).value)
        self.run = RunFolder(Path(self.declare_parameter("run", "runs/unnamed").value))
        init = str(self.declare_parameter("init", "").value)
        prior = str(self.declare_parameter("prior", "").value)
        self.apart = bool(self.declare_parameter("apart", False).value)
        demos_first = bool(self.declare_parameter("demos_first", False).value)
        setup = LearnerSetup(
            task,
            self.run,
            seed,
            observation=self.declare_parameter("observation", "state").value,
            encoder=self.declare_parameter("encoder", DEMOS).value,
            buffer=self.declare_parameter("buffer", MEMORY).value,
        )
        torch.set_num_threads(1)  # the other core belongs to the robot
        self.learner, self.encoder = learner, encoder = setup.make()
        self.spaces = specialist_spaces(task, encoder.output_dim if encoder else 0)
        log = self.get_logger()
        self.recorded = BagSteps(learner, task, encoder is not None, log)
        others = [RunFolder(Path(run)) for run in prior.split(",") if run]
        self.beginning = Beginning(
            self.recorded, encoder, self.run, seed, init, others, demos_first
        )
        self.arrivals = Arrivals(
            learner, encoder, task, log, lambda fault: self._mistaken(contract.TRANSITION, fault)
        )
        self.loop = LearningLoop(learner, self.arrivals, self)
        self._executor = make_executor(self)
        self._taker = BagTaker(self, self._executor, self.run) if self.apart else None
        self._recorder_is_there = False
        self._run_status = RunStatus()
        self._note = ""
        self._status_published = 0.0
        self._weights = publish_on(self, contract.POLICY_WEIGHTS)
        self._sight = publish_on(self, contract.ENCODER_WEIGHTS)
        self._status = publish_on(self, contract.LEARNER_STATUS)
        listen_to_own(self, contract.TRANSITION, self.run, self.arrivals.hear)
        listen_to_own(self, contract.RECORDER_STATUS, self.run, self._on_recorder)
        listen_to_own(self, contract.RUN_STATUS, self.run, self._on_run)
        self.files = LearnerFiles(self.run, learner, task.id, self.spaces)

    def live(self) -> None:
        """Learn until shutdown; then leave a checkpoint."""
        try:
            # The recorder speaks once it has mended the bags that a kill left open.
            while rclpy.ok() and not self._recorder_is_there:
                self.handle_message(LOOK_SECONDS)
            self.beginning.begin(self)
            self.arrivals.begin()
            self._publish_encoder()
            self.loop.publish()
            while rclpy.ok() and not self._is_over:
                self.loop.round(self._run_status.steps)
                self._tell_status()
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            if self.arrivals.begun:
                self.loop.save_if_new()
            self.files.close()

    @property
    def _is_over(self) -> bool:
        """The run has ended on another machine, and no process here would end this node."""
        return self.apart and self._run_status.phase == DONE

    # What arrives

    def _on_run(self, message: RunStatus) -> None:
        if message.task != self.task.id:
            fault = f"the actor does {message.task[:80]!r}, this learner learns {self.task.id}"
            self._mistaken(contract.RUN_STATUS, fault)
            return
        self._run_status = message

    def _on_recorder(self, _: RecorderStatus) -> None:
        self._recorder_is_there = True

    def _mistaken(self, topic: contract.Topic, fault: str) -> None:
        """Somebody was started with other arguments; of two who publish, it is unknown which is this run's actor.

        Raises:
            UserError: no other node publishes.
        """
        if count_publishers(self, topic) > 1:
            other_publishers = crowd(self, (topic,))
            self.get_logger().error(f"{fault}; but {other_publishers}", throttle_duration_sec=5.0)
            return
        raise UserError(f"{fault}: start both machines with the same arguments")

    # What surrounds a beginning (see beginning.Surroundings)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds."""
        while rclpy.ok() and not condition():
            self.handle_message(LOOK_SECONDS)
            self._tell_status()

    def fetch(self) -> list[Path]:
        """The bags that only another machine has so far."""
        new = self._taker.fetch(self._tell_fetched) if self._taker else []
        self._note = ""
        return new

    def _tell_fetched(self, bags: int) -> None:
        self._note = f"fetching the bags of the other machine, {bags} so far"
        self._tell_status()

    def demonstrations_wanted(self) -> int:
        """As the actor says, once it says that they are all there."""
        status = self._run_status
        return int(status.demos_wanted) if status.demos >= status.demos_wanted else 0

    def tell(self, note: str) -> None:
        """Say what is done."""
        self._note = note
        self.handle_message(0.0)
        self._tell_status()

    # Where goes what is learned (see learning_loop.Outlet)

    def handle_message(self, seconds: float) -> None:
        """One, waiting for it so long."""
        self._executor.spin_once(timeout_sec=seconds)

    def take_in_missing(self) -> None:
        """Steps that never arrived."""
        closed = (bag for bag in self.run.own_bags() if is_complete(bag))
        self.recorded.take_in_own(self.fetch() if self.apart else closed)

    def publish_weights(self) -> None:
        """To the actor; before an evaluation their average, too."""
        agent = self.learner.agent
        message = PolicyWeights(
            run=self.run.name,
            version=agent.updates,
            safetensors=self._packed(agent.policy),
        )
        if self.learner.owed <= 0:  # as before an evaluation
            message.average = self._packed(agent.averaged)
        message.header.stamp = to_stamp(now(self))
        self._weights.publish(message)
        self._tell_status(force=True)

    def save(self) -> None:
        """See `LearnerFiles`."""
        self.files.save()

    def log_metrics(self) -> None:
        """See `LearnerFiles`."""
        self.files.log_metrics()

    def _publish_encoder(self) -> None:
        """Once: it is frozen, and may be larger by far than what goes on learning; else it comes with the weights."""
        if self.encoder is None:
            return
        policy, updates = self.learner.agent.policy, self.learner.updates
        data = encoder_to_bytes(policy, self.task.id, updates)
        message = EncoderWeights(run=self.run.name, safetensors=array.array("B", data))
        message.header.stamp = to_stamp(now(self))
        self._sight.publish(message)

    def _packed(self, policy: GaussianPolicy) -> array.array[int]:
        # rclpy copies an array.array at once and anything else byte by byte.
        encoder = isinstance(self.encoder, ScratchEncoder)
        updates = self.learner.updates
        data = policy_to_bytes(policy, self.task.id, updates, encoder, self.spaces)
        return array.array("B", data)

    def _waits(self) -> str:
        """What keeps it from learning; empty: nothing. For steps that do not come it owes no updates."""
        run, silence = self._run_status, self.arrivals.silence
        trains = run.phase == PHASES[Source.POLICY] and not run.note
        if not trains or self.learner.owed > 0 or not silence:
            return ""
        return f"no step came for {silence:.0f} s, waits for the actor"

    def _tell_status(self, force: bool = False) -> None:
        if not force and time.monotonic() - self._status_published < STATUS_PERIOD:
            return
        self._status_published = time.monotonic()
        ready, note = self.arrivals.begun, self._note or self._waits()
        message = learner_status(self.run, self.learner, ready, note)
        message.header.stamp = to_stamp(now(self))
        self._status.publish(message)


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = LearnerNode()
        try:
            node.live()
        finally:
            node.destroy_node()

    run_main(live)
