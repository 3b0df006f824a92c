# SPDX-License-Identifier: Apache-2.0
"""A SpaceMouse, read directly as a HID device or through the daemon spacenavd.

ROS's own `spacenav_node` is not used. It tells a button in the one message of its press and in none while it is held,
so that two are never seen held together, and repeats its last word about 1000 times a second whether or not the device
still says anything (joystick_drivers, spacenav.cpp).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from importlib import import_module
from typing import Any

import numpy as np

from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing, Push

SILENCE = 0.5
"""[s] after which a deflection that the device does not repeat is let go: it has lost its radio, or its end was lost"""
NAMED = (("LEFT", "RIGHT"), ("BTN_1", "BTN_2"))
"""the two buttons, as pyspacemouse names them, on the small devices and on the large ones"""
RULE = "src/rldg_bringup/config/70-spacemouse.rules"
SOCKET = os.environ.get("SPNAV_SOCKET", "/var/run/spnav.sock")
"""as libspnav finds it"""
EVENT = struct.Struct("8i")
MOTION, PRESS, RELEASE = 0, 1, 2
FULL_SCALE = 350.0
"""of the devices' numbers, as in pyspacemouse"""


class HidSpaceMouse:
    """Through pyspacemouse: no daemon, but the right to read `/dev/hidraw*`."""

    def __init__(self, mouse: Any) -> None:
        """`mouse`: an open pyspacemouse.SpaceMouseDevice in the convention ROS."""
        self.name: str = mouse.product_name or mouse.name
        self.reports = 0
        """that have come so far"""
        self._mouse = mouse
        self._report_time = -1.0  # time of the newest report
        self._heard = time.monotonic()
        names = list(mouse.info.button_names)
        pairs = [pair for pair in NAMED if set(pair) <= set(names)]
        self._buttons = [names.index(name) for name in pairs[0]] if pairs else []

    def read(self) -> Push:
        """See `HandDevice`. The device says translation, rotation and buttons in reports of their own, and pyspacemouse
        takes one at a time.
        """
        pressed = np.zeros(2, bool)
        try:
            state = self._mouse.read()
            pressed |= self._held(state)
            while state.t != self._report_time:
                self._report_time, self._heard = state.t, time.monotonic()
                self.reports += 1
                state = self._mouse.read()
                pressed |= self._held(state)
        except Exception as error:  # easyhid's own, which is importable only where libhidapi is
            raise DeviceLost(f"{self.name} is gone ({error})") from error
        axes = np.array([state.x, state.y, state.z, state.roll, state.pitch, state.yaw])
        return Push(_if_fresh(axes, self._heard), (bool(pressed[0]), bool(pressed[1])))

    def close(self) -> None:
        """See `HandDevice`."""
        self._mouse.close()

    def _held(self, state: Any) -> np.ndarray:
        return np.array([state.buttons[i] for i in self._buttons] or [0, 0], bool)


class SpacenavdSpaceMouse:
    """Through spacenavd, which has the device where it runs."""

    def __init__(self, path: str = SOCKET) -> None:
        """Connect to the daemon's socket.

        Raises:
            DeviceMissing: no daemon listens there.
        """
        self.name = "spacenavd"
        self.reports = 0
        """that have come so far"""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise DeviceMissing(
                f"spacenavd does not answer at {path} ({error.strerror}): sudo apt-get install spacenavd, then sudo "
                "systemctl start spacenavd; or read the device without it: device:=hid"
            ) from error
        self._socket.setblocking(False)
        self._axes = np.zeros(6)
        self._held = [False, False]
        self._rest = b""
        self._heard = time.monotonic()

    def read(self) -> Push:
        """See `HandDevice`."""
        pressed = list(self._held)
        for kind, *words in self._events():
            self.reports += 1
            self._heard = time.monotonic()
            if kind == MOTION:
                self._axes = _in_ros_axes(words)
            elif kind in (PRESS, RELEASE) and words[0] < len(self._held):
                self._held[words[0]] = kind == PRESS
                pressed[words[0]] |= kind == PRESS
        return Push(_if_fresh(self._axes, self._heard), (pressed[0], pressed[1]))

    def close(self) -> None:
        """See `HandDevice`."""
        self._socket.close()

    def _events(self) -> list[tuple[int, ...]]:
        """Whole events that have arrived."""
        data = self._rest
        try:
            while piece := self._socket.recv(4096):
                data += piece
            raise DeviceLost("spacenavd has ended")
        except BlockingIOError:
            pass
        except OSError as error:
            raise DeviceLost(f"spacenavd is gone ({error.strerror})") from error
        whole = len(data) // EVENT.size * EVENT.size
        self._rest = data[whole:]
        return list(EVENT.iter_unpack(data[:whole]))


def open_spacemouse(device: str) -> HidSpaceMouse | SpacenavdSpaceMouse:
    """The SpaceMouse of this machine.

    Args:
        device: `hid` or `spacenavd`.

    Raises:
        DeviceMissing: there is none, it may not be read, or a library is missing.
    """
    if device == "spacenavd":
        return SpacenavdSpaceMouse()
    if device != "hid":
        raise DeviceMissing(f"device:={device} is not valid: it takes hid or spacenavd")
    try:
        pyspacemouse = import_module("pyspacemouse")
        found = pyspacemouse.get_connected_devices()
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceMissing(
            f"SpaceMouses cannot be looked for ({error}): sudo apt-get install libhidapi-hidraw0"
        ) from error
    if not found:
        raise DeviceMissing(
            "no SpaceMouse is connected: lsusb should show 3Dconnexion, and of a wireless one its receiver. A model "
            "that pyspacemouse does not know works with device:=spacenavd"
        )
    try:
        convention = pyspacemouse.AxisConvention.ROS
        return HidSpaceMouse(pyspacemouse.open(device=found[0], axis_convention=convention))
    except RuntimeError as error:
        raise DeviceMissing(
            f"{found[0]} is connected, but may not be read: sudo cp {RULE} /etc/udev/rules.d/, sudo udevadm control "
            "--reload, then plug it in again"
        ) from error


def _in_ros_axes(words: list[int]) -> np.ndarray:
    """(6,) of spacenavd's x to the right, y up, z ahead, and rx, ry, rz; as ROS's spacenav_node turns them."""
    x, y, z, rx, ry, rz = words[:6]
    return np.array([z, -x, y, rz, -rx, ry]) / FULL_SCALE


def _if_fresh(axes: np.ndarray, heard: float) -> np.ndarray:
    fresh = time.monotonic() - heard <= SILENCE
    return np.clip(axes, -1.0, 1.0) if fresh else np.zeros(len(axes))
