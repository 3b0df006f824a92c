# SPDX-License-Identifier: Apache-2.0
"""Procedural meshes: lofts through outlines, plates with a hole.

Outlines are (n, 2) in metres, counter-clockwise about +z. Every facet has its own vertices, so that
edges look sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rounded_rectangle(width: float, height: float, radius: float, segments: int = 4) -> Array:
    """Outline of a rectangle centred on the origin [m]."""
    corners = []
    for sx, sy, start in ((1, -1, -90.0), (1, 1, 0.0), (-1, 1, 90.0), (-1, -1, 180.0)):
        angles = np.radians(start + np.linspace(0.0, 90.0, segments + 1))
        centre = np.array([sx * (0.5 * width - radius), sy * (0.5 * height - radius)])
        corners.append(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return np.concatenate(corners)


def _along_rays(outline: Array, angles: Array) -> Array:
    """Where rays from the origin at `angles` leave a star-shaped outline."""
    corner_angles = np.unwrap(np.arctan2(outline[:, 1], outline[:, 0]))
    points = []
    for angle in angles:
        i = int(np.argmax(((angle - corner_angles) % (2 * np.pi)) * -1))
        a, b = outline[i], outline[(i + 1) % len(outline)]
        ray, edge = np.array([np.cos(angle), np.sin(angle)]), b - a
        points.append(
            ray * (a[0] * edge[1] - a[1] * edge[0]) / (ray[0] * edge[1] - ray[1] * edge[0])
        )
    return np.array(points)


@dataclass
class Mesh:
    """Triangles being collected."""

    vertices: list[Array]
    """each (3, 3): one triangle, counter-clockwise from outside"""

    @classmethod
    def empty(cls) -> Mesh:
        """No triangles yet."""
        return cls([])

    def quad(self, a: Array, b: Array, c: Array, d: Array) -> None:
        """Two triangles."""
        self.vertices += [np.array([a, b, c]), np.array([a, c, d])]

    def strip(self, lower: Array, z0: float, upper: Array, z1: float, inward: bool = False) -> None:
        """Wall between two outlines of equal length; seen from outside, or from inside if
        `inward`.
        """
        low, high = _lift(lower, z0), _lift(upper, z1)
        for i, j in pairwise([*range(len(low)), 0]):
            if inward:
                self.quad(low[j], low[i], high[i], high[j])
            else:
                self.quad(low[i], low[j], high[j], high[i])

    def cap(self, outline: Array, z: float, up: bool) -> None:
        """Fill a convex outline; `up` faces +z."""
        points = _lift(outline if up else outline[::-1], z)
        for i in range(1, len(points) - 1):
            self.vertices.append(points[[0, i, i + 1]])

    def ring(self, outer: Array, inner: Array, z: float, up: bool) -> None:
        """Plane between two star-shaped outlines around the origin."""
        angles = np.unique(
            np.concatenate([np.arctan2(o[:, 1], o[:, 0]) for o in (outer, inner)]).round(9)
        )
        # Facing +z, the surface between the inner (low) and the outer outline is a wall seen from
        # inside.
        self.strip(_along_rays(inner, angles), z, _along_rays(outer, angles), z, inward=up)

    def loft(self, sections: list[tuple[Array, float]]) -> None:
        """Closed solid through outlines of equal length at rising z."""
        for (lower, z0), (upper, z1) in pairwise(sections):
            self.strip(lower, z0, upper, z1)
        self.cap(*sections[0], up=False)
        self.cap(*sections[-1], up=True)

    def add_to(self, spec: mujoco.MjSpec, name: str, texture_scale: float | None = None) -> str:
        """Add as an asset; `texture_scale` [m] is the size of one texture tile, laid on the x-y
        plane.
        """
        points = np.concatenate(self.vertices)
        faces = np.arange(len(points)).reshape(-1, 3)
        mesh = spec.add_mesh(name=name)
        mesh.uservert = points.ravel()
        mesh.userface = faces.ravel()
        # Some of these are surfaces, not closed solids: a volume would be meaningless.
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        if texture_scale is not None:
            mesh.usertexcoord = (points[:, :2] / texture_scale + 0.5).ravel()
            mesh.userfacetexcoord = faces.ravel()
        return name


def _lift(outline: Array, z: float) -> Array:
    """(n, 2) to (n, 3)."""
    return np.column_stack([outline, np.full(len(outline), z)])
