# SPDX-License-Identifier: Apache-2.0
"""The robot contract seen from the environment: topics in, one Observation per control step out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from rclpy.executors import Executor
from rclpy.node import Node

from rldg_core import contract
from rldg_core.contract import BASE_FRAME, Topic
from rldg_core.files.picture import BadPicture
from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.gripper_command import LEAVE
from rldg_core.image_message import checked_stamp, colours, image_of
from rldg_core.message_values import SECOND, nanoseconds
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_msgs.msg import GripperCommand, SafetyState
from rldg_msgs.srv import Reset
from rldg_rl.robot.observation import STATE, Observation, observation_of
from rldg_rl.robot.robot import RobotSilent, gripper_command
from rldg_robot.ros import listen_to, now, publish_on, unheard
from rldg_robot.ros_values import to_pose_stamped, to_stamp

STATE_TOLERANCE = SECOND // 1000


class RobotClient:
    """Drives any body that offers the contract. Spins its node itself while it waits: one thread does everything."""

    def __init__(self, node: Node, executor: Executor, task: Task, patience: float = 5.0) -> None:
        """Subscribe to the contract.

        Args:
            node: whose topics are used.
            executor: that the node is in; spun only from here.
            task: for its control rate.
            patience: [s] of wall time to wait for an observation.
        """
        self._node = node
        self._executor = executor
        self._period = int(SECOND * task.period)
        self._patience = patience
        self._latest: dict[str, Any] = {}
        self._stamps: dict[str, int] = {}
        self._bad_picture = ""
        self.safety = SafetyState(state=SafetyState.HOLD)
        """what the gate said last"""
        self.hears_gate = False
        """it has said anything yet"""
        listen_to(node, contract.SAFETY_STATE, self._keep_safety)
        for topic in (*STATE, contract.GRIPPER_STATE):
            listen_to(node, topic, self._keeper(topic))
        listen_to(node, contract.WRIST_IMAGE, self._keep_image, raw=True)
        self._target = publish_on(node, contract.POLICY_TARGET_POSE)
        self._gripper = publish_on(node, contract.POLICY_GRIPPER)
        self._last_gripper: float | None = None
        self._reset = node.create_client(Reset, contract.RESET)

    @property
    def stopped(self) -> Reason | None:
        """Why the gate stopped the arm; see `environment.Robot`."""
        if self.safety.state != SafetyState.STOPPED:
            return None
        return Reason(ReasonCode(self.safety.reason_code), self.safety.reason)

    @property
    def held(self) -> str:
        """Why the gate holds the arm; see `environment.Robot`."""
        return str(self.safety.reason) if self.safety.state == SafetyState.HOLD else ""

    def reset(self, seed: int, task: str, stay: bool = False) -> Observation:
        """Bring the robot to a start pose, or only tell it; see `environment.Robot`.

        Raises:
            RobotSilent: no node resets it, or the reset failed.
        """
        self.wait_for(self._reset.service_is_ready, "the reset service", self._patience)
        self._stamps.clear()
        self._last_gripper = None
        future = self._reset.call_async(Reset.Request(seed=seed, task=task, stay=stay))
        try:
            self.wait_for(future.done, "the answer to a reset", 6 * self._patience)
        except RobotSilent:
            self._reset.remove_pending_request(future)
            raise
        answer = future.result()
        if not answer.success:
            raise RobotSilent(f"reset failed: {answer.message}")
        return self._observation_of(nanoseconds(answer.stamp))

    def measure(self) -> Observation:
        """The observation of now; see `environment.Robot`."""
        return self._observation_of(now(self._node))

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """Ask for a TCP pose and a gripper width; see `environment.Robot`."""
        if gripper not in (LEAVE, self._last_gripper):
            self._last_gripper = gripper
            width, speed, force = gripper_command(gripper)
            command = GripperCommand(width=width, speed=speed, force=force)
            command.header.stamp = to_stamp(stamp)
            self._gripper.publish(command)
        self._target.publish(to_pose_stamped(target, stamp, BASE_FRAME))

    def observe(self, after: int) -> Observation:
        """The observation one control period later; see `environment.Robot`."""
        return self._observation_of(after + self._period)

    def spin(self, seconds: float) -> None:
        """Handle what arrives within some wall time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Spin until a condition holds.

        Raises:
            RobotSilent: it does not within `seconds` of wall time.
        """
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                raise RobotSilent(f"waited {seconds:.0f} s for {what}; is the driver running?")
            self._executor.spin_once(timeout_sec=min(left, 0.5))

    def _keeper(self, topic: Topic) -> Callable[[Any], None]:
        name = topic.name

        def keep(message: Any) -> None:
            self._latest[name] = message
            self._stamps[name] = nanoseconds(message.header.stamp)

        return keep

    def _keep_safety(self, message: SafetyState) -> None:
        self.safety, self.hears_gate = message, True

    def _keep_image(self, cdr: bytes) -> None:
        try:
            stamp, image = checked_stamp(cdr), colours(image_of(cdr))
        except BadPicture as error:
            self._bad_picture = str(error)
            self._node.get_logger().warning(
                f"an image was dropped: {error}", throttle_duration_sec=5.0
            )
            return
        self._latest[contract.WRIST_IMAGE.name] = image
        self._stamps[contract.WRIST_IMAGE.name] = stamp

    def _observation_of(self, stamp: int) -> Observation:
        required = {topic.name: stamp - STATE_TOLERANCE for topic in STATE}
        # Camera and gripper have clocks and rates of their own: half a period back is still of this step.
        required[contract.WRIST_IMAGE.name] = stamp - self._period // 2
        required[contract.GRIPPER_STATE.name] = stamp - self._period // 2

        def missing() -> list[str]:
            never = -math.inf  # before the first clock, now is 0
            return [n for n, least in required.items() if self._stamps.get(n, never) < least]

        try:
            self.wait_for(lambda: not missing(), "an observation", self._patience)
        except RobotSilent as error:
            causes = "".join(f"; {cause}" for cause in self._causes(missing()))
            raise RobotSilent(f"{error} (missing: {', '.join(missing())}{causes})") from None
        return self._assemble()

    def _causes(self, missing: list[str]) -> Iterator[str]:
        """Why something of a topic may not arrive although it is published."""
        for topic in (*STATE, contract.GRIPPER_STATE, contract.WRIST_IMAGE):
            if topic.name in missing:
                yield from unheard(self._node, topic)
        if contract.WRIST_IMAGE.name in missing and self._bad_picture:
            yield f"the last image was dropped: {self._bad_picture}"

    def _assemble(self) -> Observation:
        image = contract.WRIST_IMAGE.name
        state_stamp = self._stamps[contract.CURRENT_POSE.name]
        return observation_of(self._latest, state_stamp, self._stamps[image], self._latest[image])
