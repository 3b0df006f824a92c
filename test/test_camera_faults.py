# SPDX-License-Identifier: Apache-2.0
"""A camera that sends invalid pictures: they are dropped and reported; and one that sends by best effort."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from harness import PATIENCE, Processes
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image

from rldg_core import contract
from rldg_core.image_message import colours
from rldg_core.message_values import stamp_of
from rldg_core.task import load_task
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.robot.robot_client import RobotClient
from rldg_robot.ros import listen_to, make_executor, now, unheard
from rldg_robot.ros_values import to_stamp

TOPIC = "camera/color/image_raw"
PICTURE = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
ROW = 3 * 640
BAD: dict[str, dict[str, object]] = {
    "cut short": {"data": PICTURE.tobytes()[:1000]},
    "row (step) has 0 bytes": {"step": 0},
    "images are 0x480": {"width": 0, "step": 0, "data": b""},
    "images are 640x0": {"height": 0, "data": b""},
    "16-bit": {"encoding": "mono16", "step": 1280, "data": bytes(480 * 1280)},
    "of encoding 'x' cannot": {"encoding": "x"},
    "Bayer": {"encoding": "bayer_rggb8", "step": 640, "data": bytes(480 * 640)},
    "bytes instead of": {"step": 2**31},
}


class Camera:
    """Publishes pictures on any topic, and hears what becomes of them."""

    def __init__(self, topic: str, reliability: ReliabilityPolicy) -> None:
        rclpy.init()
        self.node = Node("usb_cam")
        profile = QoSProfile(depth=5, reliability=reliability)
        self._publisher = self.node.create_publisher(Image, topic, profile)
        self.seen: list[Image] = []
        self.said: list[DiagnosticStatus] = []
        listen_to(self.node, contract.WRIST_IMAGE, self.seen.append)
        listen_to(self.node, contract.DIAGNOSTICS, lambda m: self.said.extend(m.status))

    def shoots(self, **changed: object) -> None:
        image = Image(height=480, width=640, encoding="rgb8", step=ROW)
        fields = {"data": PICTURE.tobytes()} | changed
        for name, value in fields.items():
            setattr(image, name, value)
        image.header.stamp = to_stamp(now(self.node))
        self._publisher.publish(image)

    def until(
        self, condition: Callable[[], bool], what: str, shoot: Callable[[], None] | None = None
    ) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
            if shoot is not None:
                shoot()
            for _ in range(10):
                rclpy.spin_once(self.node, timeout_sec=0.0033)

    def reports(self, words: str) -> bool:
        return any(words in status.message for status in self.said)


@pytest.fixture
def camera(request: pytest.FixtureRequest, domain: int) -> Iterator[Camera]:
    topic, reliability = getattr(request, "param", (TOPIC, ReliabilityPolicy.RELIABLE))
    made = Camera(topic, reliability)
    yield made
    made.node.destroy_node()


def test_bad_pictures_are_dropped_and_reported_and_the_next_good_one_passes(
    processes: Processes, camera: Camera
) -> None:
    node = processes.node("rldg_robot", "wrist_camera")
    camera.until(lambda: len(camera.seen) > 0, "a picture", camera.shoots)
    for words, changed in BAD.items():
        shot = lambda changed=changed: camera.shoots(**changed)  # noqa: E731
        camera.until(lambda words=words: camera.reports(words), f"'{words}' on /diagnostics", shot)
        camera.seen.clear()
        camera.until(lambda: len(camera.seen) > 0, f"a picture after '{words}'", camera.shoots)
    assert node.poll() is None
    assert colours(camera.seen[-1]).shape == (128, 128, 3)
    assert "an image was dropped: " in node.log.read_text()


def test_a_camera_matrix_that_is_none_is_left_out(processes: Processes, camera: Camera) -> None:
    node = processes.node("rldg_robot", "wrist_camera")
    publisher = camera.node.create_publisher(CameraInfo, "camera/color/camera_info", 1)
    seen: list[CameraInfo] = []
    listen_to(camera.node, contract.WRIST_CAMERA_INFO, seen.append)

    def shoot(focal: float) -> None:
        publisher.publish(CameraInfo(k=[focal, 0.0, 320.0, 0.0, focal, 240.0, 0.0, 0.0, 1.0]))
        camera.shoots()

    for focal in (float("nan"), float("inf"), 0.0):
        camera.seen.clear()
        camera.until(lambda: len(camera.seen) > 5, "pictures", lambda f=focal: shoot(f))
    assert not seen and "not calibrated" in node.log.read_text()
    camera.until(lambda: bool(seen), "a camera_info", lambda: shoot(400.0))
    assert np.isfinite(seen[-1].k).all()


@pytest.mark.parametrize("camera", [(TOPIC, ReliabilityPolicy.BEST_EFFORT)], indirect=True)
def test_a_camera_that_offers_best_effort_alone_is_heard(
    processes: Processes, camera: Camera
) -> None:
    processes.node("rldg_robot", "wrist_camera")
    camera.until(lambda: len(camera.seen) > 2, "pictures", camera.shoots)


def test_a_camera_of_another_name_is_named(processes: Processes, camera: Camera) -> None:
    processes.node("rldg_robot", "wrist_camera", source="camera/camera/color")
    words = "no node publishes camera/camera/color/image_raw or camera/camera/color/image_rect_raw"
    camera.until(lambda: camera.reports(words), "who is missing")
    camera.until(lambda: camera.reports(TOPIC), "what there is instead")


def test_an_actor_drops_bad_pictures_and_names_why_none_is_seen(camera: Camera) -> None:
    client = Node("actor")
    seen = RobotClient(client, make_executor(client), load_task("connector/vga"), patience=2.0)
    wrong = camera.node.create_publisher(Image, contract.WRIST_IMAGE.name, 5)
    bad = Image(height=128, width=128, encoding="rgb8", step=384, data=bytes(10))

    def keep_sending() -> None:
        for _ in range(20):
            wrong.publish(bad)
            seen.spin(0.05)

    keep_sending()
    with pytest.raises(RobotSilent, match="image was dropped: a 128x128 rgb8 image has 10 bytes"):
        seen.measure()
    camera.node.destroy_publisher(wrong)
    deaf = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera.node.create_publisher(Image, contract.WRIST_IMAGE.name, deaf)
    with pytest.raises(
        RobotSilent, match="usb_cam offers wrist_camera/color/image_raw by best effort"
    ):
        seen.measure()
    assert unheard(client, contract.WRIST_IMAGE)
    client.destroy_node()


def test_bytes_that_are_too_few_for_a_stamp_are_dropped(camera: Camera) -> None:
    heard: list[int] = []
    listen_to(camera.node, contract.WRIST_IMAGE, lambda cdr: heard.append(stamp_of(cdr)), raw=True)
    short = camera.node.create_publisher(Image, contract.WRIST_IMAGE.name, 5)
    whole = serialize_message(Image(height=1, width=1, step=3, encoding="rgb8", data=bytes(3)))

    def sends() -> None:
        for cdr in (b"", b"\0\1\0", b"\0\1\0\0\1\0", whole):
            short.publish(cdr)

    camera.until(lambda: len(heard) > 2, "the whole ones", sends)
