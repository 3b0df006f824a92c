# SPDX-License-Identifier: Apache-2.0
"""The wrist camera's node between a driver's topic and the contract's, over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from harness import PATIENCE, Processes, expect_exit
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from rldg_core import contract
from rldg_core.image_contract import ImageContract
from rldg_core.message_values import nanoseconds
from rldg_robot.ros import listen_to, now
from rldg_robot.ros_values import to_stamp


class Driver:
    """Publishes as realsense2_camera does, and hears what becomes of it."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = Node("camera")
        self._info = self.node.create_publisher(CameraInfo, "camera/color/camera_info", 10)
        self._publishers = {
            name: self.node.create_publisher(Image, f"camera/color/{name}", 10)
            for name in ("image_raw", "image_rect_raw")
        }
        self.seen: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.said: list[DiagnosticStatus] = []
        listen_to(self.node, contract.WRIST_IMAGE, self.seen.append)
        listen_to(self.node, contract.WRIST_CAMERA_INFO, self.infos.append)
        listen_to(self.node, contract.DIAGNOSTICS, lambda m: self.said.extend(m.status))

    def shoots(self, picture: np.ndarray, name: str = "image_raw", encoding: str = "rgb8") -> int:
        """Publish a picture and what the camera is; the picture's stamp."""
        height, width, _ = picture.shape
        stamp = now(self.node)
        image = Image(height=height, width=width, encoding=encoding, step=3 * width)
        image.data, image.header.stamp = picture.tobytes(), to_stamp(stamp)
        info = CameraInfo(header=image.header, height=height, width=width)
        info.k = [430.0, 0.0, 319.5, 0.0, 430.0, 239.5, 0.0, 0.0, 1.0]
        self._info.publish(info)
        self._publishers[name].publish(image)
        return stamp

    def until(
        self, condition: Callable[[], bool], what: str, shoot: Callable[[], int] | None = None
    ) -> None:
        """Spin, shooting 30 times a second, until a condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
            if shoot is not None:
                shoot()
            for _ in range(10):
                rclpy.spin_once(self.node, timeout_sec=0.0033)


@pytest.fixture
def driver(domain: int) -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.node.destroy_node()


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", ["image_raw", "image_rect_raw"])
def test_pictures_come_small_with_the_cameras_stamp(
    processes: Processes, driver: Driver, picture: np.ndarray, name: str
) -> None:
    processes.node("rldg_robot", "wrist_camera")
    shot: list[int] = []
    driver.until(
        lambda: len(driver.seen) > 3 and len(driver.infos) > 3,
        "pictures",
        lambda: shot.append(driver.shoots(picture, name)) or 0,
    )
    last = driver.seen[-1]
    assert (last.height, last.width, last.encoding) == (128, 128, "rgb8")
    assert nanoseconds(last.header.stamp) in shot
    seen = np.frombuffer(last.data, np.uint8).reshape(128, 128, 3)
    assert np.array_equal(seen, ImageContract().apply(picture))
    assert driver.infos[-1].k[2] == pytest.approx((319.5 - 80 + 0.5) * 128 / 480 - 0.5)
    driver.seen.clear()
    driver.until(
        lambda: (
            len(driver.seen) > 0
            and bytes(driver.seen[-1].data) == ImageContract().apply(picture[:, :, ::-1]).tobytes()
        ),
        "the same with red and blue the other way round",
        lambda: driver.shoots(picture, name, "bgr8"),
    )
    driver.until(
        lambda: any(s.name == "wrist_camera" and "old" in s.message for s in driver.said),
        "stale pictures to be told",
    )


def test_pictures_of_another_size_are_refused_and_explained(
    processes: Processes, driver: Driver, picture: np.ndarray
) -> None:
    node = processes.node("rldg_robot", "wrist_camera")
    driver.until(
        lambda: any("images are 600x480" in status.message for status in driver.said),
        "the reason on /diagnostics",
        lambda: driver.shoots(picture[:, :600]),
    )
    assert not driver.seen
    assert "depth_module.color_profile" in node.log.read_text()


def test_without_pyrealsense_the_fix_is_reported(processes: Processes) -> None:
    node = processes.node("rldg_robot", "wrist_camera", source="pyrealsense")
    expect_exit(node, 2)
    output = node.log.read_text()
    assert "pip install pyrealsense2" in output or "no RealSense gives 640x480" in output
