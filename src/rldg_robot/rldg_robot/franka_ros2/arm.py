# SPDX-License-Identifier: Apache-2.0
"""A Franka arm behind franka_ros2: crisp's Cartesian impedance pulls it to targets, the broadcaster says where it is.

The impedance holds its last target for ever, and takes up, when it is switched on, what it heard while it was off. So
nothing is sent to it unless it is ready, and the first thing it hears is where the arm is. franka_ros2 recovers a robot
whose controller is switched on by itself; so after trouble none is, until a person asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import JointState

from rldg_core.contract import BASE_FRAME
from rldg_core.message_values import SECOND, nanoseconds, pose_of, wrench_of
from rldg_core.poses import Pose
from rldg_core.site_file import Site
from rldg_core.task import Compliance
from rldg_robot.arm.measured import Measured
from rldg_robot.arm.modes import REMEDY
from rldg_robot.arm.node import STATE_RATE
from rldg_robot.arm.recovery import Recovery, not_recovered, recovered_from
from rldg_robot.franka_ros2 import interfaces as franka_ros2
from rldg_robot.franka_ros2.control import FrankaRos2Control
from rldg_robot.franka_ros2.moment import Array, Joints, StateAssembler, WrongArm
from rldg_robot.ros import listen_to, now, publish_on
from rldg_robot.ros_values import to_pose_stamped

OLD_SECONDS, SILENT_SECONDS = 0.2, 1.0
"""without a state of the robot after which it may be elsewhere, and after which nothing is known of it any more"""
CLOSE_SECONDS = 1.5
"""for each of the last things that are said"""
QUEUE = 5  # messages
LEAST_PERIOD = 0.8 * SECOND / STATE_RATE
"""[ns] between two moments: a broadcaster at its default rate sends ten times as many"""


class FrankaRos2Arm:
    """One arm. Every method returns at once; what takes its time is done beside."""

    def __init__(
        self,
        node: Node,
        site: Site,
        compliance: Compliance,
        on_moment: Callable[[Measured, Time], None],
    ) -> None:
        """Listen.

        Args:
            node: whose topics and executor are used.
            site: what the arm may press and carries.
            compliance: of the task.
            on_moment: gets what is measured, with the robot's stamp, up to 100 times a second.
        """
        self._node = node
        self._control = FrankaRos2Control(node, site, compliance)
        self._on_moment = on_moment
        self._moments = StateAssembler()
        self._measured: Measured | None = None
        self._stamp = 0
        self._heard = time.monotonic()
        self._known = self._ready = self._busy = False
        self._refusal = ""
        self._ended = ""
        self._hold_owed = self._stop_owed = False
        self._wrong_arm = ""
        self._target = publish_on(node, franka_ros2.TARGET_POSE)
        # Their topics come one by one: of a queue of one each, parts of different moments would be left.
        listen_to(node, franka_ros2.CURRENT_POSE, self._on_pose, depth=QUEUE)
        listen_to(node, franka_ros2.STIFFNESS_FRAME_WRENCH, self._on_wrench, depth=QUEUE)
        listen_to(node, franka_ros2.MEASURED_JOINTS, self._on_joints, depth=QUEUE)

    @property
    def following(self) -> bool:
        """Whether the impedance pulls the arm, as far as is known."""
        return self._control.active and not self._silent

    @property
    def pose(self) -> Pose | None:
        """Of the TCP in base, where it is known."""
        old = time.monotonic() - self._heard > OLD_SECONDS
        return None if self._measured is None or old else self._measured.pose

    @property
    def limits(self) -> str:
        """What cannot be done here, and what to do about it; empty: everything can."""
        return "; ".join(filter(None, (self._control.cannot_switch, self._control.cannot_recover)))

    def refusal(self) -> str:
        """Why the arm does not follow; empty: it does, or would."""
        return self._trouble or self._refusal

    def look(self) -> None:
        """Notice what ended by itself; to be called often."""
        if self._silent:
            self._known = self._ready = False
        elif not self._known:
            self._begin(self._set_up())
        elif self._ready and not self._control.active:
            self._ready = False
            self._ended = f"the controller was ended{REMEDY}"
        if self._hold_owed and self._alone and (pose := self.pose) is not None:
            self._hold_owed = False
            self._send(pose)
        if self._stop_owed and not self._busy:
            self._stop_owed = False
            self._begin(self._control.switch(False))

    def follow(self, target: Pose) -> None:
        """Pull the TCP towards a pose in base; makes the controller ready first where it is not."""
        self.look()
        if self._trouble:
            return
        self._hold_owed = self._stop_owed = False
        if self._ready:
            self._send(target)
        elif self._known:
            self._begin(self._make_ready())

    def hold(self) -> None:
        """Pull the TCP to where it is, as soon as the controller hears it."""
        self._hold_owed = True
        self.look()

    def stop(self) -> None:
        """End control; the robot then holds its joints by itself. Where nothing can be switched, `hold` has to do."""
        self._ready, self._stop_owed = False, True
        self.look()

    def close(self) -> None:
        """Let go, and end control, before the node goes."""
        self._ready, self._busy = False, True
        if not self.following:
            return
        executor = self._node.executor
        self.hold()
        end = time.monotonic() + CLOSE_SECONDS
        while self._hold_owed and time.monotonic() < end:
            executor.spin_once(timeout_sec=OLD_SECONDS)
        self._target.wait_for_all_acked(Duration(seconds=CLOSE_SECONDS))
        off = executor.create_task(self._control.switch, False)
        executor.spin_until_future_complete(off, CLOSE_SECONDS)

    async def recover(self) -> Recovery:
        """Clear the robot's errors, because a person asked for it; returns what came of it."""
        trouble = self.refusal()
        if not trouble:
            return recovered_from("")
        if wrong := await self._control.recover():
            return not_recovered(wrong)
        self._ended = self._refusal = ""
        return recovered_from(trouble.removesuffix(REMEDY))

    @property
    def _trouble(self) -> str:
        """What no target mends."""
        others = (
            f"another one publishes {franka_ros2.TARGET_POSE.name}, and the controller follows neither: stop it, or "
            "wait 20 s where it was a driver that died"
        )
        silence = (
            f"no state of the robot at {franka_ros2.CURRENT_POSE.name}: is franka_ros2 running, or did an error of "
            f"the robot end it{REMEDY}"
        )
        if self._wrong_arm or self._ended:
            return self._wrong_arm or self._ended
        if self._silent:
            return silence
        return others if self._publishers > 1 else ""

    @property
    def _publishers(self) -> int:
        return self._node.count_publishers(franka_ros2.TARGET_POSE.name)

    @property
    def _alone(self) -> bool:
        """Whether the controller hears what is sent now."""
        return self._publishers == 1 and self._target.get_subscription_count() > 0

    @property
    def _silent(self) -> bool:
        return time.monotonic() - self._heard > SILENT_SECONDS

    def _begin(self, errand: Coroutine[None, None, str]) -> None:
        """One at a time; of targets that come meanwhile the next one does it again."""
        if self._busy:
            errand.close()
            return
        self._busy = True
        self._node.executor.create_task(self._run, errand)

    async def _run(self, errand: Coroutine[None, None, str]) -> None:
        try:
            refusal = await errand
        finally:
            self._busy = False
        if refusal and refusal != self._refusal:
            self._node.get_logger().error(refusal)
        self._refusal = refusal

    async def _set_up(self) -> str:
        wrong = await self._control.set_up()
        self._known = not wrong
        return wrong

    async def _make_ready(self) -> str:
        control = self._control
        if wrong := await control.refuses():
            return wrong
        self.hold()
        wrong = await control.switch(True)
        self._ready = not wrong
        return wrong

    def _send(self, target: Pose) -> None:
        quaternion = target.quaternion / np.linalg.norm(
            target.quaternion
        )  # crisp takes it as it is
        exact = Pose(target.position, quaternion)
        self._target.publish(to_pose_stamped(exact, now(self._node), BASE_FRAME))

    def _on_pose(self, message: PoseStamped) -> None:
        self._add(message.header.stamp, pose_of(message.pose))

    def _on_wrench(self, message: WrenchStamped) -> None:
        self._add(message.header.stamp, wrench_of(message.wrench))

    def _on_joints(self, message: JointState) -> None:
        joints = Joints(message.name, message.position, message.velocity, message.effort)
        self._add(message.header.stamp, joints)

    def _add(self, stamp: Time, part: Pose | Array | Joints) -> None:
        moment = nanoseconds(stamp)
        if 0 <= moment - self._stamp < LEAST_PERIOD:
            return
        try:
            measured = self._moments.add(moment, part)
        except WrongArm as error:
            self._wrong_arm = str(error)
            return
        if measured is not None:
            self._measured, self._stamp, self._heard = measured, moment, time.monotonic()
            if self._known:  # before that no node should count on the arm
                self._on_moment(measured, stamp)
