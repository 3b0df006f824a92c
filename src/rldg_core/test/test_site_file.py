# SPDX-License-Identifier: Apache-2.0
"""The set-up's file: what it says, and what the tasks make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rldg_core.site_file import VARIABLE, Site, site
from rldg_core.task import Spread, load_task
from rldg_core.user_error import UserError

TAUGHT = """
robot_ip: 172.16.0.2
collision: {force: 70.0}
load: {mass: 0.04, com: [0.0, 0.0, 0.11]}
goals:
  fmb_insertion/rectangle: {position: [0.46, 0.02, 0.1], quaternion: [1.0, 0.0, 0.0, 0.0]}
"""


def at(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path.write_text(text)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_without_a_file_it_is_the_simulator() -> None:
    assert site() == Site() and site().simulated


def test_a_taught_goal_takes_the_place_of_the_tasks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = load_task("fmb_insertion/rectangle")
    assert drawn.goal.spread != Spread()
    at(tmp_path / "site.yaml", TAUGHT, monkeypatch)
    here = site()
    assert here.collision.force == 70.0 and here.load.mass == 0.04 and not here.simulated
    taught = load_task("fmb_insertion/rectangle")
    assert taught.goal.spread == Spread()
    assert np.allclose(taught.goal_pose.position, [0.46, 0.02, 0.1])
    assert load_task("connector/vga").goal_pose.position[0] == 0.5


NO_SETUPS = [
    *("robot_pi: 1.2.3.4", "load: {mass: heavy}", "- a list", "a: [", "load: {mass:}"),
    *("load: {mass: -1.0}", "collision: {force: -80.0}", "collision: {torque: .nan}"),
    *(
        f"goals: {{connector/vga: {{position: {position}, quaternion: {quaternion}}}}}"
        for position, quaternion in (
            ("0.5", "[0.0, 0.0, 0.0, 1.0]"),
            ("[.nan, 0.0, 0.1]", "[0.0, 0.0, 0.0, 1.0]"),
            ("[0.5, 0.0, 0.1]", "[0.0, 0.0, 0.0, 0.0]"),
            ("[0.5, 0.0, 0.1]", "[0.0, 0.0, 0.0, 2.0]"),
        )
    ),
]


IMPLAUSIBLE = {
    "goals: {connector/vga: {position: [50.0, 0.0, 0.1], quaternion: [1.0, 0.0, 0.0, 0.0]}}": "the arm reaches 1.07 m",
    "goals: {connector/vga: {position: [500, 0, 150], quaternion: [1, 0, 0, 0]}}": "positions are in m",
    "goals: {connector/vga: {position: [0.5, 0.0, -0.1], quaternion: [1.0, 0.0, 0.0, 0.0]}}": "below the table",
    "goals: {connector/vga: {position: [0.0, 0.05, 0.1], quaternion: [1.0, 0.0, 0.0, 0.0]}}": "the arm's own foot",
    "goals: {connector/vga: {position: [0.5, 0.0, 0.1], quaternion: [.inf, 0.0, 0.0, 0.0]}}": "inf",
    "load: {mass: 1.0e+9}": "a mass of 1e+09 kg cannot be: 0 to 3 kg",
    "load: {mass: 40}": "0 to 3 kg",
    "load: {mass: 0.5, com: [0.0, 0.0, 110.0]}": "0.5 m from the flange at most",
    "load: {mass: 0.5, inertia: [100.0, 0.0, 0.0]}": "0 to 0.3 kg m^2",
    "collision: {force: 1.0e+9}": "a force of 1e+09 N cannot be: 10 to 200 N",
    "collision: {force: 0.1}": "10 to 200 N",
    "collision: {torque: 1.0e+3}": "2 to 60 Nm",
    "collision: {joint_torque: 500.0}": "5 to 87 Nm",
    "robot_ip: '172.16.0.2; rm -rf /'": "neither an IP address nor",
    "robot_ip: ''": "neither an IP address nor",
    "robot_ip: 172": "robot_ip",
    "realtime: maybe": "realtime",
    "goals: [1, 2]": "goals",
    "load: {mass: true}": "no number",
}


@pytest.mark.parametrize(("text", "message"), IMPLAUSIBLE.items())
def test_what_no_arm_can_is_refused_with_what_it_can(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path / "lab.yaml", text, monkeypatch)
    with pytest.raises(UserError) as caught:
        load_task("connector/vga")
    said = str(caught.value)
    assert message in said and "\n" not in said and "lab.yaml cannot be used" in said


def test_a_file_that_says_nothing_is_the_simulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path / "empty.yaml", "# nothing yet", monkeypatch)
    assert site() == Site()


@pytest.mark.parametrize(
    ("address", "simulated"),
    [("127.0.0.1", True), ("127.5.5.5", True), ("localhost", True), ("172.16.0.2", False)]
    + [("127.lab.org", False), ("franka-1.lab", False)],
)
def test_what_is_simulated_follows_from_the_address_alone(address: str, simulated: bool) -> None:
    assert Site(robot_ip=address).simulated is simulated


def test_no_text_raises_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    odd = [
        "-1e308",
        ".nan",
        "[",
        "{",
        ":",
        "!!python/object:os.system",
        "&a",
        "*a",
        "\x00",
        "1e9",
        "- ",
        "true",
    ]
    for number in range(300):
        cut = list(TAUGHT)
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(len(cut))
            cut[place : place + rng.integers(3)] = rng.choice(odd)
        at(tmp_path / f"{number}.yaml", "".join(cut), monkeypatch)
        try:
            site()
        except UserError as error:
            assert "cannot be used" in str(error)


def test_a_goal_of_no_task_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TAUGHT.replace("fmb_insertion/rectangle", "connector/VGA")
    at(tmp_path / "site.yaml", text, monkeypatch)
    with pytest.raises(UserError, match=r"connector/VGA.*There are: .*connector/vga"):
        load_task("connector/vga")


@pytest.mark.parametrize("text", NO_SETUPS)
def test_a_file_that_is_no_set_up_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at(tmp_path / "site.yaml", text, monkeypatch)
    with pytest.raises(UserError, match=r"site\.yaml cannot be used"):
        site()
    path.unlink()
