# SPDX-License-Identifier: Apache-2.0
"""Watch the scene live in a browser: the arm from outside and the wrist image, as JPEGs, on this machine only."""

from __future__ import annotations

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image as Picture
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from rldg_core import contract
from rldg_core.files.picture import BadPicture
from rldg_core.image_message import colours
from rldg_core.message_values import pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task, named_tasks
from rldg_core.user_error import UserError
from rldg_msgs.msg import Episode, TaskState
from rldg_robot.node_main import run_node
from rldg_robot.ros import listen_to
from rldg_robot.simulation.film import Film

SIZE = 480
PERIOD = 0.1  # [s] of wall time between pictures: rendering in software must not starve the run
PAGE = b"""<!doctype html><title>RLDG</title>
<body style="margin:0;background:#111;display:grid;place-items:center;height:100vh">
<img src="/stream" style="max-width:100vw;max-height:100vh">"""


class LatestFrame:
    """The newest picture, and those who wait for it."""

    def __init__(self) -> None:
        self._jpeg = b""
        self._changed = threading.Condition()
        self.watchers = 0

    def show(self, pixels: np.ndarray) -> None:
        """Put up a picture (H, W, 3) uint8."""
        buffer = io.BytesIO()
        Picture.fromarray(pixels).save(buffer, "JPEG", quality=85)
        with self._changed:
            self._jpeg = buffer.getvalue()
            self._changed.notify_all()

    def wait(self) -> bytes:
        """The next picture as JPEG."""
        with self._changed:
            self._changed.wait(timeout=1.0)
            return self._jpeg


def handler_for(stage: LatestFrame) -> type[BaseHTTPRequestHandler]:
    """A request handler that serves the page and the stream."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """`/` is the page, `/stream` the pictures."""
            if self.path == "/":
                self._start("text/html")
                self.wfile.write(PAGE)
            elif self.path == "/stream":
                self._start("multipart/x-mixed-replace; boundary=picture")
                self._stream()
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

        def _start(self, content_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()

        def _stream(self) -> None:
            stage.watchers += 1
            try:
                while True:
                    jpeg = stage.wait()
                    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                stage.watchers -= 1

    return Handler


class ViewerNode(Node):
    """Renders what the joint states say, only while somebody watches."""

    def __init__(self) -> None:
        super().__init__("viewer")
        self._films: dict[str, Film] = {}
        first, *_ = named_tasks(self.declare_parameter("task", "connector/vga").value)
        self._take_up(first)
        port = int(self.declare_parameter("port", 8090).value)
        self.stage = LatestFrame()
        self._joints: np.ndarray | None = None
        self._objects: list[Pose] = []
        self._wrist: Image | None = None
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler_for(self.stage))
        except OSError as error:
            raise UserError(f"cannot serve the view on port {port}: {error.strerror}") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        listen_to(self, contract.EPISODE, self._on_episode)
        listen_to(self, contract.JOINT_STATES, self._on_joints)
        listen_to(self, contract.TASK_STATE, self._on_task_state)
        listen_to(self, contract.WRIST_IMAGE, self._on_image)
        self.create_timer(PERIOD, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"watch at http://localhost:{port}")

    def _take_up(self, task: str) -> None:
        """Show another task's scene; one that was there before is kept."""
        if task not in self._films:
            self._films[task] = Film(load_task(task), size=SIZE, shadows=False)
        self.film = self._films[task]

    def _on_episode(self, message: Episode) -> None:
        if message.status == Episode.OPEN:
            self._take_up(f"{message.task}/{message.variant}")

    def _on_joints(self, message: JointState) -> None:
        self._joints = np.array(message.position)

    def _on_task_state(self, message: TaskState) -> None:
        self._objects = [pose_of(pose) for pose in message.objects]

    def _on_image(self, message: Image) -> None:
        self._wrist = message

    def _draw(self) -> None:
        if self._joints is None or self.stage.watchers == 0:
            return
        if self._objects and len(self._objects) != self.film.objects:
            return  # the episode's scene is up, and what was heard last is of another
        scene = self.film.frame(self._joints, self._objects)
        self.stage.show(np.hstack([scene, *self._wrist_view()]))

    def _wrist_view(self) -> list[np.ndarray]:
        """What the wrist camera sees beside the scene, if anything."""
        if self._wrist is None:
            return []
        try:
            picture = Picture.fromarray(colours(self._wrist))
        except BadPicture as error:
            self.get_logger().warning(f"an image was dropped: {error}", throttle_duration_sec=5.0)
            return []
        return [np.asarray(picture.resize((SIZE, SIZE)))]

    def destroy_node(self) -> None:
        """Close the port."""
        self._server.shutdown()
        super().destroy_node()


def main() -> None:
    """Entry point."""
    run_node(ViewerNode)
