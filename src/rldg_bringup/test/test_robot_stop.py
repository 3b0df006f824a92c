# SPDX-License-Identifier: Apache-2.0
"""Where a robot's stop is kept, and what a start says of it."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.robot_stop import RELEASE
from rldg_bringup.stack import StackPlan
from rldg_bringup.stacks import STACKS
from rldg_core.gate_reason import ReasonCode

STOP = {"reason": "emergency stop", "since": "2026-12-01 10:00:00", "start": "x", "lasts": True}


def planned(tmp_path: Path, name: str = "a", **given: str) -> StackPlan:
    return STACKS["train_rl"].plan({"runs": str(tmp_path), "name": name} | given)


def gate(plan: StackPlan) -> dict[str, object]:
    (node,) = [node for node in plan.nodes if node.name == "safety_gate"]
    return dict(node.parameters)


def test_a_twins_stop_is_its_runs_and_a_simulated_arms_too(tmp_path: Path) -> None:
    for given in ({}, {"robot": "fci"}, {"robot": "franka_ros2", "robot_ip": "localhost"}):
        one, again, other = (gate(planned(tmp_path, name, **given)) for name in "aab")
        assert one["memory"] == again["memory"] != other["memory"] and one["real"] is False
        assert Path(str(one["memory"])) == tmp_path / "a" / "logs" / "gate_stopped.json"


def test_a_real_arms_stop_is_the_arms_in_every_run_and_whichever_way_it_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"operator": "none", "robot_ip": "172.16.0.2"}
    one = gate(planned(tmp_path, "a", robot="fci", **real))
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    other = gate(planned(tmp_path, "b", robot="franka_ros2", **real))
    assert one["memory"] == other["memory"] and one["real"] is True
    assert str(one["memory"]).startswith(pwd.getpwuid(os.getuid()).pw_dir)
    another = gate(planned(tmp_path, "a", robot="fci", **real | {"robot_ip": "172.16.0.3"}))
    assert another["memory"] != one["memory"]


def test_a_real_arms_stop_is_kept_for_a_user_who_has_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    plan = planned(tmp_path, robot="fci", operator="none", robot_ip="172.16.0.2")
    place = Path("/var/tmp", f"rldg-{os.getuid()}", ".local/state/rldg/stopped")
    assert Path(str(gate(plan)["memory"])) == place / "172.16.0.2.json"


def test_a_start_says_that_its_robot_is_stopped_since_when_why_and_what_releases_it(
    tmp_path: Path,
) -> None:
    plan = planned(tmp_path)
    file = Path(str(gate(plan)["memory"]))
    file.parent.mkdir(parents=True)
    assert plan.standing_stop == ""
    file.write_text(json.dumps(STOP))
    message = "the robot is stopped since 2026-12-01 10:00:00: emergency stop"
    assert plan.standing_stop == f"{message}. {RELEASE}"
    file.write_text(json.dumps(STOP | {"lasts": False, "code": int(ReasonCode.WRENCH)}))
    assert plan.standing_stop == ""
    for content in (b"", b"\0\0", b"[]", b"{}", b"[" * 100_000):
        file.write_bytes(content)
        assert "cannot be read" in plan.standing_stop
    for lasts in (0, "false", None):
        file.write_text(json.dumps(STOP | {"lasts": lasts}))
        assert "cannot be read" in plan.standing_stop
    file.unlink()
    os.mkfifo(file)
    assert "cannot be read" in plan.standing_stop
    file.unlink()
    file.write_text(json.dumps(STOP | {"reason": "\033[2J" + "x" * 5000}))
    assert plan.standing_stop.isprintable() and len(plan.standing_stop) < 1200


@pytest.mark.parametrize("address", ["172.16.0.2; ls", "../x", "a b", "-x", "\033[2J"])
def test_an_invalid_address_is_refused(tmp_path: Path, address: str) -> None:
    given = {"robot": "fci", "operator": "none"}
    with pytest.raises(StackError, match="address of a machine"):
        planned(tmp_path, **given, robot_ip=address)
    site = tmp_path / "lab.yaml"
    site.write_text(json.dumps({"robot_ip": address}))
    with pytest.raises(StackError, match="has no address of a machine"):
        planned(tmp_path, **given, site=str(site))


def test_a_hosts_name_that_begins_like_a_loopback_address_is_a_real_arm(tmp_path: Path) -> None:
    plan = planned(tmp_path, robot="fci", operator="none", robot_ip="127.lab.example.org")
    assert gate(plan)["real"] is True
    assert "fci_simulator" not in [node.name for node in plan.nodes]
