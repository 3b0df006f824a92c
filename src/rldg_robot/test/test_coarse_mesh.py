# SPDX-License-Identifier: Apache-2.0
"""A mesh with fewer triangles is the same body."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rldg_core.task import load_task
from rldg_robot.simulation import scene
from rldg_robot.simulation.coarse_mesh import coarsen

CELL = 0.002


def triangles(model: mujoco.MjModel, mesh: int) -> np.ndarray:
    """[m] (triangles, 3 corners, 3)"""
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return model.mesh_vert[model.mesh_vertadr[mesh] :][model.mesh_face[first : first + count]]


def area(corners: np.ndarray) -> float:
    a, b, c = np.moveaxis(corners, 1, 0)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()


def test_it_keeps_its_place_and_its_surface() -> None:
    model = scene.build(load_task("connector/vga"), arm_visible=True)
    counts = model.mesh_facenum.copy()
    mesh = int(np.argmax(counts))
    before, hulls = triangles(model, mesh), model.mesh_graph.copy()
    coarsen(model, [mesh], CELL)
    after = triangles(model, mesh)
    assert len(after) < 0.5 * len(before)
    for end in (np.min, np.max):
        np.testing.assert_allclose(end(after, (0, 1)), end(before, (0, 1)), atol=CELL)
    assert area(after) == pytest.approx(area(before), rel=0.1)
    np.testing.assert_array_equal(np.delete(model.mesh_facenum, mesh), np.delete(counts, mesh))
    np.testing.assert_array_equal(model.mesh_graph, hulls)
