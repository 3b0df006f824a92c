# SPDX-License-Identifier: Apache-2.0
"""A simulated arm that speaks FCI: the twin's world behind the server of `franky-sim`, on this machine only.

The server speaks the wire protocol of an FR3 with system 5.9 or later (version 10; the hand's is 3). Its own physics
gives way to the twin's, where there are a socket, a plug and a wrist camera; and its own bookkeeping, which takes all
of a core, to what a torque-controlled arm reports.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.fci.franky_sim_server import (
    FRANKA_TORQUE_LIMITS_HIGH,
    FRANKA_TORQUE_LIMITS_LOW,
    BaseSimulator,
    FrankaRobotServer,
    FrankaRobotState,
    InnerRobotState,
    SimulationServer,
)
from rldg_robot.fci.state import FciState
from rldg_robot.simulation.torque_twin import TICK, TorqueTwin

Array = NDArray[np.float64]

LAG = 0.1
"""[s] of wall time that may be caught up; what is more is lost, and the simulation is late for good"""
RATED = 100
"""commands that the success rate is about"""
FLANGE_TO_TCP = Pose.from_rotvec((0.0, 0.0, 0.1034), (0.0, 0.0, -0.25 * np.pi))


class SimulatedArm:
    """The arm as the server of `franky-sim` asks for it: torques, or positions of the joints, in; states out.

    No subclass of its `BaseRobot`, which brings a model of the robot's dynamics for control that runs in the
    robot; gravity aside, the impedance that is tested here runs in libfranka's client.
    """

    has_gripper = True

    def __init__(self, world: TorqueTwin) -> None:
        self.world = world
        self._torques = np.zeros(7)
        self._held = world.data.qpos[:7].copy()
        self._in_time: deque[bool] = deque(maxlen=RATED)
        flange_to_tcp = _column_major(FLANGE_TO_TCP)
        self._state = FciState(FrankaRobotState(F_T_EE=flange_to_tcp, F_T_NE=flange_to_tcp))

    # What the server calls.

    def torque_control(self, torques: Sequence[float], has_new_command: bool = True) -> None:
        """Under control: torques [Nm] (7,) beyond those that carry the arm."""
        self._in_time.append(has_new_command)
        self._held = self.world.data.qpos[:7].copy()
        self._command(np.asarray(torques))

    def joint_position_control(
        self, target_q: Sequence[float], has_new_command: bool = True
    ) -> None:
        """Where it is not controlled the joints are held."""
        self._in_time.clear()
        self._held = np.asarray(target_q, dtype=float)
        self._command(self.world.holding(self._held))

    def set_hand_goal(self, width: float, max_velocity: float, max_force: float) -> None:
        """Move the fingers to a width [m] at a speed [m/s], pressing with a force [N]."""
        self.world.command_gripper(width, max_velocity, max_force)

    @property
    def hand_width(self) -> float:
        """[m] between the fingers."""
        return self.world.gripper_width

    def set_load(self, mass: float, com: tuple[float, ...], inertia: tuple[float, ...]) -> None:
        """Taken, and of no consequence: the simulated robot carries whatever there is."""

    @property
    def inner_state(self) -> InnerRobotState:
        """Joints alone."""
        data = self.world.data
        return InnerRobotState(
            tuple(data.qpos[:7].tolist()), tuple(data.qvel[:7].tolist()), tuple(self._torques)
        )

    @property
    def state(self) -> FciState:
        """What the robot reports; what is not written here stays zero."""
        world, write = self.world, self._state.write
        pose, turn = world.tcp_matrix, world.tcp_matrix[:3, :3]
        wrench = -world.wrench  # libfranka counts what the robot exerts as positive
        write("q", world.data.qpos[:7])
        write("q_d", self._held)
        write("dq", world.data.qvel[:7])
        write("tau_J", world.arm_efforts)
        write("tau_J_d", self._torques)
        for name in ("O_T_EE", "O_T_EE_d", "O_T_EE_c"):
            write(name, pose)
        write("K_F_ext_hat_K", wrench)
        write("O_F_ext_hat_K", (turn @ wrench.reshape(2, 3).T).T.ravel())
        rate = sum(self._in_time) / len(self._in_time) if self._in_time else 0.0
        self._state.write_success_rate(rate)
        return self._state

    def _set_server(self, server: FrankaRobotServer) -> None:
        """Whom it is served by is nothing to it."""

    def _pre_step(self) -> None:
        self.world.push(self._torques)

    def _post_step(self) -> None:
        """Nothing to keep: the world knows it all."""

    def _command(self, torques: Array) -> None:
        self._torques = np.clip(torques, FRANKA_TORQUE_LIMITS_LOW, FRANKA_TORQUE_LIMITS_HIGH)


class SimulatedCell(BaseSimulator):
    """One arm, in the world of one task."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.world = TorqueTwin(task)
        self.arm = SimulatedArm(self.world)

    def _get_robots(self) -> list[SimulatedArm]:
        return [self.arm]


def serve(
    cell: SimulatedCell,
    address: str,
    going_on: Callable[[], bool],
    every: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve FCI at 1 kHz of wall time as long as it goes on.

    Args:
        cell: what is simulated.
        address: a loopback address, which no other machine reaches.
        going_on: asked before every tick.
        every: called after every tick with its number.

    Raises:
        OSError: somebody serves there already.
    """
    with cell, SimulationServer(cell, hostname_candidates=[address]) as server:
        due, tick = time.monotonic(), 0
        claim_processor()
        while going_on():
            # What `server.run_once` does, but for its sleep of no length, which gives the processor away in every tick.
            for robot in server.robot_servers:
                robot.process_commands()
            cell.step()
            for robot in server.robot_servers:
                robot.send_state()
            tick += 1
            every(tick)
            late = time.monotonic() - (due := due + TICK)
            if late < 0.0:
                time.sleep(-late)
            elif late > LAG:
                due += late


def claim_processor() -> None:
    """Before everything else on this machine, where that is permitted: a real arm does not wait its turn, either."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _column_major(pose: Pose) -> tuple[float, ...]:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = pose.matrix, pose.position
    return tuple(whole.T.ravel().tolist())
