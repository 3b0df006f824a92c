# SPDX-License-Identifier: Apache-2.0
"""The wrist camera of a real set-up: which driver brings its pictures, and which part of them is seen."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rldg_bringup.arguments import (
    Argument,
    Reader,
    Resume,
    StackError,
    Value,
    Values,
    matching,
    only_with,
    whole,
)

BY_DRIVER = only_with("camera", "realsense", "pyrealsense")
PROFILE, VARIABLE = "fastdds.xml", "FASTRTPS_DEFAULT_PROFILES_FILE"


def _crop(text: str) -> str:
    if not re.fullmatch(r"\d{1,5}x\d{1,5}:\d{1,5},\d{1,5},\d{1,5},\d{1,5}", text, re.ASCII):
        raise ValueError
    width, height, left, top, wide, high = map(int, re.split("[x:,]", text))
    if not (0 < wide <= width - left and 0 < high <= height - top):
        raise ValueError
    return text


CAMERA = Argument(
    "camera",
    "robot",
    "Source of the images; robot: its own, as the twin's; realsense: a D405 through its ROS driver, which is "
    "started; pyrealsense: without it; topic: a driver that runs already.",
    choices=("robot", "realsense", "pyrealsense", "topic"),
    resume=Resume.KEPT,
    needs=(only_with("transport", "ros", says="needs ROS"),),
)
CAMERA_TOPIC = Argument(
    "camera_topic",
    "camera/camera/color",
    "camera:=topic: where that driver publishes image_raw or image_rect_raw.",
    parse=matching(
        r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", "the name of a topic's folder, such as camera/color"
    ),
    resume=Resume.KEPT,
    needs=(only_with("camera", "topic"),),
)
CROP = Argument(
    "crop",
    "640x480:80,0,480,480",
    "The camera's image size and the box in it that is used: <width>x<height>:<left>,<top>,<width>,<height>. Stored "
    "with every bag.",
    parse=Reader("a size and a box within it, such as 640x480:80,0,480,480", _crop),
    resume=Resume.FIXED,
    needs=(only_with("camera", "realsense", "pyrealsense", "topic"),),
)
EXPOSURE = Argument(
    "exposure",
    "8000",
    "camera:=realsense and pyrealsense: exposure in microseconds; 0: automatic, which changes what policies see.",
    parse=whole(0, 1_000_000),
    resume=Resume.KEPT,
    needs=(BY_DRIVER,),
)
SERIAL = Argument(
    "serial",
    "",
    "Serial number of the camera, where there are several. Empty: the first.",
    parse=matching(r"\d{0,20}", "digits"),
    resume=Resume.KEPT,
    needs=(BY_DRIVER,),
)
CAMERAS = (CAMERA, CAMERA_TOPIC, CROP, EXPOSURE, SERIAL)
GAIN, RATE = 16, 60


@dataclass(frozen=True)
class CameraNode:
    """A process that brings pictures."""

    package: str
    executable: str
    name: str
    parameters: Values


def is_real(values: Values) -> bool:
    """Whether a camera of its own brings the pictures, and not the robot."""
    return values.get("camera", CAMERA.default) != CAMERA.default


def camera_nodes(values: Values) -> list[CameraNode]:
    """What brings the pictures of the contract, where the robot does not."""
    camera = str(values["camera"])
    source = {"realsense": "camera/color", "topic": str(values["camera_topic"])}.get(camera, camera)
    serial = str(values["serial"])
    seen: dict[str, Value] = {"source": source, "crop": values["crop"], "serial": serial}
    if camera == "pyrealsense":
        seen |= {"exposure": int(values["exposure"]), "gain": GAIN}
    small = CameraNode("rldg_robot", "wrist_camera", "wrist_camera", seen)
    if camera != "realsense":
        return [small]
    driver = CameraNode(
        "realsense2_camera", "realsense2_camera_node", "camera", realsense_parameters(values)
    )
    return [driver, small]


def realsense_parameters(values: Values) -> dict[str, Value]:
    """Those that a D405 listens to: it has no colour sensor, so that rgb_camera.* is ignored without a word."""
    size = str(values["crop"]).partition(":")[0]
    exposure = int(values["exposure"])
    parameters: dict[str, Value] = {
        "depth_module.color_profile": f"{size}x{RATE}",
        "depth_module.color_format": "RGB8",
        "depth_module.enable_auto_exposure": exposure == 0,
        "enable_depth": False,
        "enable_infra1": False,
        "enable_infra2": False,
        "enable_sync": False,
        "publish_tf": False,
        "diagnostics_period": 1.0,
    }
    if exposure:
        parameters |= {"depth_module.exposure": exposure, "depth_module.gain": GAIN}
    if serial := str(values["serial"]):
        parameters["serial_no"] = f"_{serial}"  # digits alone would be read as a number
    return parameters


def large_pictures() -> dict[str, str]:
    """The environment in which Fast DDS does not lose them; the caller's own profile wins.

    Raises:
        StackError: the profile is not installed.
    """
    if VARIABLE in os.environ:
        return {}
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(":")
    for prefix in filter(None, prefixes):
        path = Path(prefix, "share", "rldg_bringup", "config", PROFILE)
        if path.is_file():
            return {VARIABLE: str(path)}
    raise StackError(f"there is no {PROFILE} in AMENT_PREFIX_PATH: build with ./rldg setup")
