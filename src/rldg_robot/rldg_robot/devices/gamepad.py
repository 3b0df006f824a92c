# SPDX-License-Identifier: Apache-2.0
"""A gamepad as a person's hand: whatever Linux's gamepad interface names alike on all of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np

from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing, Push

# Of linux/input-event-codes.h and the kernel's Documentation/input/gamepad.rst.
EV_KEY, EV_ABS = 1, 3
LEFT_X, LEFT_Y, RIGHT_X, RIGHT_Y, PAD_X, PAD_Y = 0x00, 0x01, 0x03, 0x04, 0x10, 0x11
SOUTH, EAST, SHOULDER = 0x130, 0x131, 0x137
PUSHES = {
    LEFT_Y: (0, -1.0),
    LEFT_X: (1, -1.0),
    RIGHT_Y: (2, -1.0),
    PAD_X: (3, 1.0),
    PAD_Y: (4, -1.0),
    RIGHT_X: (5, -1.0),
}
"""axis of `Push` and its sign, of every stick; a stick's y points to the person"""
KEYS = (
    "hold the right shoulder button, or nothing moves. Left stick: ahead, back, left, right; right stick: up, down, "
    "yaw; directional pad: pitch, roll; A or cross: close the gripper; B or circle: open it; both: it is done"
)


class Event(Protocol):
    """One of evdev's, or a recorded one."""

    type: int
    code: int
    value: int


class GamepadState:
    """What is pushed and held, derived from events."""

    def __init__(self, ranges: dict[int, tuple[int, int]]) -> None:
        """`ranges`: least and greatest value of every absolute axis, by code."""
        self._ranges = ranges
        self._axes = np.zeros(6)
        self._held = {SOUTH: False, EAST: False, SHOULDER: False}
        self._pressed = dict.fromkeys(self._held, False)

    def take(self, event: Event) -> None:
        """Something changed."""
        if event.type == EV_KEY and event.code in self._held:
            self._held[event.code] = bool(event.value)
            self._pressed[event.code] |= bool(event.value)
        elif event.type == EV_ABS and event.code in PUSHES and event.code in self._ranges:
            axis, sign = PUSHES[event.code]
            least, most = self._ranges[event.code]
            self._axes[axis] = sign * (2.0 * (event.value - least) / (most - least) - 1.0)

    def push(self) -> Push:
        """What holds now; nothing unless the shoulder button is held: a pad that lies there pushes nothing."""
        pressed = (self._pressed[SOUTH], self._pressed[EAST])
        self._pressed = dict(self._held)
        return Push(self._axes.copy(), pressed) if self._held[SHOULDER] else Push()


class Gamepad:
    """Through evdev."""

    def __init__(self, device: Any) -> None:
        """`device`: an evdev.InputDevice."""
        self.name: str = device.name
        self._device = device
        self._state = GamepadState(_ranges(device))

    def read(self) -> Push:
        """See `HandDevice`."""
        try:
            while (event := self._device.read_one()) is not None:
                self._state.take(event)
        except OSError as error:
            raise DeviceLost(f"{self.name} is gone ({error.strerror})") from error
        return self._state.push()

    def close(self) -> None:
        """See `HandDevice`."""
        self._device.close()


def open_gamepad() -> Gamepad:
    """The first gamepad of this machine.

    Raises:
        DeviceMissing: there is none, or it may not be read.
    """
    evdev = import_module("evdev")
    devices = [evdev.InputDevice(path) for path in evdev.list_devices()]
    for device in devices:
        if SOUTH in device.capabilities().get(EV_KEY, []):
            return Gamepad(device)
        device.close()
    raise DeviceMissing(
        "no gamepad is connected, or its /dev/input/event* may not be read: ls -l /dev/input/by-id/*-event-joystick "
        "shows both; sudo usermod -aG input $USER, then log in again, gives the right"
    )


def _ranges(device: Any) -> dict[int, tuple[int, int]]:
    axes = device.capabilities().get(EV_ABS, [])
    return {code: (info.min, info.max) for code, info in axes if info.max > info.min}
