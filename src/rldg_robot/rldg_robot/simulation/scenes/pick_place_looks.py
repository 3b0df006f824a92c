# SPDX-License-Identifier: Apache-2.0
"""How produce and bowl of a pick-and-place task look."""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_robot.simulation.drawing import add_visual, material, show_mesh
from rldg_robot.simulation.meshes import Mesh

Array = NDArray[np.float64]
Size = tuple[float, float, float]

GREEN, STEM, YELLOW, HUSK = (
    (0.13, 0.50, 0.12),
    (0.30, 0.38, 0.10),
    (0.96, 0.76, 0.12),
    (0.55, 0.68, 0.28),
)
BOWL_COLOUR = (0.25, 0.45, 0.72)


def _lobed(radius: float, lobes: int, depth: float, segments: int = 48) -> Array:
    """A circle with `lobes` bulges; `depth` is their share of the radius."""
    angles = 2.0 * np.pi * np.arange(segments) / segments
    radii = radius * (1.0 - depth * (0.5 - 0.5 * np.cos(lobes * angles)))
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def draw_pepper(spec: mujoco.MjSpec, body: mujoco.MjsBody, size: Size, bottom: float) -> None:
    """A bell pepper that stands on its tip: four lobes, a dip at the stem. z of the body points down."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415 - other tasks need not wait for it

    width, _, height = size
    knots = [0.0, 0.06, 0.22, 0.45, 0.70, 0.88, 0.98, 1.0, 0.97, 0.93]
    shares = [0.30, 0.62, 0.85, 0.97, 1.0, 0.93, 0.74, 0.58, 0.38, 0.15]
    radii = PchipInterpolator(range(len(knots)), shares)
    heights = PchipInterpolator(range(len(knots)), knots)
    pepper, sections = Mesh.empty(), []
    # From the dip at the stem down to the tip: z rises.
    for place in np.linspace(len(knots) - 1, 0, 40):
        sections.append(
            (_lobed(0.54 * width * radii(place), 4, 0.2), bottom - height * heights(place))
        )
    pepper.loft(sections)
    show_mesh(spec, body, "object", pepper, material(spec, "pepper", GREEN, 0.6))
    stem = material(spec, "stem", STEM, 0.1)
    top = bottom - 0.95 * height
    kind = mujoco.mjtGeom.mjGEOM_CAPSULE
    add_visual(
        body,
        type=kind,
        fromto=[0, 0, top, 0.002, 0, top - 0.010],
        size=[0.0032, 0, 0],
        material=stem,
    )
    add_visual(
        body,
        type=kind,
        fromto=[0.002, 0, top - 0.010, 0.007, 0.001, top - 0.015],
        size=[0.0028, 0, 0],
        material=stem,
    )


def draw_corn(spec: mujoco.MjSpec, body: mujoco.MjsBody, size: Size, bottom: float) -> None:
    """A cob along x: rows of kernels, husk around its thick end."""
    length, width, _ = size
    places = np.linspace(0.0, 1.0, 37)
    # Every ring of kernels bulges.
    waist = 1.0 - 0.05 * (np.arange(37) % 2)
    radii = 0.53 * width * waist * np.sqrt(np.clip(1.02 - (0.10 + 0.9 * places) ** 4, 0.0, 1.0))
    cob = Mesh.empty()
    cob.loft(
        [(_lobed(r, 12, 0.12), length * (x - 0.5)) for r, x in zip(radii, places, strict=True)]
    )
    lie = [np.sqrt(0.5), 0, np.sqrt(0.5), 0]  # z of the mesh along x of the body
    centre = [0, 0, bottom - 0.5 * width]
    cob.add_to(spec, "object")
    add_visual(
        body, name="object", type=mujoco.mjtGeom.mjGEOM_MESH, meshname="object", pos=centre, quat=lie,
        material=material(spec, "corn", YELLOW, 0.4),
    )  # fmt: skip
    leaf = Mesh.empty()
    shares = [(0.20, -0.66), (0.45, -0.60), (1.02, -0.50), (1.12, -0.36), (1.06, -0.20)]
    leaf.loft([(_lobed(0.53 * width * r, 5, 0.25), length * x) for r, x in shares])
    leaf.add_to(spec, "husk")
    add_visual(
        body, name="husk", type=mujoco.mjtGeom.mjGEOM_MESH, meshname="husk", pos=centre, quat=lie,
        material=material(spec, "husk", HUSK, 0.1),
    )  # fmt: skip


def draw_bowl(
    spec: mujoco.MjSpec,
    body: mujoco.MjsBody,
    rim: float,
    floor: float,
    height: float,
    thickness: float,
) -> None:
    """Outside, rim, inside, floor; z of the body points up."""
    outside, inside, mesh = [], [], Mesh.empty()
    for share in np.linspace(0.0, 1.0, 7):
        # A little belly between the straight walls that collide.
        radius = floor + (rim - floor) * share + 0.004 * np.sin(np.pi * share)
        z = height * share
        outside.append((_lobed(radius + thickness, 0, 0.0), z))
        inside.append((_lobed(radius, 0, 0.0), max(z, thickness)))
    for (low, z0), (high, z1) in pairwise(outside):
        mesh.strip(low, z0, high, z1)
    for (low, z0), (high, z1) in pairwise(inside):
        mesh.strip(low, z0, high, z1, inward=True)
    mesh.strip(outside[-1][0], height, inside[-1][0], height)
    mesh.cap(inside[0][0], thickness, up=True)
    show_mesh(spec, body, "bowl", mesh, material(spec, "bowl", BOWL_COLOUR, 0.5))
