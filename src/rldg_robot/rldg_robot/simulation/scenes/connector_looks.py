# SPDX-License-Identifier: Apache-2.0
"""How plug, socket and board of a connector look."""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np

from rldg_robot.simulation.connectors import BRASS, SHOULDER, Colour, Connector
from rldg_robot.simulation.drawing import (
    TILE,
    add_surface,
    add_visual,
    material,
    show_mesh,
    surface_material,
)
from rldg_robot.simulation.meshes import Mesh, rounded_rectangle
from rldg_robot.simulation.polygons import offset_polygon, round_polygon

BOARD, BOARD_THICKNESS, BOARD_DROP = 0.275, 0.012, 0.0006
"""[m] edge and thickness of the board, and how far its surface lies below the mouth of the
socket"""
PLATE = (0.026, 0.031, 0.003)
"""[m] x, y and corner radius of the D-type plate around the socket"""
BOARD_COLOUR = (0.58, 0.61, 0.64)
PLATE_COLOUR = (0.10, 0.10, 0.11)


def _dim(colour: Colour) -> Colour:
    """Three quarters of the brightness."""
    red, green, blue = colour
    return (0.75 * red, 0.75 * green, 0.75 * blue)


def draw_plug(spec: mujoco.MjSpec, plug: Connector) -> None:
    """Shell with its plastic core, grip between the fingers, cable up along the hand."""
    body = spec.body("plug")
    shell, core = material(spec, "shell", plug.shell, 0.8), material(spec, "core", plug.insert)
    grip = material(spec, "grip", plug.body, 0.3)
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
    show_mesh(spec, body, "shell", mesh, shell)
    mesh = Mesh.empty()
    inner = offset_polygon(outline, -0.0006 - 0.6 * bevel)
    mesh.loft([(inner, tip - 0.001), (inner, tip + 0.00005)])
    show_mesh(spec, body, "core", mesh, core)
    mesh = Mesh.empty()
    x, y = plug.grip
    full = rounded_rectangle(x, y, 0.002)
    slim = rounded_rectangle(x - 0.002, y - 0.002, 0.002)
    mesh.loft([(slim, -0.014), (full, -0.012), (full, 0.009), (slim, 0.011)])
    # Slimmer than the grip towards the board, so that the wrist camera sees past it.
    neck = offset_polygon(outline, 0.001)
    mesh.loft([(neck, 0.008), (neck, SHOULDER - 0.0008)])
    show_mesh(spec, body, "grip", mesh, grip)
    path = [(0.0, -0.012), (0.0, -0.02), (-0.02, -0.031), (-0.045, -0.034), (-0.07, -0.05)]
    path += [(-0.08, -0.085), (-0.08, -0.13)]
    for (xa, za), (xb, zb) in pairwise(path):
        kind = mujoco.mjtGeom.mjGEOM_CAPSULE
        add_visual(
            body, type=kind, fromto=[xa, 0, za, xb, 0, zb], size=[0.0024, 0, 0], material=grip
        )


def draw_socket(spec: mujoco.MjSpec, plug: Connector) -> None:
    """D-type plate with screws, dark cavity, the core that carries the contacts."""
    body = spec.body("socket")
    outline = round_polygon(plug.hole, plug.corner_radius)
    edge = rounded_rectangle(*PLATE)
    plate = Mesh.empty()
    plate.ring(edge, outline, 0.0, up=False)
    plate.strip(edge, 0.0, edge, 0.002)
    show_mesh(spec, body, "plate", plate, material(spec, "plate", PLATE_COLOUR, 0.4))
    rim = Mesh.empty()
    rim.ring(offset_polygon(outline, 0.0007), outline, -0.00005, up=False)
    rim.strip(outline, -0.00005, outline, plug.depth, inward=True)
    show_mesh(spec, body, "rim", rim, material(spec, "rim", _dim(plug.shell), 0.6))
    cavity = Mesh.empty()
    cavity.strip(outline, 0.0008, outline, plug.depth, inward=True)
    cavity.cap(outline, plug.depth, up=False)
    show_mesh(spec, body, "cavity", cavity, material(spec, "cavity", (0.02, 0.02, 0.02), 0.0))
    carrier = Mesh.empty()
    inner = offset_polygon(outline, -0.0011)
    carrier.loft([(inner, 0.0008), (inner, plug.depth - 0.0001)])
    show_mesh(spec, body, "carrier", carrier, material(spec, "carrier", plug.insert))
    contacts = Mesh.empty()
    for x, y in plug.contacts.positions:
        width, height = plug.contacts.size
        radius = 0.5 * min(width, height) if width == height else 0.1 * min(width, height)
        contact = rounded_rectangle(width, height, 0.999 * radius) + np.array([x, y])
        contacts.loft([(contact, 0.0006), (contact, 0.001)])
    show_mesh(spec, body, "contacts", contacts, material(spec, "contacts", BRASS, 0.7))
    screw = material(spec, "screw", (0.6, 0.6, 0.62), 0.8)
    for sign in (-1.0, 1.0):
        x, y = sign * (0.5 * PLATE[0] - 0.0035), -sign * (0.5 * PLATE[1] - 0.0035)
        kind = mujoco.mjtGeom.mjGEOM_CYLINDER
        add_visual(body, type=kind, pos=[x, y, 0], size=[0.0018, 0.0003, 0], material=screw)


def draw_board(spec: mujoco.MjSpec) -> None:
    """Board around the plate, on four posts."""
    body = spec.body("socket")
    add_surface(spec, BOARD_COLOUR)
    square, edge = rounded_rectangle(BOARD, BOARD, 0.012), rounded_rectangle(*PLATE)
    top, bottom = BOARD_DROP, BOARD_DROP + BOARD_THICKNESS
    board = Mesh.empty()
    board.ring(square, edge, top, up=False)
    board.strip(square, top, square, bottom)
    board.cap(square, bottom, up=True)
    show_mesh(spec, body, "board", board, surface_material("holes"), TILE)
    height = float(body.pos[2]) - bottom
    steel = material(spec, "post", (0.30, 0.31, 0.33), 0.5)
    reach = 0.5 * BOARD - 0.02
    for x in (-reach, reach):
        for y in (-reach, reach):
            kind = mujoco.mjtGeom.mjGEOM_CYLINDER
            centre = [x, y, bottom + 0.5 * height]
            add_visual(body, type=kind, pos=centre, size=[0.008, 0.5 * height, 0], material=steel)
