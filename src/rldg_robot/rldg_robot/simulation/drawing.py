# SPDX-License-Identifier: Apache-2.0
"""What every scene looks like: materials, table, light and cameras. Nothing here collides or weighs
anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_robot.simulation.meshes import Mesh, rounded_rectangle

Colour = tuple[float, float, float]

SEEN_GROUP, ARM_GROUP, COLLISION_GROUP = 1, 2, 3
"""geom groups: what every camera sees; the arm, which the wrist camera never meets; what nobody
sees"""

TILE = 0.05
"""[m] edge of one tile of the board's texture"""
BOARD_TEXTURES = ("holes", "plain", "speckle", "brushed", "checker")
"""the nominal one first"""

TABLE_COLOUR = (0.50, 0.43, 0.36)
TABLE_TOPS = ("grey", "beige_wood")
GREY, BEIGE = (0.52, 0.54, 0.56), (0.86, 0.74, 0.55)
TABLE_TILE = 0.30
"""[m] edge of one tile of the table's texture"""

WRIST_POSITION = (0.08, 0.0, 0.02)
"""[m] of the wrist camera in the hand frame: a D405 on the usual bracket, 7 cm in front of the
fingers"""
WRIST_TILT = np.radians(22.0)
"""[rad] towards the fingers"""
WRIST_FOV = 58.0
"""[deg] vertical field of view of a D405; the image is its square crop"""


@dataclass(frozen=True)
class CameraView:
    """From where the overview is seen."""

    eye: tuple[float, float, float]
    """[m] in base"""
    focus: tuple[float, float, float]
    """[m] in base"""
    fov: float = 38.0
    """[deg] vertical"""


def set_up(spec: mujoco.MjSpec) -> None:
    """Renderer settings."""
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 1280
    # Multisampling is what a software renderer spends its time on.
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 2048
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20.0
    spec.visual.headlight.ambient = [0.30, 0.30, 0.30]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    spec.visual.headlight.specular = [0.05, 0.05, 0.05]
    # MuJoCo guesses scale and centre from all geoms; the walls of the socket are far larger than
    # they look.
    spec.stat.extent, spec.stat.center = 1.0, [0.4, 0.0, 0.3]


def add_visual(body: mujoco.MjsBody, **kwargs: Any) -> mujoco.MjsGeom:
    """A geom that is only seen."""
    return body.add_geom(contype=0, conaffinity=0, mass=0, **{"group": SEEN_GROUP, **kwargs})


def show_mesh(
    spec: mujoco.MjSpec,
    body: mujoco.MjsBody,
    name: str,
    mesh: Mesh,
    material: str,
    tile: float | None = None,
) -> None:
    """A procedural mesh of a material, under one name; `tile` [m] is the size of one tile of its texture."""
    mesh.add_to(spec, name, tile)
    add_visual(body, name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=material)


def material(
    spec: mujoco.MjSpec,
    name: str,
    colour: Colour,
    gloss: float = 0.2,
    texture: str = "",
) -> str:
    """Material of a colour; `gloss` in [0, 1]."""
    made = spec.add_material(
        name=name, rgba=[*colour, 1.0], specular=gloss, shininess=0.3 + 0.5 * gloss
    )
    if texture:
        made.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture
    return name


def add_surface(spec: mujoco.MjSpec, colour: Colour) -> None:
    """One material per texture of a surface, so that a texture is chosen by an index."""
    for name in BOARD_TEXTURES:
        add_texture(spec, name, _texture(name))
        material(spec, surface_material(name), colour, 0.1, name)


def add_texture(spec: mujoco.MjSpec, name: str, pixels: NDArray[np.uint8]) -> None:
    """A flat texture of an RGB tile (height, width, 3)."""
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    texture.width, texture.height = pixels.shape[1], pixels.shape[0]
    texture.data = pixels.tobytes()


def surface_material(texture: str) -> str:
    """The name of the surface's material with a texture."""
    return f"board_{texture}"


def _texture(name: str, size: int = 128) -> NDArray[np.uint8]:
    """Grey tile (size, size, 3) that shades the board's colour."""
    # Its own generator: looks are the same in every process.
    rng = np.random.default_rng(0)
    shade = np.ones((size, size))
    y, x = np.mgrid[0:size, 0:size] / size
    if name == "holes":  # one threaded hole per 25 mm, as in an optical breadboard
        distance = np.hypot((2 * x + 0.5) % 1.0 - 0.5, (2 * y + 0.5) % 1.0 - 0.5)
        shade = 0.25 + 0.75 * np.clip((distance - 0.09) * 20.0, 0.0, 1.0)
    elif name == "speckle":
        shade = 0.75 + 0.25 * rng.random((size, size))
    elif name == "brushed":
        shade = np.repeat(0.8 + 0.2 * rng.random((size, 1)), size, axis=1)
    elif name == "checker":
        shade = 0.65 + 0.35 * ((np.floor(4 * x) + np.floor(4 * y)) % 2)
    return np.repeat((255 * shade).astype(np.uint8)[:, :, None], 3, axis=2)


def draw_room(spec: mujoco.MjSpec) -> None:
    """Table, sky, key light."""
    sky = spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384
    )
    sky.builtin = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    sky.rgb1, sky.rgb2 = [0.85, 0.89, 0.93], [0.45, 0.50, 0.56]
    table = material(spec, "table", TABLE_COLOUR, 0.1)
    kind = mujoco.mjtGeom.mjGEOM_BOX
    add_visual(
        spec.worldbody, type=kind, pos=[0.35, 0, -0.02], size=[0.7, 0.6, 0.02], material=table
    )
    light = spec.worldbody.add_light(name="key", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    light.pos, light.dir = [0.3, -0.8, 2.0], [0.12, 0.40, -0.9]
    light.ambient, light.specular = [0.0, 0.0, 0.0], [0.3, 0.3, 0.3]
    light.diffuse = [0.55, 0.54, 0.52]
    light.castshadow = True


def draw_table_top(spec: mujoco.MjSpec, covering: str = "grey") -> None:
    """The surface `table_top` under one of `TABLE_TOPS`."""
    add_surface(spec, GREY)
    name = surface_material("plain")
    if covering == "beige_wood":
        add_texture(spec, "wood", _wood())
        name = material(spec, "wood", BEIGE, 0.15, "wood")
    sheet = Mesh.empty()
    edge = rounded_rectangle(1.4, 1.2, 0.01)
    sheet.loft([(edge, -0.001), (edge, 0.0005)])
    sheet.add_to(spec, "table_top", TABLE_TILE)
    add_visual(
        spec.worldbody, name="table_top", type=mujoco.mjtGeom.mjGEOM_MESH, meshname="table_top",
        pos=[0.35, 0, 0], material=name,
    )  # fmt: skip


def _wood(size: int = 256) -> NDArray[np.uint8]:
    """Grey tile (size, size, 3): planks along x with a wavy grain."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    planks = np.floor(4 * y).astype(int)
    tone, phase = rng.uniform(0.88, 1.0, 4)[planks], rng.uniform(0.0, 6.0, 4)[planks]
    wave = 0.02 * np.sin(2 * np.pi * (x + phase))
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (14.0 * (y + wave) + phase))
    shade = tone * (0.90 + 0.10 * grain) * (0.97 + 0.03 * rng.random((size, 1)))
    shade[(4 * y) % 1.0 < 0.03] *= 0.6
    return np.repeat((255 * shade).astype(np.uint8)[:, :, None], 3, axis=2)


def add_cameras(spec: mujoco.MjSpec, view: CameraView, arm_visible: bool) -> None:
    """`wrist` on the hand, image up away from the fingers; `overview` beside the table."""
    hand = spec.body("hand")
    c, s = float(np.cos(WRIST_TILT)), float(np.sin(WRIST_TILT))
    hand.add_camera(name="wrist", pos=WRIST_POSITION, xyaxes=[0, 1, 0, c, 0, s], fovy=WRIST_FOV)
    if arm_visible:
        black = material(spec, "camera", (0.15, 0.15, 0.16), 0.4)
        quat = [np.cos(0.5 * -WRIST_TILT), 0, np.sin(0.5 * -WRIST_TILT), 0]
        x, _, z = WRIST_POSITION
        kind = mujoco.mjtGeom.mjGEOM_BOX
        add_visual(
            hand, type=kind, pos=[x + 0.005, 0, z - 0.012], quat=quat, size=[0.021, 0.021, 0.0115],
            material=black, group=ARM_GROUP,
        )  # fmt: skip
        add_visual(
            hand,
            type=kind,
            pos=[0.05, 0, 0.012],
            size=[0.03, 0.012, 0.003],
            material=black,
            group=ARM_GROUP,
        )
    eye, focus = np.array(view.eye), np.array(view.focus)
    back = (eye - focus) / np.linalg.norm(eye - focus)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    spec.worldbody.add_camera(name="overview", pos=eye, xyaxes=[*right, *up], fovy=view.fov)
