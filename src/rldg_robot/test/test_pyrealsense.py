# SPDX-License-Identifier: Apache-2.0
"""How a RealSense is started and started again; librealsense itself is played, for there is no camera."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rldg_robot.camera import pyrealsense
from rldg_robot.camera.pyrealsense import Exposure, PyrealsenseCamera
from rldg_robot.devices.hand_device import DeviceLost


class Plugged:
    """What is on the bus, and what was asked of it."""

    def __init__(self) -> None:
        self.there = True
        self.started = 0
        self.options: dict[str, float] = {}


class Pipeline:
    """As librealsense's: once it gave the device up, it only says that it is not started."""

    bus: Plugged

    def __init__(self) -> None:
        self._runs = False

    def start(self, _: object) -> object:
        if not self.bus.there:
            raise RuntimeError("No device connected")
        self._runs = True
        self.bus.started += 1
        intrinsics = SimpleNamespace(fx=1.0, fy=1.0, ppx=1.0, ppy=1.0)
        stream = SimpleNamespace(get_intrinsics=lambda: intrinsics)
        sensor = SimpleNamespace(set_option=self.bus.options.__setitem__)
        return SimpleNamespace(
            get_stream=lambda _: SimpleNamespace(as_video_stream_profile=lambda: stream),
            get_device=lambda: SimpleNamespace(first_depth_sensor=lambda: sensor),
        )

    def wait_for_frames(self, _: int) -> object:
        if not self._runs:
            raise RuntimeError("wait_for_frames cannot be called before start()")
        if not self.bus.there:
            self._runs = False
            raise RuntimeError("Device disconnected. Failed to reconnect")
        picture = np.zeros((480, 640, 3), np.uint8)
        frame = SimpleNamespace(
            get_frame_timestamp_domain=lambda: "hardware_clock", get_data=lambda: picture
        )
        return SimpleNamespace(get_color_frame=lambda: frame)

    def stop(self) -> None:
        if not self._runs:
            raise RuntimeError("stop() cannot be called before start()")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Plugged:
    def named(*names: str) -> SimpleNamespace:
        return SimpleNamespace(**{name: name for name in names})

    config = SimpleNamespace(enable_device=lambda _: None, enable_stream=lambda *_: None)
    bus = Plugged()
    library = SimpleNamespace(
        config=lambda: config,
        pipeline=type("ThisPipeline", (Pipeline,), {"bus": bus}),
        stream=named("color"),
        format=named("rgb8"),
        option=named("enable_auto_exposure", "exposure", "gain"),
        timestamp_domain=named("hardware_clock"),
    )
    monkeypatch.setitem(sys.modules, "pyrealsense2", library)
    monkeypatch.setattr(pyrealsense, "RETRY_SECONDS", 0.0)
    return bus


@pytest.mark.parametrize(
    ("exposure", "options"),
    [
        (Exposure(4000, 16), {"enable_auto_exposure": 0.0, "exposure": 4000.0, "gain": 16.0}),
        (Exposure(0, 16), {"enable_auto_exposure": 1.0}),
    ],
)
def test_exposure_is_what_was_asked_for(
    bus: Plugged, exposure: Exposure, options: dict[str, float]
) -> None:
    PyrealsenseCamera(640, 480, 60, exposure)
    assert bus.options == options


def test_a_camera_that_was_unplugged_is_started_again(bus: Plugged) -> None:
    camera = PyrealsenseCamera(640, 480, 60, Exposure(4000, 16))
    assert camera.wait()[0].shape == (480, 640, 3)
    bus.there = False
    for _ in range(3):
        with pytest.raises(DeviceLost, match="delivers no image"):
            camera.wait()
    bus.there = True
    bus.options.clear()
    with pytest.raises(DeviceLost):
        camera.wait()
    assert camera.wait()[0].shape == (480, 640, 3)
    assert bus.started == 2 and bus.options["exposure"] == 4000.0
    bus.there = False
    with pytest.raises(DeviceLost):
        camera.wait()
    camera.close()
