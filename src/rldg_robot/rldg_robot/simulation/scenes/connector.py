# SPDX-License-Identifier: Apache-2.0
"""Connector insertion: a plug that is fixed to the hand, a socket in a board that stands still.

`scene: {connector: <name>}`, one of `connectors.CONNECTORS`.
"""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from rldg_core.task import Task
from rldg_robot.simulation.connectors import SHOULDER, connector
from rldg_robot.simulation.drawing import CameraView
from rldg_robot.simulation.polygons import contains
from rldg_robot.simulation.scenes.connector_looks import draw_board, draw_plug, draw_socket
from rldg_robot.simulation.scenes.scene import TCP_OFFSET, Scene, SceneState, Tool, Waypoint
from rldg_robot.simulation.scenes.solids import add_hole, add_prism

PLUG_MASS = 0.04
"""[kg]"""
PLUG_COM = (0.0, 0.0, 0.005)
"""[m] in the TCP frame"""
WALL = 0.13
"""[m] thickness of the walls around the hole: they are the board, too, wherever the plug can
reach"""
LATERAL_TOLERANCE = 0.0003
"""[m] by which soft contacts may let the plug into the wall"""


class ConnectorScene(Scene):
    """Progress is the inserted part of the depth."""

    surface = "board"
    board = "socket"
    roams = False
    view = CameraView(eye=(1.22, -0.78, 0.66), focus=(0.30, 0.0, 0.335))

    def __init__(self, task: Task, what: str) -> None:
        """Look up the connector.

        Raises:
            UnknownConnector: there is none of that name.
        """
        super().__init__(task, what)
        plug = connector(what)
        self.connector = replace(plug, clearance=plug.clearance + task.extra_clearance)
        self.tool = Tool(PLUG_MASS, PLUG_COM, self.connector.grip[1])

    def add(self, spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
        """Plug fixed to the hand; socket, its origin at the mouth, z into the board, axes as the
        TCP's at the goal.
        """
        plug = self.connector
        body = hand.add_body(name="plug", pos=[0, 0, TCP_OFFSET], gravcomp=1.0)
        body.explicitinertial = True
        body.mass, body.ipos, body.inertia = PLUG_MASS, PLUG_COM, [1e-5, 1e-5, 5e-6]
        body.add_site(name="wrench")
        add_prism(body, plug.edges, plug.corner_radius, SHOULDER - 0.01, plug.protrusion)
        x, y, z, w = self.task.goal.quaternion
        socket = spec.worldbody.add_body(name="socket", quat=[w, x, y, z])
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, np.array([w, x, y, z]))
        socket.pos = np.array(self.task.goal.position) + rotation.reshape(3, 3)[:, 2] * SHOULDER
        add_hole(socket, plug.hole, plug.depth, WALL)

    def draw(self, spec: mujoco.MjSpec) -> None:
        """Plug, socket, board."""
        draw_plug(spec, self.connector)
        draw_socket(spec, self.connector)
        draw_board(spec)

    def waypoint(self, moment: SceneState) -> Waypoint:
        """TCP with the plug fully inserted."""
        return Waypoint(self.task.goal_pose)

    def progress(self, moment: SceneState) -> float:
        """Inserted part of the depth; 0 while the plug's tip is not in the hole."""
        measured = moment.tcp.relative_to(self.task.goal_pose)
        plug = self.connector
        tip = np.array([measured.transform((x, y, plug.protrusion)) for x, y in plug.profile])
        inserted = float(tip[:, 2].mean()) - SHOULDER
        if inserted <= 0.0 or not contains(plug.hole, tip[:, :2], LATERAL_TOLERANCE):
            return 0.0
        return min(inserted / plug.depth, 1.0)
