# SPDX-License-Identifier: Apache-2.0
"""A third-person picture of a recorded moment: the scene, posed from joint positions and the poses of
what moves in it, without physics.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rldg_core.commands.argument_types import named_place, seed_value, whole
from rldg_core.commands.command_line import Parser, command
from rldg_core.commands.visible import visible
from rldg_core.contract import JOINT_NAMES
from rldg_core.poses import Pose
from rldg_core.task import Task, UnknownTask, load_task
from rldg_core.user_error import UserError
from rldg_robot.simulation import drawing, scene
from rldg_robot.simulation.coarse_mesh import coarsen
from rldg_robot.simulation.scenes import scene_of
from rldg_robot.simulation.twin import Twin

CELL = 0.002
"""[m] of the arm that becomes one point in a film; a pixel is about as large"""

SUFFIXES = (".png", ".jpg")
"""of a picture's file"""


class Film:
    """Renders the overview of a task's world; binds to the thread of its first frame."""

    def __init__(
        self, task: Task, size: int = 480, *, shadows: bool = True, smooth: bool = False
    ) -> None:
        """Load the world with the arm's meshes, which takes a second or two.

        Args:
            task: whose world.
            size: [pixel] edge of a frame.
            shadows: draw them; without, a frame takes a third of the time.
            smooth: anti-aliased and with every triangle of the arm, for stills.
        """
        self._model = scene.build(task, arm_visible=True)
        if not smooth:  # most of a frame's time goes into a quarter of a million triangles
            arm = self._model.geom_group == drawing.ARM_GROUP
            drawn = arm & (self._model.geom_type == mujoco.mjtGeom.mjGEOM_MESH)
            coarsen(self._model, np.unique(self._model.geom_dataid[drawn]), CELL)
        world = scene_of(task)
        self._movable = world.movable
        self._usual = world.place(np.random.default_rng(0))
        # Smooth edges cost half of the frame rate, and a smaller shadow map wins a tenth of it
        # back.
        self._model.vis.quality.offsamples = 4 if smooth else 0
        self._model.vis.quality.shadowsize = 4096 if smooth else 1024
        self._data = mujoco.MjData(self._model)
        self._size = size
        self._shadows = shadows
        self._renderer: mujoco.Renderer | None = None
        self._options = mujoco.MjvOption()
        self._options.geomgroup[:] = 0
        self._options.geomgroup[[drawing.SEEN_GROUP, drawing.ARM_GROUP]] = 1
        self._options.sitegroup[:] = 0

    @property
    def objects(self) -> int:
        """How many bodies move in the scene."""
        return len(self._movable)

    def frame(
        self,
        joint_positions: ArrayLike,
        objects: Sequence[Pose] = (),
        camera: str = "overview",
    ) -> NDArray[np.uint8]:
        """RGB (size, size, 3).

        Args:
            joint_positions: [rad, m] (9,) as in `JOINT_NAMES`.
            objects: where the scene's movable bodies are, as `Twin.objects` has them; none: where the task has them,
                for no driver of an arm sees any.
            camera: `overview` or `wrist`.

        Raises:
            ValueError: not nine joints, or not as many objects as move in the scene.
        """
        joints = np.asarray(joint_positions, dtype=np.float64)
        if joints.shape != (len(JOINT_NAMES),):
            raise ValueError(f"joint_positions has shape {joints.shape}, expected {JOINT_NAMES}")
        objects = objects or self._usual
        if len(objects) != len(self._movable):
            raise ValueError(f"{len(objects)} objects given, expected {self._movable}")
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self._model, self._size, self._size)
            self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._shadows
        self._data.qpos[: len(joints)] = joints
        scene.place_bodies(self._model, self._data, self._movable, objects)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, camera, self._options)
        return self._renderer.render().copy()

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def render_overview(
    task: Task, joint_positions: ArrayLike, objects: Sequence[Pose] = (), size: int = 480
) -> NDArray[np.uint8]:
    """One anti-aliased still (size, size, 3); for many frames keep a `Film`."""
    film = Film(task, size, smooth=True)
    try:
        return film.frame(joint_positions, objects)
    finally:
        film.close()


def _drawable(text: str) -> Path:
    path = named_place(text)
    if path.suffix.lower() not in SUFFIXES or not path.absolute().parent.is_dir():
        raise ArgumentTypeError(
            f"'{text}' is no image that can be written: it ends in {' or '.join(SUFFIXES)}, in a folder that is there"
        )
    return path


@command("film")
def main(words: Sequence[str] | None = None) -> None:
    """`film`: a still of a task as an episode starts."""
    parser = Parser(prog="film", description=main.__doc__)
    parser.add_argument("--task", default="connector/vga", help="family/variant")
    parser.add_argument("--seed", type=seed_value, default=0, help="of the start pose")
    parser.add_argument(
        "--size", type=whole(16, 4096), default=960, help="edge of the image in pixels"
    )
    parser.add_argument("--output", type=_drawable, default=Path("film.png"), help="image to write")
    arguments = parser.parse_args(words)
    try:
        twin = Twin(load_task(arguments.task))
    except UnknownTask as error:
        raise UserError(str(error)) from error
    twin.reset(arguments.seed)
    picture = render_overview(twin.task, twin.joint_positions, twin.objects, arguments.size)
    imageio.imwrite(arguments.output, picture)
    print(visible(arguments.output))
