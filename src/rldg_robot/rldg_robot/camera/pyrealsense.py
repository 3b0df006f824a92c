# SPDX-License-Identifier: Apache-2.0
"""A RealSense D405 without a ROS driver. Of all modules this one alone imports pyrealsense2."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from rldg_core.message_values import SECOND
from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing

PATIENCE_MS = 2000
"""for a picture, until the camera counts as lost"""
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Exposure:
    """How bright pictures are."""

    microseconds: int
    """0: automatic, which changes what policies see"""
    gain: int

    @property
    def automatic(self) -> bool:
        """Whether the camera decides."""
        return self.microseconds == 0


class PyrealsenseCamera:
    """Colour pictures of the first RealSense, or of the one with that serial number."""

    def __init__(
        self, width: int, height: int, rate: int, exposure: Exposure, serial: str = ""
    ) -> None:
        """Start it.

        Args:
            width: [pixel] of the whole picture.
            height: [pixel]
            rate: [Hz]
            exposure: of every picture.
            serial: number of the camera, where there are several.

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
        self._config = self._rs.config()
        if serial:
            self._config.enable_device(serial)
        color = self._rs.stream.color
        self._config.enable_stream(color, width, height, self._rs.format.rgb8, rate)
        self._exposure = exposure
        try:
            profile = self._start()
        except RuntimeError as error:
            raise DeviceMissing(
                f"no RealSense gives {width}x{height} at {rate} Hz ({error}): is it plugged into USB 3, and does no "
                "other program have it? Its udev rules come with librealsense2-udev-rules"
            ) from error
        stream = profile.get_stream(color).as_video_stream_profile()
        self.matrix = camera_matrix(stream.get_intrinsics())
        """(3, 3) of the whole picture"""

    def wait(self) -> tuple[np.ndarray, int | None]:
        """The next picture (height, width, 3) uint8, and when it was taken [ns of wall time], where the camera's clock
        is known. A camera that was lost is started anew.

        Raises:
            DeviceLost: none came.
        """
        try:
            frame = self._pipeline.wait_for_frames(PATIENCE_MS).get_color_frame()
        except RuntimeError as error:
            self._start_again()
            raise DeviceLost(f"the camera delivers no image ({error})") from error
        own = self._rs.timestamp_domain.hardware_clock
        known = frame.get_frame_timestamp_domain() != own
        stamp = int(frame.get_timestamp() * SECOND / 1000) if known else None
        return np.asanyarray(frame.get_data()), stamp

    def close(self) -> None:
        """Stop it."""
        with suppress(RuntimeError):  # of one that is lost already
            self._pipeline.stop()

    def _start(self) -> Any:
        self._pipeline = self._rs.pipeline()
        profile = self._pipeline.start(self._config)
        option, exposure = self._rs.option, self._exposure
        # A D405 has no colour sensor: its stereo module gives the colours.
        sensor = profile.get_device().first_depth_sensor()
        sensor.set_option(option.enable_auto_exposure, float(exposure.automatic))
        if not exposure.automatic:
            sensor.set_option(option.exposure, float(exposure.microseconds))
            sensor.set_option(option.gain, float(exposure.gain))
        return profile

    def _start_again(self) -> None:
        """After a while librealsense gives up a camera that was unplugged, and never looks for it again by itself."""
        self.close()
        time.sleep(RETRY_SECONDS)
        with suppress(RuntimeError):
            self._start()


def camera_matrix(intrinsics: Any) -> np.ndarray:
    """(3, 3) of librealsense's intrinsics, which count from pixels' centres, too."""
    return np.array(
        [
            [intrinsics.fx, 0.0, intrinsics.ppx],
            [0.0, intrinsics.fy, intrinsics.ppy],
            [0.0, 0.0, 1.0],
        ]
    )
