# SPDX-License-Identifier: Apache-2.0
"""The wrist camera as the contract has it: a driver's pictures, or the camera's own, cropped, small, and watched."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from rldg_core import contract
from rldg_core.files.picture import BadPicture
from rldg_core.image_contract import ImageContract
from rldg_core.image_message import checked_stamp, colours, image_of
from rldg_core.message_values import SECOND
from rldg_robot.camera.pyrealsense import Exposure, PyrealsenseCamera
from rldg_robot.camera.source import CameraSubscription
from rldg_robot.camera.watch import CameraWatch, FrameRateLimiter
from rldg_robot.devices.hand_device import DeviceLost
from rldg_robot.node_main import run_node
from rldg_robot.ros import now, publish_on
from rldg_robot.ros_values import to_stamp

REPORT_PERIOD = 1.0  # [s]
FRAME = "wrist_camera_color_optical_frame"


class WristCameraNode(Node):
    """Takes every picture that is due, and leaves the rest undecoded."""

    def __init__(self) -> None:
        super().__init__("wrist_camera")
        self.contract = ImageContract.read(
            self.declare_parameter("crop", "640x480:80,0,480,480").value
        )
        source = self.declare_parameter("source", "camera/color").value
        either = ParameterDescriptor(dynamic_typing=True)  # 30 as well as 30.0
        self._pace = FrameRateLimiter(float(self.declare_parameter("rate", 30.0, either).value))
        serial = str(self.declare_parameter("serial", "").value)
        self._watch = CameraWatch()
        self._matrix: np.ndarray | None = None
        self._image = publish_on(self, contract.WRIST_IMAGE)
        self._info = publish_on(self, contract.WRIST_CAMERA_INFO)
        self._diagnostics = publish_on(self, contract.DIAGNOSTICS)
        self.create_timer(REPORT_PERIOD, self._report)
        self._camera: PyrealsenseCamera | None = None
        self._source: CameraSubscription | None = None
        if source == "pyrealsense":
            wanted, exposure = self.contract, self.declare_parameter("exposure", 8000).value
            light = Exposure(exposure, self.declare_parameter("gain", 16).value)
            self._camera = PyrealsenseCamera(wanted.width, wanted.height, 60, light, serial)
            self._matrix = self._camera.matrix
            threading.Thread(target=self._read_on, daemon=True).start()
        else:
            self._source = CameraSubscription(self, source, self._on_image, self._on_info)
        self.get_logger().info(f"pictures of {source}, image contract {self.contract}")

    def _on_info(self, message: CameraInfo) -> None:
        matrix = np.array(message.k).reshape(3, 3)
        if np.isfinite(matrix).all() and min(matrix[0, 0], matrix[1, 1]) > 0.0:
            self._matrix = matrix
            return
        self._matrix = None
        self.get_logger().warning(
            "the camera reports no focal length, so camera_info is left out: it is not calibrated",
            throttle_duration_sec=60.0,
        )

    def _on_image(self, cdr: bytes) -> None:
        arrived = now(self) / SECOND
        try:
            stamp = checked_stamp(cdr)
            self._watch.arrived(stamp / SECOND, arrived)
            if self._pace.takes(stamp):
                self._take(image_of(cdr), stamp)
        except BadPicture as error:
            self._drop(str(error))

    def _drop(self, reason: str) -> None:
        """Leave a picture out, and say why."""
        self._watch.dropped(reason, now(self) / SECOND)
        self.get_logger().error(f"an image was dropped: {reason}", throttle_duration_sec=5.0)

    def _take(self, message: Any, stamp: int) -> None:
        self._check_size(int(message.height), int(message.width))
        self._publish(colours(message), stamp)

    def _read_on(self) -> None:
        """The camera's own thread: it waits for pictures."""
        assert self._camera is not None
        while self.context.ok():
            try:
                picture, taken = self._camera.wait()
            except DeviceLost as error:
                self._watch.trouble = str(error)
                continue
            arrived = now(self)
            stamp = arrived if taken is None else taken
            self._watch.trouble = ""
            self._watch.arrived(stamp / SECOND, arrived / SECOND)
            if self._pace.takes(stamp):
                try:
                    self._check_size(*picture.shape[:2])
                except BadPicture as error:
                    self._drop(str(error))
                else:
                    self._publish(picture, stamp)

    def _check_size(self, height: int, width: int) -> None:
        wanted = self.contract
        if not width or not height:
            raise BadPicture(
                f"images are {width}x{height}, which cannot be: its driver is at fault"
            )
        if (width, height) != (wanted.width, wanted.height):
            raise BadPicture(
                f"images are {width}x{height}, the image contract is of {wanted.width}x{wanted.height}: a "
                "D405 ignores rgb_camera.*, it wants depth_module.color_profile; another camera wants "
                f"crop:={ImageContract.centred(width, height).crop}"
            )

    def _publish(self, picture: np.ndarray, stamp: int) -> None:
        size = self.contract.size
        image = Image(height=size, width=size, encoding="rgb8", step=3 * size)
        image.data = self.contract.apply(picture).tobytes()
        image.header.stamp, image.header.frame_id = to_stamp(stamp), FRAME
        if self._matrix is not None:
            self._info.publish(self._info_of(self._matrix, image))
        self._image.publish(image)

    def _info_of(self, matrix: np.ndarray, image: Image) -> CameraInfo:
        seen = self.contract.camera_matrix(matrix)
        info = CameraInfo(header=image.header, height=image.height, width=image.width)
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        info.k, info.r = seen.flatten(), np.eye(3).flatten()
        info.p = np.hstack([seen, np.zeros((3, 1))]).flatten()
        return info

    def _report(self) -> None:
        if self._source is not None:
            self._watch.silence = self._source.look()
        report = self._watch.report(now(self) / SECOND)
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if report.ok else DiagnosticStatus.ERROR,
            name="wrist_camera",
            message=report.message,
            values=[
                KeyValue(key="images per second", value=f"{report.rate:.1f}"),
                KeyValue(key="age of the last [s]", value=f"{report.age:.3f}"),
                KeyValue(key="from stamp to arrival [s]", value=f"{report.delay:.3f}"),
                KeyValue(key="image contract", value=str(self.contract)),
            ],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now(self))
        self._diagnostics.publish(message)

    def destroy_node(self) -> None:
        """Let the camera go."""
        if self._camera is not None:
            self._camera.close()
        super().destroy_node()


def main() -> None:
    """Entry point."""
    run_node(WristCameraNode)
