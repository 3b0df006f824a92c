# SPDX-License-Identifier: Apache-2.0
"""The connectors have the dimensions of the real ones, and every task's connector exists."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core.task import load_task, task_ids
from rldg_robot.simulation.connectors import (
    CONNECTORS,
    UnknownConnector,
    connector,
)
from rldg_robot.simulation.polygons import offset_polygon, round_polygon
from rldg_robot.simulation.scenes.connector_looks import PLATE

REAL_SIZE = {  # mm, width and height of the plug's shell
    "usb_a": (12.0, 4.5),
    "vga": (16.9, 8.3),
    "ethernet": (11.7, 8.0),
    "usb_c": (8.34, 2.56),
    "hdmi": (13.9, 4.45),
    "displayport": (16.1, 4.8),
    "xlr": (16.0, 14.4),
}
every_connector = pytest.mark.parametrize("name", CONNECTORS)


def is_convex(polygon: np.ndarray) -> bool:
    """Counter-clockwise, every turn to the left."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    after = np.roll(edges, -1, axis=0)
    return bool(np.all(edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0] > 0))


def distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Smallest distance of each edge of a convex polygon from points inside it."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1)[:, None]
    return -np.einsum("pek,ek->pe", points[:, None] - polygon, normals).max(axis=0)


@every_connector
def test_real_dimensions(name: str) -> None:
    np.testing.assert_allclose(1e3 * connector(name).size, REAL_SIZE[name], atol=0.25)


@every_connector
def test_clearance_is_the_same_on_every_side(name: str) -> None:
    plug = connector(name)
    assert 0.3e-3 <= plug.clearance <= 0.5e-3
    outline = round_polygon(plug.profile, plug.corner_radius, 32)
    gaps = distances(outline, plug.hole)
    np.testing.assert_allclose(gaps, plug.clearance, atol=1e-9)


@every_connector
def test_shapes_are_convex_and_fit(name: str) -> None:
    plug = connector(name)
    assert is_convex(plug.profile) and is_convex(plug.edges) and is_convex(plug.hole)
    assert np.all(np.ptp(plug.hole, axis=0) < np.array(PLATE[:2]) - 0.002)
    assert np.all(plug.size <= np.array(plug.grip) + 1e-9)


def test_offset_moves_every_edge() -> None:
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    np.testing.assert_allclose(offset_polygon(square, 0.5), 1.5 * square)


def test_every_task_has_its_connector() -> None:
    names = [load_task(task).scene.get("connector") for task in task_ids()]
    assert sorted(filter(None, names)) == sorted(CONNECTORS)


def test_unknown_connector_lists_the_names() -> None:
    with pytest.raises(UnknownConnector, match=r"no connector 'scart'; there are: usb_a, vga"):
        connector("scart")
