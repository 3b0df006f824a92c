# SPDX-License-Identifier: Apache-2.0
"""The simulated twin: one task's world, stepped under a Cartesian impedance, measured and seen as
the real arm is.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from functools import partial

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.perturbation import NOMINAL, Perturbation
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.kinematics import joints_for, site_pose
from rldg_robot.simulation import drawing, scene
from rldg_robot.simulation.disturbance import Disturbance
from rldg_robot.simulation.randomization import Appearance, Randomization
from rldg_robot.simulation.scenes import scene_of
from rldg_robot.simulation.scenes.scene import SceneState

Array = NDArray[np.float64]

MAX_WIDTH = 0.08
"""[m] between the open fingers"""
GRIPPER_PERIOD = 0.02
"""[s] between two targets of the moving fingers"""
STALL_LAG, STALL_SPEED = 0.004, 0.002
"""[m] that the fingers are behind their target and [m/s] below which they stand: an object stopped them"""
MET = 0.002
"""[m] between fingers that have nothing between them any more; what they hold may turn, and they follow"""
SETTLE = 0.3
"""[s] that the arm has to come to rest before an episode begins"""


class Twin:
    """One task's world.

    Poses are of the TCP in `base`. Rendering binds to the thread that calls `image` first.
    """

    def __init__(
        self,
        task: Task,
        *,
        image_size: int = 128,
        camera: str = "wrist",
        randomization: Randomization | None = None,
        perturbation: Perturbation = NOMINAL,
    ) -> None:
        """Build the world and reset it with seed 0.

        Args:
            task: what to build.
            image_size: [pixel] edge of the square image.
            camera: which camera `image` looks through, `wrist` or `overview`.
            randomization: ranges for `reset(randomize=True)`.
            perturbation: how far everything is off.

        Raises:
            UnknownThing: the task's scene names something that there is not.
            UserError: the perturbation is of something that the scene has not.
        """
        self.task = task = perturbation.applied(task)
        self.scene = scene_of(task)
        self.model = scene.build(task)
        self.model.geom_friction *= 1.0 + perturbation.friction
        self._perturbation = perturbation
        self._latency = round(perturbation.latency / scene.TIMESTEP)
        self.data = mujoco.MjData(self.model)
        self.image_size = image_size
        self._camera = self.model.camera(camera).id
        self._appearance = Appearance(self.model, self.scene.surface, randomization)
        self._renderer: mujoco.Renderer | None = None
        self._tcp = self.model.site("tcp").id
        self._first_finger = self.model.actuator("finger1").id
        first = self.model.actuator("posture1").id
        self._posture = slice(first, first + 7)
        self._target = int(self.model.body("target").mocapid[0])
        self._board = scene.position_of(self.model, self.data, self.scene.board)
        self._board_place = self._board.copy()
        self._pending: deque[tuple[int, Callable[[], None]]] = deque()
        self._home = self._joints_for(task.first_pose, np.array(scene.HOME))
        self.reset(0)

    def reset(self, seed: int, randomize: bool = False) -> None:
        """Start an episode in the task's reset range; the same seed gives the same bits.

        Args:
            seed: of the start pose, of where things lie, and of the looks.
            randomize: draw light, colours, texture and camera pose, instead of the nominal ones.
        """
        assert not (randomize and self._perturbation.changes_looks), "looks are drawn in one way"
        rng = np.random.default_rng(seed)
        start = self.task.draw_start(rng)
        placed = self._draw_world(rng, seed, randomize)
        # Before and after the inverse kinematics: neither the last episode nor the search may leave
        # a trace, not even in rounding.
        mujoco.mj_resetData(self.model, self.data)
        joints = self._joints_for(start, self._home)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:7] = joints
        self._place(placed)
        width = self._stop = self.scene.tool.width
        width = width or MAX_WIDTH
        self.data.qpos[7:9] = 0.5 * width
        self.data.ctrl[self._posture] = self._home
        self._width_goal = self._width_target = width
        self._gripper_speed, self._gripper_force = 0.1, 20.0
        self._hold_fingers()
        self._elapsed = -round(SETTLE / scene.TIMESTEP)
        self._pull_to(start)
        self._simulate(SETTLE)

    def rearrange(self, seed: int, randomize: bool = False) -> None:
        """Begin an episode around the arm, which stays where it is: everything else is drawn as by `reset`.

        Nothing may be where something is put: the arm is to be out of the way.
        """
        rng = np.random.default_rng(seed)
        self.task.draw_start(rng)  # or the world would be another than that of `reset`
        self._place(self._draw_world(rng, seed, randomize))
        self._elapsed = 0
        mujoco.mj_forward(self.model, self.data)

    def step(self, target: Pose, seconds: float) -> None:
        """Pull the TCP towards `target` for `seconds` of physics.

        Raises:
            ValueError: the target is not a finite pose.
        """
        if not target.is_finite():
            raise ValueError(
                f"target pose is not finite: position {target.position}, "
                f"quaternion {target.quaternion}"
            )
        self._carry_out(partial(self._pull_to, target))
        self._simulate(seconds)

    def command_gripper(self, width: float, speed: float, force: float) -> None:
        """Move the fingers to `width` [m] at `speed` [m/s]; on an object they stop and press with
        `force` [N].
        """
        self._carry_out(partial(self._send_fingers, width, speed, force))

    def state(self) -> Array:
        """Everything the physics depends on, for `set_state`."""
        size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_INTEGRATION)
        state = np.empty(size)
        mujoco.mj_getState(self.model, self.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        return state

    def set_state(self, state: Array) -> None:
        """Return to a state of this task's twin; fingers on their way stop."""
        mujoco.mj_setState(self.model, self.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._pending.clear()
        self._width_goal = self._width_target = 2.0 * float(self.data.ctrl[self._first_finger])
        squeezing = bool(self.data.qfrc_applied[7] < 0.0)
        self._stop = self._width_target if squeezing else self.scene.tool.width
        mujoco.mj_forward(self.model, self.data)

    @property
    def pose(self) -> Pose:
        """TCP in base."""
        return site_pose(self.data, self._tcp)

    @property
    def twist(self) -> Array:
        """[m/s, rad/s] (6,) linear and angular velocity of the TCP, in axes of base."""
        velocity = np.empty(6)
        mujoco.mj_objectVelocity(
            self.model, self.data, mujoco.mjtObj.mjOBJ_SITE, self._tcp, velocity, 0
        )
        return np.concatenate([velocity[3:], velocity[:3]])

    @property
    def wrench(self) -> Array:
        """[N, Nm] (6,) what the environment exerts on the robot at the TCP, in the TCP frame; the
        tool's weight is removed.
        """
        # MuJoCo senses what the arm exerts on the tool; at rest that carries the weight and
        # withstands the environment.
        sensed = self._wrench_history().mean(axis=1).ravel()
        down = self.data.site_xmat[self._tcp].reshape(3, 3).T @ self.model.opt.gravity
        tool = self.scene.tool
        weight = tool.mass * down
        true = -sensed - np.concatenate([weight, np.cross(tool.com, weight)])
        return self._disturbance.wrench(true, self._elapsed)

    @property
    def joint_positions(self) -> Array:
        """[rad, m] (9,) as in contract.JOINT_NAMES."""
        return self.data.qpos[:9].copy()

    @property
    def joint_velocities(self) -> Array:
        """[rad/s, m/s] (9,)."""
        return self.data.qvel[:9].copy()

    @property
    def joint_efforts(self) -> Array:
        """[Nm, N] (9,) of the motors, gravity included, as libfranka's tau_J."""
        efforts = (self.data.qfrc_actuator + self.data.qfrc_gravcomp)[:9]
        if self.gripper_grasped:
            # Where the grip is rigid in the physics: the fingers report what they were commanded
            # press with.
            efforts[7:9] = -self._gripper_force
        return efforts

    @property
    def gripper_width(self) -> float:
        """[m] between the fingers."""
        return float(self.data.qpos[7] + self.data.qpos[8])

    @property
    def gripper_moving(self) -> bool:
        """Whether the fingers are on their way."""
        return self._width_target != max(self._width_goal, self._stop)

    @property
    def gripper_grasped(self) -> bool:
        """Whether the fingers press on something."""
        held = self._stop > 0.0 and self.gripper_width > MET
        return held and not self.gripper_moving and self._width_goal <= self._stop

    @property
    def objects(self) -> tuple[Pose, ...]:
        """Where the scene's movable bodies are, in base, in the order of `scene.movable`."""
        return scene.poses_of(self.model, self.data, self.scene.movable)

    @property
    def goal(self) -> Pose:
        """TCP in base to reach next."""
        return _shifted(self.scene.waypoint(self._moment()).pose, self._shift)

    @property
    def goal_gripper(self) -> float:
        """What the fingers should do at the goal: -1 close, +1 open, 0 stay as they are."""
        return self.scene.waypoint(self._moment()).gripper

    @property
    def offset(self) -> Pose:
        """Goal in the TCP frame, as it is measured."""
        return self._disturbance.offset(self.goal.relative_to(self.pose), self._elapsed)

    @property
    def progress(self) -> float:
        """How much of the task is done in [0, 1]; for an insertion the inserted part of the depth."""
        return self.scene.progress(self._moment())

    @property
    def success(self) -> bool:
        """Whether the task is done."""
        return self.progress >= self.task.success_progress

    def image(self) -> NDArray[np.uint8]:
        """RGB (image_size, image_size, 3) of the wrist camera."""
        if self._renderer is None:
            self._renderer = mujoco.Renderer(
                self.model, self.image_size, self.image_size, max_geom=200
            )
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                self._renderer.scene.flags[flag] = 0
            self._options = mujoco.MjvOption()
            self._options.geomgroup[:] = 0
            self._options.geomgroup[drawing.SEEN_GROUP] = 1
            self._options.sitegroup[:] = 0
        self._renderer.update_scene(self.data, self._camera, self._options)
        return self._disturbance.image(self._renderer.render().copy(), self._elapsed)

    @property
    def camera_matrix(self) -> Array:
        """Pinhole intrinsics (3, 3) [pixel], with the centre of the first pixel at (0, 0) as in
        ROS.
        """
        focal = 0.5 * self.image_size / np.tan(0.5 * np.radians(self.model.cam_fovy[self._camera]))
        centre = 0.5 * (self.image_size - 1)
        return np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1.0]])

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _carry_out(self, command: Callable[[], None]) -> None:
        """At once, or after the latency."""
        if self._latency:
            self._pending.append((self._elapsed + self._latency, command))
        else:
            command()

    def _pull_to(self, target: Pose) -> None:
        x, y, z, w = target.quaternion
        self.data.mocap_pos[self._target] = target.position
        self.data.mocap_quat[self._target] = (w, x, y, z)

    def _send_fingers(self, width: float, speed: float, force: float) -> None:
        self._width_goal = float(np.clip(width, 0.0, MAX_WIDTH))
        self._gripper_speed, self._gripper_force = max(float(speed), 1e-3), float(force)
        if self._width_goal > self._stop:
            self._let_go()

    def _simulate(self, seconds: float) -> None:
        if self.scene.roams:
            self._relax_posture()
        left = round(seconds / scene.TIMESTEP)
        while left > 0:
            count = min(left, self._do_what_is_due())
            if self.gripper_moving:
                count = min(count, round(GRIPPER_PERIOD / scene.TIMESTEP))
                self._advance_fingers(count * scene.TIMESTEP)
            self._integrate(count)
            left -= count
        # mj_step ends with an integration: positions are new, everything derived from them is one
        # substep old.
        mujoco.mj_forward(self.model, self.data)

    def _do_what_is_due(self) -> int:
        """Carry out the commands whose time has come; returns the physics steps until that of the next one."""
        while self._pending and self._pending[0][0] <= self._elapsed:
            self._pending.popleft()[1]()
        return self._pending[0][0] - self._elapsed if self._pending else sys.maxsize

    def _integrate(self, steps: int) -> None:
        """Let the physics pass, step by step where the board moves."""
        if not self._perturbation.board:
            mujoco.mj_step(self.model, self.data, steps)
            self._elapsed += steps
            return
        for _ in range(steps):
            mujoco.mj_step(self.model, self.data)
            self._elapsed += 1
            self._shift = self._disturbance.board(self._elapsed * scene.TIMESTEP)
            self._board[:] = self._board_place + self._shift

    def _draw_world(self, rng: np.random.Generator, seed: int, randomize: bool) -> tuple[Pose, ...]:
        """Looks and disturbances of an episode; returns where the movable bodies will be."""
        placed = self.scene.place(rng)
        if randomize:
            self._appearance.draw(rng)
        elif self._perturbation.changes_looks:
            self._appearance.draw_perturbed(rng, self._perturbation)
        else:
            self._appearance.restore()
        self._disturbance = Disturbance(self._perturbation, seed)
        self._board[:] = self._board_place
        return placed

    def _place(self, placed: tuple[Pose, ...]) -> None:
        """Put the movable bodies there, at rest, and forget what the last episode still had in hand."""
        scene.place_bodies(self.model, self.data, self.scene.movable, placed)
        self._board_place = self._board.copy()
        self._pending.clear()
        self._shift = np.zeros(3)

    def _relax_posture(self) -> None:
        """Aim the joints' springs at home as far as that does not move the TCP."""
        joints = self.data.qpos[:7]
        jacobian = np.empty((6, self.model.nv))
        mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], self._tcp)
        away, j = self._home - joints, jacobian[:, :7]
        self.data.ctrl[self._posture] = joints + away - np.linalg.pinv(j) @ (j @ away)

    def _moment(self) -> SceneState:
        """What the scene judges by: everything as if the board were in its place."""
        back = -self._shift
        return SceneState(
            tcp=_shifted(self.pose, back),
            objects=tuple(_shifted(pose, back) for pose in self.objects),
            speed=scene.fastest(self.model, self.data),
            width=self.gripper_width,
            grasped=self.gripper_grasped,
        )

    def _joints_for(self, target: Pose, start: Array) -> Array:
        return joints_for(self.model, self.data, self._tcp, target, start)

    def _wrench_history(self) -> Array:
        """View (2, samples, 3) of the sensors' ring buffers: force, then torque, in no particular
        order.
        """
        n = scene.WRENCH_SAMPLES
        # Each buffer: two bookkeeping numbers, n times, n samples.
        return self.data.history.reshape(2, 2 + n + 3 * n)[:, 2 + n :].reshape(2, n, 3)

    def _advance_fingers(self, seconds: float) -> None:
        if self._fingers_stalled():
            self._squeeze()
            return
        goal = max(self._width_goal, self._stop)
        most = self._gripper_speed * seconds
        self._width_target += float(np.clip(goal - self._width_target, -most, most))
        if abs(goal - self._width_target) < 1e-9:
            self._width_target = goal
        self._hold_fingers()

    def _hold_fingers(self) -> None:
        i = self._first_finger
        self.data.ctrl[i : i + 2] = 0.5 * self._width_target

    def _fingers_stalled(self) -> bool:
        """Whether an object stops the closing fingers."""
        behind = self.gripper_width - self._width_target
        return behind > STALL_LAG and abs(float(self.data.qvel[7:9].sum())) < STALL_SPEED

    def _squeeze(self) -> None:
        """Stay where the object stopped the fingers, and press."""
        self._stop = self._width_target = self.gripper_width
        self.data.qfrc_applied[7:9] = -self._gripper_force
        self._hold_fingers()

    def _let_go(self) -> None:
        self._stop = self.scene.tool.width
        self.data.qfrc_applied[7:9] = 0.0


def _shifted(pose: Pose, by: Array) -> Pose:
    """The pose, moved by (3,) [m]; not at all: the same bits."""
    return Pose(pose.position + by, pose.quaternion) if by.any() else pose
