# SPDX-License-Identifier: Apache-2.0
"""A Franka arm through libfranka: pulled towards targets by a Cartesian impedance, measured, stopped.

The impedance runs at 1 kHz in the C++ of `franky-control`, in a thread that Python never holds up; here it only hears
where to go. Nothing here recovers from an error of the robot by itself.
"""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import dataclass

import franky
import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose
from rldg_core.site_file import Site
from rldg_core.task import Compliance, ErrorClip
from rldg_core.user_error import UserError
from rldg_robot.arm.measured import Measured
from rldg_robot.arm.modes import MODES, REMEDY, ArmRefuses, meaning, why_not
from rldg_robot.arm.recovery import Recovery, not_recovered, recovered_from

Array = NDArray[np.float64]

POSTURE_STIFFNESS = 5.0
"""[Nm/rad] of the springs that keep the elbow where it was when control began; they do not move the TCP"""
RETRY_SECONDS = 0.5
FIRST, AFTER = os.sched_get_priority_max(os.SCHED_FIFO), os.sched_get_priority_min(os.SCHED_FIFO)
"""real-time priorities of the control loop and of who tells it where to go"""
TCP_TRANSLATION, TCP_YAW = (0.0, 0.0, 0.1034), -0.25 * np.pi
"""[m, rad] of the TCP in the flange's frame, as Franka's own hand sets it"""
CYCLE = 1e-3  # [s]
TCP_TOLERANCE = 1e-3
"""[m, rad]"""
ERRORS = tuple(name for name in dir(franky.Errors) if not name.startswith("_"))
GONE = (franky.Exception, RuntimeError)
"""what libfranka raises where no server answers: its own exception first, later its socket library's"""


class ArmLost(RuntimeError):
    """The connection to the arm broke; the message names the cause."""


@dataclass(frozen=True)
class ArmState(Measured):
    """One measurement, and how the robot is."""

    mode: str
    """as libfranka's RobotMode"""
    flags: franky.Errors
    """libfranka's; `errors` names those that are raised"""
    success_rate: float
    """share of the last 100 commands that reached the robot in time; 0 where nothing controls it"""
    clock: float
    """[s] of the robot; stands still where its states do not arrive"""

    @property
    def errors(self) -> tuple[str, ...]:
        """Names of libfranka's Errors that are raised now: looked up only for who asks, for there are forty."""
        return _raised(self.flags)


class FciArm:
    """One arm. Every method returns at once, or after one message of the robot's 1 kHz; `close` waits for rest."""

    def __init__(self, site: Site, compliance: Compliance, patience: float = 30.0) -> None:
        """Connect, and set thresholds and load.

        Args:
            site: where the arm is, and what it may press.
            compliance: of the task.
            patience: [s] to wait for a server that is not there yet.

        Raises:
            UserError: no server answers, it speaks another version, no real-time kernel, or another tool is set.
        """
        self._calm = os.sched_getscheduler(0), os.sched_getparam(0)
        self._robot = connect(site, patience)
        # libfranka gives the thread that connects the highest priority, and its control loop inherits that of the one
        # that begins it. Python must not be as urgent as the loop, and goes on after it.
        self._run_at(AFTER)
        self._model = self._robot.model
        self._compliance = compliance
        self._motion: franky.CartesianImpedanceTrackingMotion | None = None
        self._trouble = ""
        self.lost_cycles = 0.0
        """commands that did not reach the robot in time, of all since it is connected; see `state`"""
        self._clock = 0.0
        self._posture = np.array(self._robot.state.q)
        self._limits = _joint_limits(self._robot.model_urdf)
        _check_tcp(self._robot.state.F_T_EE)
        self._set_up(site)

    @property
    def following(self) -> bool:
        """Whether the impedance pulls the arm towards a target."""
        return self._motion is not None and bool(self._robot.is_in_control)

    def state(self) -> ArmState:
        """What is measured now; called 100 times a second or so, `lost_cycles` counts them all.

        Raises:
            ArmLost: the robot does not answer any more.
        """
        try:
            raw = self._robot.state
        except GONE as error:
            raise ArmLost(f"the arm does not answer any more: {error}") from error
        jacobian = self._model.zero_jacobian(franky.Frame.EndEffector, raw)
        rate, clock = float(raw.control_command_success_rate), float(raw.time.to_sec())
        # The robot tells the share of the last 100: looked at often, its mean is that of all. 0 is no control.
        if self.following and rate > 0.0:
            self.lost_cycles += (1.0 - rate) * (clock - self._clock) / CYCLE
        self._clock = clock
        return ArmState(
            pose=_pose(raw.O_T_EE),
            twist=np.asarray(jacobian) @ raw.dq,
            # libfranka counts what the robot exerts as positive.
            wrench=-np.asarray(raw.K_F_ext_hat_K, dtype=float),
            joint_positions=np.array(raw.q),
            joint_velocities=np.array(raw.dq),
            joint_efforts=np.array(raw.tau_J),
            mode=raw.robot_mode.name,
            flags=raw.current_errors,
            success_rate=rate,
            clock=clock,
        )

    def follow(self, target: Pose) -> None:
        """Pull the TCP towards a pose in base from now on; control begins where it does not run yet.

        Raises:
            ValueError: the target is not a pose.
            ArmRefuses: the robot is in a state in which it does not follow.
            ArmLost: it does not answer any more.
        """
        if not target.is_finite():
            raise ValueError(f"not a pose: {target.position}, {target.quaternion}")
        quaternion = target.quaternion / np.linalg.norm(target.quaternion)  # franky wants it exact
        reference = franky.CartesianReference(franky.Affine(target.position, quaternion))
        if self.following and self._motion is not None:
            self._motion.set_reference(reference)
            return
        self._check_ready()
        self._motion = self._begin(reference)

    def trouble(self) -> str:
        """Why the arm stopped following by itself; empty: it did not. Stays until `recover`."""
        if self._motion is not None and not self._robot.is_in_control:
            self._motion = None
            self._trouble = self._trouble or self._how_it_ended()
        return self._trouble

    def stop(self) -> None:
        """Brake to rest and end control; the robot then holds its joints by itself. Does not wait."""
        if self.following:
            self._robot.move(franky.TorqueStopMotion(), asynchronous=True)

    def recover(self) -> Recovery:
        """Clear the robot's errors, because a person asked for it; returns what came of it.

        Raises:
            ArmLost: the robot does not answer any more.
        """
        try:
            cleared = self._robot.recover_from_errors()
        except (franky.NetworkException, RuntimeError) as error:
            raise ArmLost(f"the arm does not answer any more: {error}") from error
        except franky.Exception as error:
            return not_recovered(str(error))
        if not cleared:
            return not_recovered(", ".join(_raised(self._robot.state.current_errors)))
        was, self._trouble = self._trouble, ""
        return recovered_from(was)

    def close(self) -> None:
        """Brake, wait for rest, disconnect."""
        self.stop()
        # If it ends in another way: who closes does not mind how.
        with suppress(*GONE):
            self._robot.join_motion(timeout=2.0)
        os.sched_setscheduler(0, *self._calm)

    def _set_up(self, site: Site) -> None:
        limits, load = site.collision, site.load
        cartesian = [limits.force] * 3 + [limits.torque] * 3
        try:
            self._robot.set_collision_behavior([limits.joint_torque] * 7, cartesian)
            if load.mass > 0.0:
                inertia = np.diag(load.inertia).ravel().tolist()
                self._robot.set_load(load.mass, list(load.com), inertia)
        except franky.CommandException as error:
            mode = self._robot.state.robot_mode.name
            raise UserError(
                f"the arm does not take its thresholds: {error}. It is in mode {mode}"
                f"{meaning(mode)}; see to it in Desk, then start again"
            ) from error

    def _begin(
        self, reference: franky.CartesianReference
    ) -> franky.CartesianImpedanceTrackingMotion:
        c = self._compliance
        lower, upper = self._limits
        motion = franky.CartesianImpedanceTrackingMotion(
            translational_stiffness=c.translational_stiffness,
            rotational_stiffness=c.rotational_stiffness,
            translational_error_clip=np.full(3, tightest(c.translational_clip)),
            rotational_error_clip=np.full(3, tightest(c.rotational_clip)),
            posture_task=franky.PostureTask(self._posture, POSTURE_STIFFNESS),
            lower_joint_limits=lower,
            upper_joint_limits=upper,
        )
        gains = franky.CartesianImpedanceGains.isotropic(
            c.translational_stiffness,
            c.rotational_stiffness,
            c.translational_damping,
            c.rotational_damping,
        )
        motion.set_gains(gains)
        motion.set_reference(reference)
        self._run_at(FIRST)
        try:
            self._robot.move(motion, asynchronous=True)
        except franky.NetworkException as error:
            raise ArmLost(f"the arm does not answer any more: {error}") from error
        except franky.Exception as error:
            raise ArmRefuses(f"the arm does not start to move: {error}") from error
        finally:
            self._run_at(AFTER)
        return motion

    @staticmethod
    def _run_at(priority: int) -> None:
        """Real-time priority of this thread, where that is permitted."""
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))

    def _check_ready(self) -> None:
        if trouble := self.trouble():
            raise ArmRefuses(trouble)
        state = self.state()
        if state.errors or state.mode in MODES:
            raise ArmRefuses(why_not(state.mode, state.errors))

    def _how_it_ended(self) -> str:
        """Empty after a `stop` that was asked for."""
        try:
            self._robot.poll_motion()
        except (franky.NetworkException, RuntimeError) as error:
            raise ArmLost(f"the connection to the arm broke: {error}") from error
        except franky.Exception as error:
            return f"the arm stopped by itself: {error}{REMEDY}"
        return ""


def connect(site: Site, patience: float) -> franky.Robot:
    """A connection to the robot at `site`, waited for.

    Raises:
        UserError: there is none.
    """
    enforced = site.realtime and not site.simulated
    config = franky.RealtimeConfig.Enforce if enforced else franky.RealtimeConfig.Ignore
    end = time.monotonic() + patience
    while True:
        try:
            return franky.Robot(site.robot_ip, realtime_config=config)
        except franky.IncompatibleVersionException as error:
            raise UserError(
                f"the robot at {site.robot_ip} uses another version of FCI than the installed franky-control: "
                f"{error}. docs/how-to/fci.md says which build serves which system"
            ) from error
        except franky.RealtimeException as error:
            raise UserError(
                f"no real-time control: {error}. Boot a PREEMPT_RT kernel and give your user rtprio 99, "
                "or accept lost cycles with `realtime: false` in the site's file"
            ) from error
        except franky.CommandException as error:
            raise UserError(
                f"the arm at {site.robot_ip} takes no commands: {error}. Release its stop button, open its brakes, "
                "clear its errors in Desk, then start again"
            ) from error
        except franky.Exception as error:
            if time.monotonic() > end:
                raise UserError(
                    f"no FCI answers at {site.robot_ip}: {error}. Is this the arm's address, are its brakes "
                    "open, is FCI activated in Desk, and is no other client connected?"
                ) from error
        time.sleep(RETRY_SECONDS)


def tightest(clip: ErrorClip) -> float:
    """The smallest of a clip's bounds: franky clips alike both ways and along axes of base, not of the TCP."""
    return float(np.abs([clip.lower, clip.upper]).min())


def _raised(errors: franky.Errors) -> tuple[str, ...]:
    return tuple(name for name in ERRORS if getattr(errors, name))


def _pose(affine: franky.Affine) -> Pose:
    return Pose(np.array(affine.translation), np.array(affine.quaternion))


def _check_tcp(tool: franky.Affine) -> None:
    """The contract's TCP is that of Franka's hand; another one would move goals and box."""
    expected = Pose.from_rotvec(TCP_TRANSLATION, (0.0, 0.0, TCP_YAW))
    off = _pose(tool).relative_to(expected)
    if max(np.linalg.norm(off.position), np.linalg.norm(off.rotvec)) > TCP_TOLERANCE:
        raise UserError(
            f"the arm's TCP is set {1000 * np.linalg.norm(off.position):.1f} mm and {np.linalg.norm(off.rotvec):.3f} "
            "rad away from that of Franka's hand: choose the Franka hand as end effector in Desk"
        )


def _joint_limits(urdf: str) -> tuple[Array, Array]:
    """[rad] (7,), (7,) as the robot itself describes them."""
    found = [
        joint.find("limit")
        for joint in ET.fromstring(urdf).iter("joint")
        if joint.get("type") == "revolute"
    ]
    limits = [
        (float(x.get("lower", "nan")), float(x.get("upper", "nan"))) for x in found if x is not None
    ]
    lower, upper = np.array(limits[:7]).T
    return lower, upper
