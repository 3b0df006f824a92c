# SPDX-License-Identifier: Apache-2.0
"""Meshes drawn with fewer triangles, where a picture is too small to show them all."""

from __future__ import annotations

from collections.abc import Iterable

import mujoco
import numpy as np


def coarsen(model: mujoco.MjModel, meshes: Iterable[int], cell: float) -> None:
    """Keep one vertex in every cell of a grid, and the triangles that are left (Rossignac and Borrel 1993).

    Changes what a renderer that is made afterwards draws; hulls and inertias stay as they were compiled.

    Args:
        model: changed in place.
        meshes: their ids.
        cell: [m] edge.
    """
    for mesh in meshes:
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        places = np.floor(model.mesh_vert[start : start + count] / cell).astype(np.int64)
        _, kept, of_cell = np.unique(places, axis=0, return_index=True, return_inverse=True)
        first, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        old = slice(first, first + faces)
        corners = kept[of_cell.ravel()][model.mesh_face[old]]
        whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
        new = slice(first, first + whole.sum())
        model.mesh_face[new] = corners[whole]
        model.mesh_facenormal[new] = model.mesh_facenormal[old][whole]
        model.mesh_facetexcoord[new] = model.mesh_facetexcoord[old][whole]
        model.mesh_facenum[mesh] = whole.sum()
