# SPDX-License-Identifier: Apache-2.0
"""The safety gate's rules: what becomes of every target before it reaches the driver.

Nothing here knows ROS. Stamps and times are integer nanoseconds of the ROS clock; poses are of the TCP in `base`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from rldg_robot.message_values import SECOND
from rldg_robot.poses import Pose
from rldg_robot.task import Task, WrenchLimit

BASE_FRAME = "base"
MAX_GRIPPER_WIDTH = 0.08


class GateState(IntEnum):
    """What the gate does; the numbers are those of rldg_msgs/SafetyState."""

    PASS = 0
    HOLD = 1
    STOPPED = 2


@dataclass(frozen=True)
class Patience:
    """How long each stream may be silent before the arm is held [s]."""

    state: float = 0.25
    """current_pose, and external_wrench: unfelt, a limit protects nobody"""
    camera: float = 0.5
    """the wrist image"""
    policy: float = 0.3
    """policy/target_pose"""
    stale: float = 0.25
    """oldest stamp of a target that still counts"""


@dataclass(frozen=True)
class Decision:
    """What goes to the driver, and why."""

    target: Pose
    passed: bool
    """False: the target was rejected and the arm holds"""
    clamped: bool = False
    reason: str = ""


def excess(wrench: np.ndarray, limit: WrenchLimit) -> str:
    """What is too much about an external wrench (6,) [N, Nm], in words; empty where it is within the limit."""
    force, torque = np.linalg.norm(wrench[:3]), np.linalg.norm(wrench[3:])
    if force <= limit.force and torque <= limit.torque:
        return ""
    return (
        f"external wrench of {force:.1f} N, {torque:.1f} Nm is beyond the limit of "
        f"{limit.force:.0f} N, {limit.torque:.0f} Nm"
    )


def into_box(pose: Pose, task: Task) -> Pose:
    """The pose in the task's box that is nearest to one, per axis."""
    box = task.box
    goal = task.goal_pose
    position = goal.position + np.clip(pose.position - goal.position, box.lower, box.upper)
    turn = Pose(np.zeros(3), goal.inverse().quaternion) @ Pose(np.zeros(3), pose.quaternion)
    limit = np.asarray(box.rotation)
    turned = Pose(np.zeros(3), goal.quaternion) @ Pose.from_rotvec(
        np.zeros(3), np.clip(turn.rotvec, -limit, limit)
    )
    return Pose(position, turned.quaternion)


@dataclass
class Gate:
    """Every rule in one place. The node feeds it and carries out what it decides."""

    task: Task
    patience: Patience = field(default_factory=Patience)

    state: GateState = GateState.HOLD
    reason: str = "waiting for the robot's state"
    rejected: int = 0
    clamped: int = 0
    pose: Pose | None = None
    pose_stamp: int = 0
    wrench_stamp: int = 0
    image_stamp: int = 0
    command_stamp: int = 0
    _hold: Pose | None = None

    def on_state(self, stamp: int, pose: Pose) -> None:
        """A measured TCP pose arrived. One that is no number is no measurement: the state is silent."""
        if not pose.is_finite():
            return
        self.pose, self.pose_stamp = pose, stamp
        if self._hold is not None and not _same(self._into_step(self._hold), self._hold):
            self._hold = pose

    def on_image(self, stamp: int) -> None:
        """A wrist image arrived."""
        self.image_stamp = stamp

    def on_wrench(self, stamp: int, wrench: np.ndarray) -> None:
        """An external wrench (6,) [N, Nm] arrived: stop if it is beyond the task's limit or no number."""
        self.wrench_stamp = stamp
        if too_much := excess(wrench, self.task.wrench_limit):
            self.stop(too_much)

    def stop(self, reason: str) -> None:
        """Stop until `reset`. The first reason is kept."""
        if self.state is not GateState.STOPPED:
            self._hold = self.pose
            self.state, self.reason = GateState.STOPPED, reason

    def reset(self) -> str:
        """Release a stop; a person asked for it. Returns what was released."""
        if self.state is not GateState.STOPPED:
            return "was not stopped"
        released = self.reason
        self.state, self.reason = GateState.HOLD, "reset; waiting for the policy"
        self.command_stamp = 0
        return f"released: {released}"

    def take_up(self, task: Task) -> None:
        """Another task's limits hold from now on; the arm is held until the policy speaks again."""
        if task.id == self.task.id:
            return
        self.task = task
        if self.state is GateState.PASS:
            self.command_stamp = 0
            self._begin_hold(f"took up {task.id}; waiting for the policy")

    def knows_state_of(self, stamp: int) -> bool:
        """Whether the state that a target with this stamp was decided on has arrived here too."""
        return self.pose is not None and self.pose_stamp >= stamp

    def moment(self, now: int) -> int:
        """ROS time: by the clock, or by the last state, which may arrive before the clock that it belongs to."""
        ahead = self.pose_stamp - now
        return self.pose_stamp if 0 < ahead <= self.patience.stale * SECOND else now

    def command(self, stamp: int, frame: str, target: Pose, now: int) -> Decision:
        """Decide on a target. Must not be called before the first state arrived.

        Args:
            stamp: of the target: when the state it was decided on was measured.
            frame: frame of the target; only `base` passes.
            target: wanted TCP pose, quaternion x y z w.
            now: ROS time, see `moment`.
        """
        if self.state is GateState.STOPPED:
            return self._rejection(self.reason)
        fault = self._fault(stamp, frame, target, now)
        if fault:
            return self._rejection(fault)
        self.command_stamp = now
        silence = self._silence(now)
        if silence:
            self._begin_hold(silence)
            return self._rejection(silence)
        self.state, self.reason, self._hold = GateState.PASS, "", None
        return self._clamp(target)

    def watch(self, now: int) -> Decision | None:
        """Look for silence; called periodically. A decision means: hold there, from now on."""
        if self.state is not GateState.PASS:
            return None
        silence = self._silence(now)
        if not silence:
            return None
        self._begin_hold(silence)
        return Decision(self.hold_pose, passed=False, reason=silence)

    @property
    def hold_pose(self) -> Pose:
        """Where the arm is held: where it was when holding began, so that it does not creep under load.

        Somebody who moves it further than a step has put it where it is, and it is held there from then on.
        """
        if self._hold is None:
            assert self.pose is not None, "no state yet"
            self._hold = self.pose
        return self._hold

    def gripper(
        self, width: float, speed: float, force: float
    ) -> tuple[float, float, float] | None:
        """Command for the gripper (m, m/s, N), clamped, or None if it is rejected."""
        if self.state is GateState.STOPPED or not np.isfinite([width, speed, force]).all():
            self.rejected += 1
            return None
        return float(np.clip(width, 0.0, MAX_GRIPPER_WIDTH)), abs(speed), abs(force)

    def _fault(self, stamp: int, frame: str, target: Pose, now: int) -> str:
        if frame != BASE_FRAME:
            return f"target is in frame '{frame}', not '{BASE_FRAME}'"
        if not target.is_finite():
            return "target is not a pose: NaN, infinity or a quaternion that is not of unit length"
        age = (now - stamp) / SECOND
        if abs(age) > self.patience.stale:
            return f"target's stamp is {age:.2f} s old; at most {self.patience.stale} s count"
        return ""

    def _silence(self, now: int) -> str:
        streams = {
            "state": (self.pose_stamp, self.patience.state, "current_pose"),
            "wrench": (self.wrench_stamp, self.patience.state, "external_wrench"),
            "camera": (self.image_stamp, self.patience.camera, "the wrist image"),
            "policy": (self.command_stamp, self.patience.policy, "policy/target_pose"),
        }
        for name, (stamp, patience, topic) in streams.items():
            age = (now - stamp) / SECOND
            if abs(age) > patience:
                return (
                    f"{name} is silent: {topic} is {age:.2f} s old"
                    if stamp
                    else f"{topic} was never heard"
                )
        return ""

    def _begin_hold(self, reason: str) -> None:
        if self.state is GateState.PASS or self._hold is None:
            self._hold = self.pose
        self.state, self.reason = GateState.HOLD, reason

    def _rejection(self, reason: str) -> Decision:
        self.rejected += 1
        return Decision(self.hold_pose, passed=False, reason=reason)

    def _clamp(self, target: Pose) -> Decision:
        boxed = into_box(target, self.task)
        stepped = self._into_step(boxed)
        if _same(stepped, target):
            return Decision(target, passed=True)
        self.clamped += 1
        return Decision(
            stepped, passed=True, clamped=True, reason="clamped to the task's box or step"
        )

    def _into_step(self, target: Pose) -> Pose:
        assert self.pose is not None
        # A full action on all three axes is sqrt(3) long: no honest action is ever clamped here.
        reach = np.sqrt(3.0) * 1.01
        scale = self.task.action_scale
        shift = _shorten(target.position - self.pose.position, reach * scale.translation)
        facing = Pose(np.zeros(3), self.pose.quaternion)
        turn = _shorten(
            (facing.inverse() @ Pose(np.zeros(3), target.quaternion)).rotvec, reach * scale.rotation
        )
        return Pose(
            self.pose.position + shift, (facing @ Pose.from_rotvec(np.zeros(3), turn)).quaternion
        )


def _same(one: Pose, other: Pose) -> bool:
    moved = np.linalg.norm(one.position - other.position) > 1e-6
    turned = np.linalg.norm((other.inverse() @ one).rotvec) > 1e-5
    return not (moved or turned)


def _shorten(vector: np.ndarray, length: float) -> np.ndarray:
    norm = float(np.linalg.norm(vector))
    return vector if norm <= length else vector * (length / norm)
