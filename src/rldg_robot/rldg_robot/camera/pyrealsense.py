# SPDX-License-Identifier: Apache-2.0
"""A RealSense D405 without a ROS driver. Of all modules this one alone imports pyrealsense2."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing
from rldg_robot.message_values import SECOND

PATIENCE_MS = 2000
"""for a picture, until the camera counts as lost"""


class PyrealsenseCamera:
    """Colour pictures of the first RealSense, or of the one with that serial number."""

    def __init__(self, width: int, height: int, rate: int, serial: str = "") -> None:
        """Start it.

        Raises:
            DeviceMissing: there is no library, no camera, or it does not offer such pictures.
        """
        try:
            self._rs: Any = import_module("pyrealsense2")
        except ImportError as error:
            raise DeviceMissing(
                f"camera:=pyrealsense cannot import pyrealsense2 ({error}): "
                ".venv/bin/pip install pyrealsense2==2.59.1.11053 and sudo apt-get install libusb-1.0-0; "
                "or use the ROS driver: camera:=realsense"
            ) from error
        config = self._rs.config()
        if serial:
            config.enable_device(serial)
        config.enable_stream(self._rs.stream.color, width, height, self._rs.format.rgb8, rate)
        self._pipeline = self._rs.pipeline()
        try:
            profile = self._pipeline.start(config)
        except RuntimeError as error:
            raise DeviceMissing(
                f"no RealSense gives {width}x{height} at {rate} Hz ({error}): is it plugged into USB 3, and does no "
                "other program have it? Its udev rules come with librealsense2-udev-rules"
            ) from error
        stream = profile.get_stream(self._rs.stream.color).as_video_stream_profile()
        self.matrix = camera_matrix(stream.get_intrinsics())
        """(3, 3) of the whole picture"""

    def wait(self) -> tuple[np.ndarray, int | None]:
        """The next picture (height, width, 3) uint8, and when it was taken [ns of wall time], where the camera's clock
        is known.

        Raises:
            DeviceLost: none came.
        """
        try:
            frame = self._pipeline.wait_for_frames(PATIENCE_MS).get_color_frame()
        except RuntimeError as error:
            raise DeviceLost(f"the camera gives no picture ({error})") from error
        own = self._rs.timestamp_domain.hardware_clock
        known = frame.get_frame_timestamp_domain() != own
        stamp = int(frame.get_timestamp() * SECOND / 1000) if known else None
        return np.asanyarray(frame.get_data()), stamp

    def close(self) -> None:
        """Stop it."""
        self._pipeline.stop()


def camera_matrix(intrinsics: Any) -> np.ndarray:
    """(3, 3) of librealsense's intrinsics, which count from pixels' centres, too."""
    return np.array(
        [
            [intrinsics.fx, 0.0, intrinsics.ppx],
            [0.0, intrinsics.fy, intrinsics.ppy],
            [0.0, 0.0, 1.0],
        ]
    )
