# SPDX-License-Identifier: Apache-2.0
"""Convex polygons in a plane, corners (n, 2) in metres, counter-clockwise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def offset_polygon(polygon: Array, distance: float) -> Array:
    """Move every edge of a convex, counter-clockwise polygon (n, 2) outwards by `distance` [m]."""
    corners = []
    for before, corner, after in zip(
        np.roll(polygon, 1, axis=0), polygon, np.roll(polygon, -1, axis=0), strict=True
    ):
        n1, n2 = _outward(corner - before), _outward(after - corner)
        corners.append(corner + distance * (n1 + n2) / (1.0 + n1 @ n2))
    return np.array(corners)


def round_polygon(polygon: Array, radius: float, segments: int = 4) -> Array:
    """Outline (n * (segments + 1), 2) of a convex, counter-clockwise polygon with corners of
    `radius` [m].
    """
    centres = offset_polygon(polygon, -radius)
    outline = []
    for before, centre, after in zip(
        np.roll(centres, 1, axis=0), centres, np.roll(centres, -1, axis=0), strict=True
    ):
        start = math.atan2(*_outward(centre - before)[::-1])
        turn = (math.atan2(*_outward(after - centre)[::-1]) - start) % (2.0 * math.pi)
        angles = start + turn * np.linspace(0.0, 1.0, segments + 1)
        outline.append(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return np.concatenate(outline)


def _outward(edge: Array) -> Array:
    """Unit normal that points out of a counter-clockwise polygon, right of the edge's direction."""
    return np.array([edge[1], -edge[0]]) / math.hypot(*edge)


def contains(polygon: Array, points: Array, tolerance: float) -> bool:
    """Whether all points (m, 2) lie in a polygon (n, 2), up to `tolerance` [m]."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1)[:, None]
    distances = np.einsum("pek,ek->pe", points[:, None] - polygon[None], normals)
    return bool(distances.max() <= tolerance)
