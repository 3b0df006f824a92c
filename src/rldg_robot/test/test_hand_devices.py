# SPDX-License-Identifier: Apache-2.0
"""What devices send, as they send it, becomes a push: bytes of a HID device, words of spacenavd, events, keys."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rldg_robot.devices import spacemouse
from rldg_robot.devices.gamepad import (
    EAST,
    EV_ABS,
    EV_KEY,
    LEFT_X,
    LEFT_Y,
    PAD_X,
    RIGHT_Y,
    SHOULDER,
    SOUTH,
    GamepadState,
)
from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing, Push, held_to_run
from rldg_robot.devices.mounting import Mounting
from rldg_robot.devices.spacemouse import EVENT, HidSpaceMouse, SpacenavdSpaceMouse, open_spacemouse
from rldg_robot.devices.spacemouse_probe import bar, main
from rldg_robot.devices.typed_push import DONE_SECONDS, HOLD_SECONDS, TypedPush

X, Y, Z, ROLL, PITCH, YAW = np.eye(6)


# The HID device: reports 1 and 2 have three int16 each, report 3 has the buttons' bits.


class Wire:
    """A HID device that says what was recorded of one, then nothing, and can be pulled."""

    product_string, manufacturer_string = "SpaceNavigator", "3Dconnexion"
    release_number, serial_number = 0, ""

    def __init__(self) -> None:
        self.reports: list[bytes] = []
        self.pulled = False

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self, size: int) -> bytes:
        if self.pulled:
            raise OSError("Failed to read from HID device: -1")
        return self.reports.pop(0).ljust(size, b"\0") if self.reports else b""

    def says(self, number: int, *values: int) -> None:
        kind = "B" if number == 3 else "h"
        self.reports.append(struct.pack(f"<B{len(values)}{kind}", number, *values))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def mouse(wire: Wire) -> HidSpaceMouse:
    pyspacemouse = pytest.importorskip("pyspacemouse", exc_type=OSError)
    spec = pyspacemouse.apply_axis_convention(
        pyspacemouse.get_device_specs()["SpaceNavigator"], pyspacemouse.AxisConvention.ROS
    )
    device = pyspacemouse.SpaceMouseDevice(spec, wire)
    device.open()
    return HidSpaceMouse(device)


# A HID device's axes: x to the right, y to the person, z down, and turns about them.
@pytest.mark.parametrize(
    ("report", "pushed"),
    [
        ((1, 0, -350, 0), X),
        ((1, -350, 0, 0), Y),
        ((1, 0, 0, -350), Z),
        ((2, 0, -350, 0), ROLL),
        ((2, -350, 0, 0), PITCH),
        ((2, 0, 0, -350), YAW),
        ((1, 175, 0, 0), -0.5 * Y),
    ],
)
def test_a_report_is_a_push_as_the_person_sees_it(
    mouse: HidSpaceMouse, wire: Wire, report: tuple[int, ...], pushed: np.ndarray
) -> None:
    wire.says(*report)
    assert np.allclose(mouse.read().axes, pushed)


def test_a_reading_takes_all_that_came(mouse: HidSpaceMouse, wire: Wire) -> None:
    for _ in range(20):
        wire.says(1, 0, -100, 0)
        wire.says(2, 0, 0, -100)
    wire.says(1, 0, -350, 0)
    wire.says(3, 1)
    wire.says(3, 0)
    wire.says(2, 0, 0, 0)
    push = mouse.read()
    assert np.allclose(push.axes, X) and mouse.reports == 44
    assert push.buttons == (True, False), "pressed and let go since the last reading"
    assert mouse.read().buttons == (False, False)


def test_both_buttons_held_are_seen_for_as_long_as_they_are(
    mouse: HidSpaceMouse, wire: Wire
) -> None:
    wire.says(3, 1)
    wire.says(3, 3)
    assert [mouse.read().buttons for _ in range(3)] == [(True, True)] * 3
    wire.says(3, 2)
    mouse.read()
    assert mouse.read().buttons == (False, True)


def test_a_deflection_that_is_not_repeated_is_let_go(
    mouse: HidSpaceMouse, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.says(1, 0, -350, 0)
    assert mouse.read().axes.any()
    later = time.monotonic() + spacemouse.SILENCE + 0.01
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not mouse.read().axes.any()


def test_a_mouse_that_is_pulled_is_lost(mouse: HidSpaceMouse, wire: Wire) -> None:
    wire.pulled = True
    with pytest.raises(DeviceLost, match="SpaceNavigator is gone"):
        mouse.read()


def test_a_missing_mouse_is_reported_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """This machine has none, or not even the library: either is said, and the probe ends."""
    with pytest.raises(SystemExit) as ended:
        main(["--seconds", "0.1"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert any(fix in message for fix in ("lsusb", "libhidapi-hidraw0", "70-spacemouse.rules"))
    with pytest.raises(DeviceMissing, match="takes hid or spacenavd"):
        open_spacemouse("usb")


# spacenavd: eight ints an event, over its socket.


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "spnav.sock"))
        server.listen(1)
        yield server


def test_spacenavd_tells_motion_and_buttons(daemon: socket.socket) -> None:
    mouse = SpacenavdSpaceMouse(daemon.getsockname())
    client, _ = daemon.accept()
    assert not mouse.read().axes.any()
    client.sendall(EVENT.pack(0, 0, 0, 350, 0, 0, 0, 16))
    client.sendall(EVENT.pack(1, 0, 0, 0, 0, 0, 0, 0) + EVENT.pack(1, 1, *[0] * 6)[:10])
    push = mouse.read()
    assert np.allclose(push.axes, X) and push.buttons == (True, False)
    client.sendall(EVENT.pack(1, 1, *[0] * 6)[10:])
    client.sendall(EVENT.pack(0, -350, 350, 0, 0, 175, 0, 16))
    push = mouse.read()
    assert np.allclose(push.axes, Y + Z + 0.5 * YAW) and push.buttons == (True, True)
    client.close()
    with pytest.raises(DeviceLost, match="spacenavd"):
        mouse.read()


def test_a_daemon_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="apt-get install spacenavd"):
        SpacenavdSpaceMouse(str(tmp_path / "nobody.sock"))


# The gamepad: evdev's events.


def event(kind: int, code: int, value: int) -> SimpleNamespace:
    return SimpleNamespace(type=kind, code=code, value=value)


@pytest.mark.parametrize(
    ("buttons", "moves", "pressed"),
    [
        ((False, False), False, (False, False)),
        ((True, False), True, (False, False)),
        ((False, True), True, (False, False)),
        ((True, True), False, (True, True)),
    ],
)
def test_a_mouse_that_is_held_to_run_moves_nothing_unless_it_is(
    buttons: tuple[bool, bool], moves: bool, pressed: tuple[bool, bool]
) -> None:
    found = held_to_run(Push(np.full(6, 0.5), buttons))
    assert np.array_equal(found.axes, np.full(6, 0.5 * moves))
    assert found.buttons == pressed, "a button that is held to run closes no gripper"


def test_a_gamepad_moves_nothing_unless_it_is_held() -> None:
    ranges = {LEFT_X: (0, 255), LEFT_Y: (0, 255), RIGHT_Y: (-32768, 32767), PAD_X: (-1, 1)}
    pad = GamepadState(ranges)
    for recorded in (
        event(EV_ABS, LEFT_Y, 0),
        event(EV_ABS, LEFT_X, 255),
        event(EV_ABS, RIGHT_Y, -32768),
        event(EV_ABS, PAD_X, 1),
        event(EV_KEY, SOUTH, 1),
    ):
        pad.take(recorded)
    assert not pad.push().axes.any() and pad.push().buttons == (False, False)
    pad.take(event(EV_KEY, SHOULDER, 1))
    push = pad.push()
    assert np.allclose(push.axes, X - Y + Z + ROLL) and push.buttons == (True, False)
    pad.take(event(EV_KEY, EAST, 1))
    pad.take(event(EV_KEY, EAST, 0))
    assert pad.push().buttons == (True, True), "a short press counts"
    pad.take(event(EV_KEY, SHOULDER, 0))
    assert not pad.push().axes.any()


# The keyboard: keys that come again while they are held.


def test_a_key_moves_while_it_repeats_and_not_longer() -> None:
    typed = TypedPush()
    assert not typed.push(0.0).axes.any()
    for repeat in range(10):
        assert typed.press("w", 0.04 * repeat)
        assert np.array_equal(typed.push(0.04 * repeat + 0.03).axes, typed.speed * X)
    assert not typed.push(0.36 + HOLD_SECONDS).axes.any()


def test_the_last_key_of_an_axis_counts_and_speed_is_chosen() -> None:
    typed = TypedPush()
    for key in "++++++aw":
        typed.press(key, 0.0)
    typed.press("s", 0.1)
    assert np.array_equal(typed.push(0.1).axes, Y - X)
    for key in "---------":
        typed.press(key, 0.1)
    assert typed.push(0.1).axes[0] == pytest.approx(-0.1)
    assert not typed.press("y", 0.1), "answers are none of its keys"


def test_enter_holds_both_buttons_long_enough_to_be_believed() -> None:
    typed = TypedPush()
    typed.press("c", 0.0)
    assert typed.push(0.1).buttons == (True, False)
    typed.press("\n", 1.0)
    assert typed.push(2.4).buttons == (True, True) and DONE_SECONDS > 1.0
    assert typed.push(1.0 + DONE_SECONDS).buttons == (False, False)


# Where the person stands.


@pytest.mark.parametrize(
    ("facing", "ahead", "left"), [(0, X, Y), (90, Y, -X), (180, -X, -Y), (-90, -Y, X)]
)
def test_a_push_ahead_is_ahead_of_the_person(
    facing: float, ahead: np.ndarray, left: np.ndarray
) -> None:
    mounting = Mounting(facing)
    assert np.allclose(mounting.in_base(Push(X)), ahead)
    assert np.allclose(mounting.in_base(Push(Y)), left)
    assert np.allclose(mounting.in_base(Push(Z + YAW)), Z + YAW), "up is up for everybody"
    rolled = mounting.in_base(Push(ROLL))
    assert np.allclose(rolled[3:], ahead[:3]) and not rolled[:3].any()


def test_a_hand_at_rest_pushes_nothing_and_the_rest_begins_at_zero() -> None:
    mounting = Mounting(deadband=0.05)
    assert not mounting.in_base(Push(np.array([0.05, -0.05, 0.02, 0, 0, 0.049]))).any()
    assert mounting.in_base(Push(0.06 * X))[0] == pytest.approx(0.01 / 0.95)
    assert np.allclose(mounting.in_base(Push(-X)), -X)


@pytest.mark.parametrize(("value", "left", "right"), [(-0.5, 10, 0), (0.0, 0, 0), (1.0, 0, 20)])
def test_a_bar_grows_from_its_middle(value: float, left: int, right: int) -> None:
    before, after = bar(value).split("│")
    assert (before.count("█"), after.count("█")) == (left, right)
    assert len(before) == len(after) == 20
