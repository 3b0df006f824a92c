# SPDX-License-Identifier: Apache-2.0
"""The safety gate's rules: what becomes of every target before it reaches the driver.

Nothing here knows ROS. Stamps and times are integer nanoseconds of the ROS clock; poses are of the TCP in `base`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from rldg_core.contract import BASE_FRAME
from rldg_core.gate_reason import PASSING, Reason, ReasonCode
from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import Task, WrenchLimit

MAX_GRIPPER_SPEED, MAX_GRIPPER_FORCE = 0.2, 140.0
"""[m/s, N] beyond what Franka's hand can: 0.1 m/s and, for a moment, 140 N"""
OUT, OUT_TURN = 0.015, 0.1
"""[m, rad] beyond the task's box from which the arm is outside of it: twice what contact and overshoot make of it"""
BACK, BACK_TURN = 0.01, 0.05
"""[m, rad] beyond the box within which an arm that was outside is inside again"""
OUTSIDE, RETURN = "outside of the box", "guide it back by hand"


BEGINNING = Reason(ReasonCode.WAITING, "waiting for the robot's state")
"""of a gate that has just been started"""


class GateState(IntEnum):
    """What the gate does; the numbers are those of rldg_msgs/SafetyState."""

    PASS = 0
    HOLD = 1
    STOPPED = 2


@dataclass(frozen=True)
class StreamTimeouts:
    """How long each stream may be silent before the arm is held [s]."""

    state: float = 0.25
    """current_pose, and external_wrench: unfelt, a limit protects nothing"""
    camera: float = 0.5
    """the wrist image"""
    policy: float = 0.3
    """policy/target_pose"""
    stale: float = 0.25
    """oldest stamp of a target that still counts"""


@dataclass(frozen=True)
class Grip:
    """A command for the gripper."""

    width: float
    """[m] between the fingers"""
    speed: float
    """[m/s]"""
    force: float
    """[N]"""

    def is_finite(self) -> bool:
        """No NaN, no infinity."""
        return bool(np.isfinite([self.width, self.speed, self.force]).all())

    def within_limits(self) -> Grip:
        """The same, as the hand can do it."""
        return Grip(
            float(np.clip(self.width, 0.0, MAX_GRIPPER_WIDTH)),
            min(abs(self.speed), MAX_GRIPPER_SPEED),
            min(abs(self.force), MAX_GRIPPER_FORCE),
        )


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


def distance_outside_box(pose: Pose, task: Task) -> tuple[float, float]:
    """How far a pose is outside of the task's box [m, rad]; zeros: it is inside."""
    nearest = into_box(pose, task)
    turn = (
        Pose(np.zeros(3), nearest.quaternion).inverse() @ Pose(np.zeros(3), pose.quaternion)
    ).rotvec
    return float(np.linalg.norm(pose.position - nearest.position)), float(np.linalg.norm(turn))


def aged(seconds: float) -> str:
    """An age in words; a negative one is of a stamp that the clock has not come to yet."""
    return (
        f"{seconds:.2f} s old" if seconds >= 0.0 else f"{-seconds:.2f} s ahead of the gate's clock"
    )


@dataclass
class Gate:
    """Every rule in one place. The node feeds it and carries out what it decides."""

    task: Task
    patience: StreamTimeouts = field(default_factory=StreamTimeouts)

    state: GateState = GateState.HOLD
    reason: Reason = BEGINNING
    rejected: int = 0
    clamped: int = 0
    pose: Pose | None = None
    pose_stamp: int = 0
    wrench_stamp: int = 0
    image_stamp: int = 0
    command_stamp: int = 0
    rivals: str = ""
    """who else publishes what only the gate may; empty: no one"""
    _hold: Pose | None = None
    _outside: bool = False
    _blocked: bool = False
    """something was in the way, and it is not reported yet that it is no more"""
    _grip: tuple[int, Grip] | None = None
    """a gripper's command that waits for a target to pass, and its stamp"""

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
            self.stop(Reason(ReasonCode.WRENCH, too_much))

    def stop(self, reason: Reason) -> None:
        """Stop until `reset`. The first reason is kept, but for a wrench's, which others than a person may release."""
        self._grip = None
        if self.state is not GateState.STOPPED:
            self._hold = self.pose
            self.state, self.reason = GateState.STOPPED, reason
        elif self.reason.code is ReasonCode.WRENCH and reason.code is not ReasonCode.WRENCH:
            self.reason = reason

    def reset(self) -> Reason | None:
        """Release a stop; a person asked for it. Returns why the arm was stopped; None: it was not."""
        if self.state is not GateState.STOPPED:
            return None
        released = self.reason
        self.state = GateState.HOLD
        self.reason = Reason(ReasonCode.WAITING, "reset; waiting for the policy")
        self.command_stamp = 0
        return released

    def take_up(self, task: Task) -> None:
        """Another task's limits hold from now on; the arm is held until the policy speaks again."""
        if task.id == self.task.id:
            return
        self.task = task
        self._outside = False
        if self.state is GateState.PASS:
            self.command_stamp = 0
            self._begin_hold(
                Reason(ReasonCode.WAITING, f"took up {task.id}; waiting for the policy")
            )

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
            return self._rejection(self.reason.text)
        fault = self._fault(stamp, frame, target, now)
        if fault:
            return self._rejection(fault)
        self.command_stamp = now
        trouble = self._trouble(now)
        if trouble:
            self._begin_hold(trouble)
            return self._rejection(trouble.text)
        self.state, self.reason, self._hold = GateState.PASS, PASSING, None
        self._blocked = False
        return self._clamp(target)

    def watch(self, now: int) -> Decision | None:
        """Look for silence and for where the arm is; called periodically. A decision means: hold there, from now on."""
        if self.state is GateState.HOLD:
            self._tell_why_held(now)
        if self.state is not GateState.PASS:
            return None
        trouble = self._trouble(now)
        if not trouble:
            return None
        self._begin_hold(trouble)
        return Decision(self.hold_pose, passed=False, reason=trouble.text)

    @property
    def hold_pose(self) -> Pose:
        """Where the arm is held: where it was when holding began, so that it does not creep under load.

        Somebody who moves it further than a step has put it where it is, and it is held there from then on.
        """
        if self._hold is None:
            assert self.pose is not None, "no state yet"
            self._hold = self.pose
        return self._hold

    def gripper(self, stamp: int, grip: Grip, now: int) -> tuple[Grip | None, str]:
        """Decide on a command for the gripper, which moves only where targets pass: what goes out now, and why not.

        A command comes before the target of its moment. Where the gate holds, it waits for that: see `gripper_due`.
        """
        if fault := self._gripper_fault(stamp, grip, now):
            self.rejected += 1
            return None, fault
        passed = grip.within_limits()
        if self.state is GateState.PASS and not self.rivals:
            return passed, ""
        self._grip = stamp, passed
        return None, ""

    def gripper_due(self, now: int) -> tuple[int, Grip] | None:
        """Stamp and command of the gripper that go out now, just before a target that passes."""
        waited, self._grip = self._grip, None
        return waited if waited and not self._stale(waited[0], now) else None

    def _gripper_fault(self, stamp: int, grip: Grip, now: int) -> str:
        if self.state is GateState.STOPPED:
            return self.reason.text
        if not grip.is_finite():
            return "width, speed or force is NaN or infinite"
        return self._stale(stamp, now)

    def _stale(self, stamp: int, now: int) -> str:
        age = (now - stamp) / SECOND
        if abs(age) <= self.patience.stale:
            return ""
        return f"its stamp is {aged(age)}; at most {self.patience.stale} s count"

    def _fault(self, stamp: int, frame: str, target: Pose, now: int) -> str:
        if frame != BASE_FRAME:
            return f"target is in frame {frame[:80]!r}, not '{BASE_FRAME}'"
        if not target.is_finite():
            return "target is not a pose: NaN, infinity or a quaternion that is not of unit length"
        if stale := self._stale(stamp, now):
            return f"target is not of now: {stale}"
        return ""

    def _trouble(self, now: int) -> Reason | None:
        """Why no target passes, whatever it is; None: nothing keeps it from that."""
        return self._in_the_way(now) or self._silence(now)

    def _in_the_way(self, now: int) -> Reason | None:
        """What no target and no patience mends, but a person has to."""
        if self.rivals:
            why = Reason(ReasonCode.SECOND_PUBLISHER, self.rivals)
        elif place := self._place(now):
            why = Reason(ReasonCode.OUTSIDE_BOX, place)
        else:
            return None
        self._blocked = True
        return why

    def _place(self, now: int) -> str:
        """How far the arm is outside of the box, where that is known, and what to do about it.

        Clamping leads a target into the box, and an arm that is outside through whatever stands between: so it is held.
        """
        if self.pose is None or abs(now - self.pose_stamp) > self.patience.state * SECOND:
            return ""
        away, turned = distance_outside_box(self.pose, self.task)
        limits = (BACK, BACK_TURN) if self._outside else (OUT, OUT_TURN)
        self._outside = away > limits[0] or turned > limits[1]
        if not self._outside:
            return ""
        parts = [f"{10 * np.ceil(1e2 * away):.0f} mm"] if away > BACK else []
        parts += [f"{turned:.1f} rad"] if turned > BACK_TURN else []
        return f"the arm is {' and '.join(parts)} {OUTSIDE} of {self.task.id}: {RETURN}"

    def _tell_why_held(self, now: int) -> None:
        """Of an arm that is held: what no target mends, and when that is over, be there targets or not."""
        if why := self._in_the_way(now):
            self.reason = why
        elif self._blocked:
            text = "nothing is in the way any more; waiting for the policy"
            self.reason = Reason(ReasonCode.WAITING, text)
            self._blocked = False

    def _silence(self, now: int) -> Reason | None:
        streams = {
            "state": (self.pose_stamp, self.patience.state, "current_pose"),
            "wrench": (self.wrench_stamp, self.patience.state, "external_wrench"),
            "camera": (self.image_stamp, self.patience.camera, "the wrist image"),
            "policy": (self.command_stamp, self.patience.policy, "policy/target_pose"),
        }
        for name, (stamp, patience, topic) in streams.items():
            age = (now - stamp) / SECOND
            if abs(age) > patience:
                late = f"{name} is silent: {topic} is {aged(age)}"
                return Reason(ReasonCode.SILENT, late if stamp else f"{topic} was never heard")
        return None

    def _begin_hold(self, reason: Reason) -> None:
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
