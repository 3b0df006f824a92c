# SPDX-License-Identifier: Apache-2.0
"""How the twin's world looks: plug, socket, board, table, light and cameras. Nothing here collides
or weighs anything.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_robot.connectors import (
    BRASS,
    SHOULDER,
    Colour,
    Connector,
    offset_polygon,
    round_polygon,
)
from rldg_robot.meshes import Mesh, rounded_rectangle

SEEN_GROUP, ARM_GROUP, COLLISION_GROUP = 1, 2, 3
"""geom groups: what every camera sees; the arm, which the wrist camera never meets; what nobody
sees"""

BOARD, BOARD_THICKNESS, BOARD_DROP = 0.275, 0.012, 0.0006
"""[m] edge and thickness of the board, and how far its surface lies below the mouth of the
socket"""
PLATE = (0.026, 0.031, 0.003)
"""[m] x, y and corner radius of the D-type plate around the socket"""
TILE = 0.05
"""[m] edge of one tile of the board's texture"""
BOARD_TEXTURES = ("holes", "plain", "speckle", "brushed", "checker")
"""the nominal one first"""

BOARD_COLOUR = (0.58, 0.61, 0.64)
PLATE_COLOUR = (0.10, 0.10, 0.11)
TABLE_COLOUR = (0.50, 0.43, 0.36)

WRIST_POSITION = (0.08, 0.0, 0.02)
"""[m] of the wrist camera in the hand frame: a D405 on the usual bracket, 7 cm in front of the
fingers"""
WRIST_TILT = np.radians(22.0)
"""[rad] towards the fingers"""
WRIST_FOV = 58.0
"""[deg] vertical field of view of a D405; the image is its square crop"""


def draw(spec: mujoco.MjSpec, plug: Connector, arm_visible: bool) -> None:
    """Draw the world around the bodies `hand`, `plug` and `socket`."""
    _picture(spec)
    _draw_plug(spec, plug)
    _draw_socket(spec, plug)
    _draw_board(spec)
    _draw_room(spec)
    _add_cameras(spec, arm_visible)


def _picture(spec: mujoco.MjSpec) -> None:
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


def _show(body: mujoco.MjsBody, **kwargs: Any) -> mujoco.MjsGeom:
    """A geom that is only seen."""
    return body.add_geom(contype=0, conaffinity=0, mass=0, **{"group": SEEN_GROUP, **kwargs})


def _show_mesh(
    spec: mujoco.MjSpec, body: mujoco.MjsBody, name: str, mesh: Mesh, material: str
) -> None:
    """A procedural mesh of a material, under one name."""
    mesh.add_to(spec, name, TILE if name == "board" else None)
    _show(body, name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=material)


def _dim(colour: Colour) -> Colour:
    """Three quarters of the brightness."""
    red, green, blue = colour
    return (0.75 * red, 0.75 * green, 0.75 * blue)


def _material(
    spec: mujoco.MjSpec,
    name: str,
    colour: Colour,
    gloss: float = 0.2,
    texture: str = "",
) -> str:
    """Material of a colour; `gloss` in [0, 1]."""
    material = spec.add_material(
        name=name, rgba=[*colour, 1.0], specular=gloss, shininess=0.3 + 0.5 * gloss
    )
    if texture:
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture
    return name


def _draw_plug(spec: mujoco.MjSpec, plug: Connector) -> None:
    """Shell with its plastic core, grip between the fingers, cable up along the hand."""
    body = spec.body("plug")
    shell, core = _material(spec, "shell", plug.shell, 0.8), _material(spec, "core", plug.insert)
    grip = _material(spec, "grip", plug.body, 0.3)
    outline, tip = round_polygon(plug.profile, plug.corner_radius), plug.protrusion
    bevel = 0.5 * plug.corner_radius
    mesh = Mesh.empty()
    mesh.loft(
        [
            (outline, SHOULDER - 0.003),
            (outline, tip - bevel),
            (offset_polygon(outline, -0.6 * bevel), tip),
        ]
    )
    _show_mesh(spec, body, "shell", mesh, shell)
    mesh = Mesh.empty()
    inner = offset_polygon(outline, -0.0006 - 0.6 * bevel)
    mesh.loft([(inner, tip - 0.001), (inner, tip + 0.00005)])
    _show_mesh(spec, body, "core", mesh, core)
    mesh = Mesh.empty()
    x, y = plug.grip
    full = rounded_rectangle(x, y, 0.002)
    slim = rounded_rectangle(x - 0.002, y - 0.002, 0.002)
    mesh.loft([(slim, -0.014), (full, -0.012), (full, 0.009), (slim, 0.011)])
    # Slimmer than the grip towards the board, so that the wrist camera sees past it.
    neck = offset_polygon(outline, 0.001)
    mesh.loft([(neck, 0.008), (neck, SHOULDER - 0.0008)])
    _show_mesh(spec, body, "grip", mesh, grip)
    path = [(0.0, -0.012), (0.0, -0.02), (-0.02, -0.031), (-0.045, -0.034), (-0.07, -0.05)]
    path += [(-0.08, -0.085), (-0.08, -0.13)]
    for (xa, za), (xb, zb) in pairwise(path):
        kind = mujoco.mjtGeom.mjGEOM_CAPSULE
        _show(body, type=kind, fromto=[xa, 0, za, xb, 0, zb], size=[0.0024, 0, 0], material=grip)


def _draw_socket(spec: mujoco.MjSpec, plug: Connector) -> None:
    """D-type plate with screws, dark cavity, the core that carries the contacts."""
    body = spec.body("socket")
    outline = round_polygon(plug.hole, plug.corner_radius)
    edge = rounded_rectangle(*PLATE)
    plate = Mesh.empty()
    plate.ring(edge, outline, 0.0, up=False)
    plate.strip(edge, 0.0, edge, 0.002)
    _show_mesh(spec, body, "plate", plate, _material(spec, "plate", PLATE_COLOUR, 0.4))
    rim = Mesh.empty()
    rim.ring(offset_polygon(outline, 0.0007), outline, -0.00005, up=False)
    rim.strip(outline, -0.00005, outline, plug.depth, inward=True)
    _show_mesh(spec, body, "rim", rim, _material(spec, "rim", _dim(plug.shell), 0.6))
    cavity = Mesh.empty()
    cavity.strip(outline, 0.0008, outline, plug.depth, inward=True)
    cavity.cap(outline, plug.depth, up=False)
    _show_mesh(spec, body, "cavity", cavity, _material(spec, "cavity", (0.02, 0.02, 0.02), 0.0))
    carrier = Mesh.empty()
    inner = offset_polygon(outline, -0.0011)
    carrier.loft([(inner, 0.0008), (inner, plug.depth - 0.0001)])
    _show_mesh(spec, body, "carrier", carrier, _material(spec, "carrier", plug.insert))
    contacts = Mesh.empty()
    for x, y in plug.contacts.positions:
        width, height = plug.contacts.size
        radius = 0.5 * min(width, height) if width == height else 0.1 * min(width, height)
        contact = rounded_rectangle(width, height, 0.999 * radius) + np.array([x, y])
        contacts.loft([(contact, 0.0006), (contact, 0.001)])
    _show_mesh(spec, body, "contacts", contacts, _material(spec, "contacts", BRASS, 0.7))
    screw = _material(spec, "screw", (0.6, 0.6, 0.62), 0.8)
    for sign in (-1.0, 1.0):
        x, y = sign * (0.5 * PLATE[0] - 0.0035), -sign * (0.5 * PLATE[1] - 0.0035)
        kind = mujoco.mjtGeom.mjGEOM_CYLINDER
        _show(body, type=kind, pos=[x, y, 0], size=[0.0018, 0.0003, 0], material=screw)


def _draw_board(spec: mujoco.MjSpec) -> None:
    """Board around the plate, on four posts; one material per texture, so that a texture is chosen
    by an index.
    """
    body = spec.body("socket")
    for name in BOARD_TEXTURES:
        pixels = _texture(name)
        texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
        texture.width, texture.height = pixels.shape[1], pixels.shape[0]
        texture.data = pixels.tobytes()
        _material(spec, f"board_{name}", BOARD_COLOUR, 0.1, name)
    square, edge = rounded_rectangle(BOARD, BOARD, 0.012), rounded_rectangle(*PLATE)
    top, bottom = BOARD_DROP, BOARD_DROP + BOARD_THICKNESS
    board = Mesh.empty()
    board.ring(square, edge, top, up=False)
    board.strip(square, top, square, bottom)
    board.cap(square, bottom, up=True)
    _show_mesh(spec, body, "board", board, f"board_{BOARD_TEXTURES[0]}")
    height = float(body.pos[2]) - bottom
    steel = _material(spec, "post", (0.30, 0.31, 0.33), 0.5)
    reach = 0.5 * BOARD - 0.02
    for x in (-reach, reach):
        for y in (-reach, reach):
            kind = mujoco.mjtGeom.mjGEOM_CYLINDER
            centre = [x, y, bottom + 0.5 * height]
            _show(body, type=kind, pos=centre, size=[0.008, 0.5 * height, 0], material=steel)


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


def _draw_room(spec: mujoco.MjSpec) -> None:
    """Table, sky, key light."""
    sky = spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384
    )
    sky.builtin = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    sky.rgb1, sky.rgb2 = [0.85, 0.89, 0.93], [0.45, 0.50, 0.56]
    table = _material(spec, "table", TABLE_COLOUR, 0.1)
    kind = mujoco.mjtGeom.mjGEOM_BOX
    _show(spec.worldbody, type=kind, pos=[0.35, 0, -0.02], size=[0.7, 0.6, 0.02], material=table)
    light = spec.worldbody.add_light(name="key", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    light.pos, light.dir = [0.3, -0.8, 2.0], [0.12, 0.40, -0.9]
    light.ambient, light.specular = [0.0, 0.0, 0.0], [0.3, 0.3, 0.3]
    light.diffuse = [0.55, 0.54, 0.52]
    light.castshadow = True


def _add_cameras(spec: mujoco.MjSpec, arm_visible: bool) -> None:
    """`wrist` on the hand, image up away from the fingers; `overview` beside the table."""
    hand = spec.body("hand")
    c, s = float(np.cos(WRIST_TILT)), float(np.sin(WRIST_TILT))
    hand.add_camera(name="wrist", pos=WRIST_POSITION, xyaxes=[0, 1, 0, c, 0, s], fovy=WRIST_FOV)
    if arm_visible:
        black = _material(spec, "camera", (0.15, 0.15, 0.16), 0.4)
        quat = [np.cos(0.5 * -WRIST_TILT), 0, np.sin(0.5 * -WRIST_TILT), 0]
        x, _, z = WRIST_POSITION
        kind = mujoco.mjtGeom.mjGEOM_BOX
        _show(
            hand, type=kind, pos=[x + 0.005, 0, z - 0.012], quat=quat, size=[0.021, 0.021, 0.0115],
            material=black, group=ARM_GROUP,
        )  # fmt: skip
        _show(
            hand,
            type=kind,
            pos=[0.05, 0, 0.012],
            size=[0.03, 0.012, 0.003],
            material=black,
            group=ARM_GROUP,
        )
    eye, focus = np.array([1.22, -0.78, 0.66]), np.array([0.30, 0.0, 0.335])
    back = (eye - focus) / np.linalg.norm(eye - focus)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    spec.worldbody.add_camera(name="overview", pos=eye, xyaxes=[*right, *up], fovy=38)
