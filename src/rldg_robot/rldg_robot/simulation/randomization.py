# SPDX-License-Identifier: Apache-2.0
"""Random looks: light, colours, the surface's texture and the wrist camera's pose. The physics is
never touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.perturbation import Perturbation
from rldg_core.poses import Pose
from rldg_robot.simulation.drawing import BOARD_TEXTURES, surface_material

Array = NDArray[np.float64]

LIGHT, COLOURS = slice(0, 4), slice(4, 5)
"""among the arrays that an `Appearance` changes"""


@dataclass(frozen=True)
class Randomization:
    """Ranges of the looks; all draws are uniform."""

    light_tilt: float = 0.9
    """[rad] largest angle of the key light from straight down, at any azimuth"""
    brightness: tuple[float, float] = (0.6, 1.4)
    """factor on the key light, and independently on the light from the camera"""
    board: tuple[float, float] = (0.25, 0.95)
    """of every colour channel of the surface: the board, or the table"""
    colour: float = 0.15
    """largest change of every other colour's channels"""
    textures: tuple[str, ...] = BOARD_TEXTURES
    """of the surface"""
    camera_position: float = 0.003
    """[m] largest shift along each axis"""
    camera_rotation: float = 0.035
    """[rad] largest turn about each axis"""


class Appearance:
    """The looks of one compiled world: remembers the nominal ones, draws others."""

    def __init__(
        self, model: mujoco.MjModel, surface: str, ranges: Randomization | None = None
    ) -> None:
        """Remember how `model` looks now; its geom `surface` changes colour and texture."""
        self._model = model
        self._ranges = ranges or Randomization()
        self._wrist = model.camera("wrist").id
        self._surface = model.geom(surface).id
        head = model.vis.headlight
        self._arrays = (
            model.light_dir,
            model.light_diffuse,
            head.ambient,
            head.diffuse,
            model.mat_rgba,
            model.geom_matid,
            model.cam_pos,
            model.cam_quat,
        )
        self._nominal = tuple(array.copy() for array in self._arrays)

    def restore(self) -> None:
        """Back to the nominal looks."""
        for array, nominal in zip(self._arrays, self._nominal, strict=True):
            array[...] = nominal

    def draw(self, rng: np.random.Generator) -> None:
        """New looks around the nominal ones."""
        self.restore()
        self._draw_light(rng)
        self._draw_colours(rng)
        self._draw_camera(rng, self._ranges.camera_position, self._ranges.camera_rotation)

    def draw_perturbed(self, rng: np.random.Generator, by: Perturbation) -> None:
        """Looks as far from the nominal ones as a perturbation says; each of its axes changes only its own part."""
        self.restore()
        self._draw_light(rng)
        self._blend(LIGHT, by.light)
        self._model.light_dir[0] /= np.linalg.norm(self._model.light_dir[0])
        worn = self._model.geom_matid[self._surface]
        self._draw_colours(rng)
        drawn = self._model.geom_matid[self._surface]
        self._model.mat_rgba[worn] = self._model.mat_rgba[drawn]
        self._blend(COLOURS, by.colours)
        self._wear(self._other_texture(rng, worn, by.texture), worn)
        self._draw_camera(rng, by.camera, by.camera_turn)

    def _blend(self, which: slice, share: float) -> None:
        """Go from the nominal looks only a share of the way to those that are there now."""
        for array, nominal in zip(self._arrays[which], self._nominal[which], strict=True):
            array[...] = nominal + share * (array - nominal)

    def _other_texture(self, rng: np.random.Generator, worn: int, chance: float) -> int:
        """With that chance a material of another texture than the one worn."""
        materials = [self._model.material(surface_material(t)).id for t in self._ranges.textures]
        others = [material for material in materials if material != worn]
        changed, other = rng.random() < chance, others[rng.integers(len(others))]
        return other if changed else worn

    def _wear(self, material: int, colour: int) -> None:
        """A material of the surface, in the colour of another."""
        self._model.mat_rgba[material] = self._model.mat_rgba[colour]
        self._model.geom_matid[self._surface] = material

    def _draw_light(self, rng: np.random.Generator) -> None:
        tilt, azimuth = rng.uniform(0.0, self._ranges.light_tilt), rng.uniform(0.0, 2.0 * np.pi)
        side = np.sin(tilt)
        self._model.light_dir[0] = side * np.cos(azimuth), side * np.sin(azimuth), -np.cos(tilt)
        self._model.light_diffuse[0] *= rng.uniform(*self._ranges.brightness)
        factor = rng.uniform(*self._ranges.brightness)
        self._model.vis.headlight.ambient[:] *= factor
        self._model.vis.headlight.diffuse[:] *= factor

    def _draw_colours(self, rng: np.random.Generator) -> None:
        colours = self._model.mat_rgba[:, :3]
        change = rng.uniform(-self._ranges.colour, self._ranges.colour, size=colours.shape)
        colours[:] = np.clip(colours + change, 0.0, 1.0)
        name = self._ranges.textures[rng.integers(len(self._ranges.textures))]
        material = self._model.material(surface_material(name)).id
        colours[material] = rng.uniform(*self._ranges.board, size=3)
        self._model.geom_matid[self._surface] = material

    def _draw_camera(self, rng: np.random.Generator, shift: float, turn: float) -> None:
        position, quaternion = self._model.cam_pos[self._wrist], self._model.cam_quat[self._wrist]
        shifted = Pose(position + rng.uniform(-shift, shift, size=3), np.roll(quaternion, -1))
        turned = shifted @ Pose.from_rotvec(np.zeros(3), rng.uniform(-turn, turn, size=3))
        position[:], quaternion[:] = turned.position, np.roll(turned.quaternion, 1)
