# SPDX-License-Identifier: Apache-2.0
"""A person drives: keys in a terminal become the topics of a SpaceMouse, free driving, recorded episodes, a replay."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from harness import PATIENCE, Processes, executable, expect_exit, said, spin_until, wait_until
from rclpy.node import Node
from typing_person import Terminal, terminal

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_rl.run_folder import RunFolder
from rldg_robot.devices.spacemouse import EVENT
from rldg_robot.ros import listen_to


class Listener:
    """Hears the contract's topics."""

    def __init__(self, *topics: contract.Topic) -> None:
        rclpy.init()
        self.node = Node("listener")
        self.heard: dict[str, list[object]] = {topic.name: [] for topic in topics}
        for topic in topics:
            listen_to(self.node, topic, self.heard[topic.name].append)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        spin_until(self.node, condition, what)

    @property
    def joy(self) -> list[object]:
        return self.heard[contract.SPACENAV_JOY.name]


def test_held_keys_push_and_released_ones_do_not(processes: Processes) -> None:
    listener = Listener(contract.SPACENAV_JOY, contract.SPACENAV_TWIST)
    with terminal(processes, "rldg_robot", "keyboard_teleop") as person:
        person.wait_for("ahead, back")
        listener.until(lambda: len(listener.joy) > 5, "pushes of a hand at rest")
        assert not any(np.any(joy.axes) or any(joy.buttons) for joy in listener.joy)

        def pushed() -> bool:
            person.press("w")
            return listener.joy[-1].axes[0] > 0.2

        listener.until(pushed, "a push ahead")
        listener.until(lambda: not np.any(listener.joy[-1].axes), "the end of it")
        person.press("-c")
        person.wait_for("speed 20%")
        listener.until(lambda: listener.joy[-1].buttons[0] == 1, "the left button")
        listener.until(lambda: listener.joy[-1].buttons[0] == 0, "its end")
        person.press("y")
        person.wait_for("nothing is asked")
    twists = listener.heard[contract.SPACENAV_TWIST.name]
    assert any(twist.linear.x > 0.2 for twist in twists)


def test_keys_need_a_terminal(processes: Processes) -> None:
    command = executable("rldg_robot", "keyboard_teleop")
    node = processes.start("sh", "-c", f"{command} < /dev/null")
    expect_exit(node, 2)
    assert "start it in a terminal of its own" in node.log.read_text()


def test_buttons_that_move_the_gripper_are_not_held_to_run(processes: Processes) -> None:
    node = processes.node("rldg_robot", "spacemouse", task="pick_place/pepper", hold_to_run="true")
    expect_exit(node, 2)
    assert "pick_place/pepper needs them to open and close" in node.log.read_text()


def test_without_a_spacemouse_the_stack_ends_and_says_what_to_do(processes: Processes) -> None:
    node = processes.node("rldg_robot", "spacemouse")
    expect_exit(node, 2)
    log = node.log.read_text()
    assert any(fix in log for fix in ("lsusb", "libhidapi-hidraw0", "70-spacemouse.rules"))


def test_a_spacemouse_is_heard_lost_and_found_again(processes: Processes) -> None:
    path = processes.folder / "spnav.sock"
    processes.environment["SPNAV_SOCKET"] = str(path)
    daemon = served(path)
    node = processes.node("rldg_robot", "spacemouse", device="spacenavd", facing=180)
    mouse, _ = daemon.accept()
    listener = Listener(contract.SPACENAV_JOY)
    listener.until(lambda: len(listener.joy) > 5, "a hand at rest")

    def pushed() -> bool:
        mouse.sendall(EVENT.pack(0, 0, 0, 350, 0, 0, 0, 16))  # away from the person
        return listener.joy[-1].axes[0] < -0.99

    listener.until(pushed, "a push towards the arm's foot, from in front of it")
    mouse.sendall(EVENT.pack(1, 0, *[0] * 6) + EVENT.pack(1, 1, *[0] * 6))
    listener.until(lambda: list(listener.joy[-1].buttons) == [1, 1], "both buttons")
    daemon.close()
    mouse.close()
    path.unlink()
    wait_until(lambda: "looking for it again" in node.log.read_text(), "the loss")
    listener.until(lambda: not np.any(listener.joy[-1].axes), "the hand let go")
    with served(path) as daemon:
        mouse, _ = daemon.accept()
        mouse.sendall(EVENT.pack(0, -350, 0, 0, 0, 0, 0, 16))
        listener.until(lambda: listener.joy[-1].axes[1] < -0.99, "a push of the one that is back")


def served(path: Path) -> socket.socket:
    """A socket where spacenavd's would be."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen(1)
    server.settimeout(30)
    return server


def test_an_episode_is_driven_recorded_and_played_again(processes: Processes) -> None:
    given = {"task": "connector/vga", "name": "mine", "viewer": "false", "episodes": 1}
    stack = processes.stack("teleop", **given)
    run = RunFolder(processes.folder / "runs" / "mine")
    waits = "waiting for the keyboard at ./rldg run rldg_robot keyboard_teleop"
    wait_until(lambda: waits in stack.log.read_text(), "the note")
    listener = Listener(contract.CURRENT_POSE)
    with terminal(processes, "rldg_robot", "keyboard_teleop") as person:
        person.wait_for("Begin an episode? [y/n]")
        hold(listener, person, "r", z=0.003)
        assert not list(run.bags.iterdir()), "free driving is not recorded"
        person.press("n")
        person.wait_for("Begin an episode? [y/n]")
        person.press("y")
        person.wait_for("is recorded. Is it done")
        hold(listener, person, "a", y=0.008)
        person.press("n")
        person.wait_for("Begin an episode? [y/n]")
        # Both buttons for longer than a second; again, where a busy machine did not see enough of it.
        person.press_until("\n", "is recorded. Is it done")
        hold(listener, person, "f", z=-0.006)
        person.press("y")
        expect_exit(stack)
    given_up, done = run.episodes()
    assert [given_up.status, done.status] == ["failure", "success"]
    assert {given_up.source, done.source} == {"demonstration"}
    reason = messages_of(run.bags / given_up.episode_id, contract.EPISODE)[-1].reason
    assert reason == "a person gave it up"
    assert travelled(run, given_up.episode_id)[1] > 0.005, "to the left"
    assert travelled(run, done.episode_id)[2] < -0.003, "down"
    assert json.loads(run.summary.read_text())["collected"] == 1

    replay = processes.stack("replay", bag=run.bags / done.episode_id, execute="true")
    assert replay.wait(PATIENCE) in (0, 1), said(replay)
    assert f"{done.episode_id}" in replay.log.read_text()


def hold(listener: Listener, person: Terminal, key: str, **metres: float) -> None:
    """Hold a key, which repeats as a keyboard's does, until the arm has moved so far along an axis of base.

    A busy machine sends fewer repeats a second, so how far a second of them goes says nothing.
    """
    ((axis, distance),) = metres.items()
    heard = listener.heard[contract.CURRENT_POSE.name]
    heard.clear()

    pressed = 0.0

    def far_enough() -> bool:
        nonlocal pressed
        if time.monotonic() - pressed > 0.04:
            pressed = time.monotonic()
            person.press(key)
        moved = heard and getattr(heard[-1].pose.position, axis) - getattr(
            heard[0].pose.position, axis
        )
        return bool(moved) and moved / distance >= 1.0

    listener.until(far_enough, f"{distance} m along {axis} while '{key}' is held")


def travelled(run: RunFolder, episode: str) -> np.ndarray:
    """(3,) in base, from the first step to the last."""
    poses = [m.pose.position for m in messages_of(run.bags / episode, contract.CURRENT_POSE)]
    first, last = (np.array([p.x, p.y, p.z]) for p in (poses[0], poses[-1]))
    return last - first
