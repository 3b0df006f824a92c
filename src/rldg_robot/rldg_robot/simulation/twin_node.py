# SPDX-License-Identifier: Apache-2.0
"""The twin as a driver of the robot contract.

Lockstep (`real_time_factor` 0): time is the twin's own; every target advances it by one control period, then the new
state is published. A slow learner slows simulated time and never changes the physics. With a factor f, time runs at f
times the wall's.
"""

from __future__ import annotations

import math
import time

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMsg

from rldg_core import contract
from rldg_core.message_values import SECOND, nanoseconds, pose_of
from rldg_core.perturbation import read_perturbation
from rldg_core.task import Task, UnknownTask, load_task, named_tasks
from rldg_msgs.msg import GripperCommand
from rldg_msgs.srv import Reset
from rldg_robot.arm.topics import BodyTopics, CameraTopics
from rldg_robot.node_main import run_node
from rldg_robot.publishers import Rivals
from rldg_robot.ros_values import to_stamp
from rldg_robot.safety import Grip
from rldg_robot.simulation.twin import Twin
from rldg_robot.simulation.twin_moment import moment_of

STATE_RATE = 100  # [Hz] in real time
CAMERA_EVERY = 3  # states per image in real time: 33 Hz
TARGET_TIMEOUT = 0.5  # wall time without a target after which the arm holds in real time
RESEND_SECONDS = 0.5  # wall time without a target until lockstep repeats itself, lest a lost message stop the world


class TwinNode(Node):
    """Publishes what the twin measures; moves it where the gate says."""

    def __init__(self) -> None:
        super().__init__("twin")
        first, *_ = named_tasks(self.declare_parameter("task", "connector/vga").value)
        task = load_task(first)
        self.factor = float(self.declare_parameter("real_time_factor", 0.0).value)
        self.image_size = int(self.declare_parameter("image_size", 128).value)
        self.randomize = bool(self.declare_parameter("randomize", False).value)
        perturb = str(self.declare_parameter("perturb", "").value)
        self.perturbation = read_perturbation(perturb, randomize=self.randomize)
        self._twins: dict[str, Twin] = {}
        self._take_up(task)
        # Bags then carry true dates. Rounded so that stamps stay exact multiples of the control period.
        self.stamp = time.time_ns() // self.period * self.period
        self._target = self.twin.pose
        self._ticks = 0
        self._heard = math.inf  # [s] when the last target came in real time; inf: none to go stale
        self._said = 0.0  # [s] when it last published

        self._clock_pub = self.create_publisher(ClockMsg, "/clock", 1)
        self._body = BodyTopics(self)
        self._camera = CameraTopics(self)
        self._rivals = Rivals(self)
        # In this order: of what waits, a gripper's command is heard before the target that time moves on with.
        self._rivals.listen_to(contract.GRIPPER_COMMAND, self._on_gripper)
        self._rivals.listen_to(contract.TARGET_POSE, self._on_target)
        self.create_service(Reset, contract.RESET, self._on_reset)

        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self.factor > 0:
            self.create_timer(1 / (STATE_RATE * self.factor), self._tick, clock=steady)
        else:
            self.create_timer(RESEND_SECONDS, self._resend, clock=steady)
        self.get_logger().info(
            f"{task.id}: " + (f"real time x {self.factor:g}" if self.factor else "lockstep")
        )

    def _take_up(self, task: Task) -> None:
        """Change the scene; one that was there before is kept."""
        if task.id not in self._twins:
            self._twins[task.id] = Twin(
                task, image_size=self.image_size, perturbation=self.perturbation
            )
        self.twin = self._twins[task.id]
        self.period = int(SECOND * task.period)

    def _on_target(self, message: PoseStamped) -> None:
        if self._rivals.heard():
            return
        target = pose_of(message.pose)
        if self.factor > 0:
            self._target, self._heard = target, time.monotonic()
            return
        if nanoseconds(message.header.stamp) != self.stamp:
            return  # answers a state that is past: a repetition, or from before a reset
        self.twin.step(target, self.twin.task.period)
        self.stamp += self.period
        self._publish()

    def _on_gripper(self, message: GripperCommand) -> None:
        if not self._rivals.heard():
            grip = Grip(message.width, message.speed, message.force).within_limits()
            self.twin.command_gripper(grip.width, grip.speed, grip.force)

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        try:
            task = load_task(request.task or self.twin.task.id)
        except UnknownTask as error:
            response.message = str(error)
            return response
        if request.stay and task.id != self.twin.task.id:
            response.message = (
                f"{task.id} is another world than that of {self.twin.task.id}: the arm cannot stay"
            )
            return response
        if request.stay:
            self.twin.rearrange(seed=request.seed, randomize=self.randomize)
        else:
            self._take_up(task)
            self.twin.reset(seed=request.seed, randomize=self.randomize)
            self._target, self._heard = self.twin.pose, math.inf
        self.stamp += self.period
        self._publish()
        response.success = True
        response.stamp = to_stamp(self.stamp)
        return response

    def _tick(self) -> None:
        silent = time.monotonic() - self._heard > TARGET_TIMEOUT
        if silent or (self._rivals.who and self._heard < math.inf):
            self._target, self._heard = self.twin.pose, math.inf  # once: where it is now
        self.twin.step(self._target, 1 / STATE_RATE)
        self.stamp += SECOND // STATE_RATE
        self._ticks += 1
        self._publish(with_image=self._ticks % CAMERA_EVERY == 0)

    def _resend(self) -> None:
        if time.monotonic() - self._said > RESEND_SECONDS:
            self._publish()

    def _publish(self, with_image: bool = True) -> None:
        self._said = time.monotonic()
        stamp = to_stamp(self.stamp)
        self._clock_pub.publish(ClockMsg(clock=stamp))
        self._publish_state(stamp)
        if with_image:
            self._camera.publish(self.twin.image(), self.twin.camera_matrix, stamp)

    def _publish_state(self, stamp: Time) -> None:
        body, task_state = moment_of(self.twin)
        self._body.publish(body, task_state, stamp)


def main() -> None:
    """Entry point."""
    run_node(TwinNode)
