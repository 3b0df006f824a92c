# SPDX-License-Identifier: Apache-2.0
"""Which robot a stack moves, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stack import StackPlan
from rldg_bringup.stacks import STACKS

TRAIN, REPLAY = STACKS["train_rl"], STACKS["replay"]


def planned(tmp_path: Path, **given: str) -> StackPlan:
    return TRAIN.plan({"runs": str(tmp_path), "name": "a", "robot": "fci"} | given)


REAL = {"robot_ip": "172.16.0.2", "operator": "none"}


def parameters(plan: StackPlan) -> dict[str, dict[str, object]]:
    return {node.name: dict(node.parameters) for node in plan.nodes}


def test_without_an_address_the_arm_is_simulated(tmp_path: Path) -> None:
    found = parameters(planned(tmp_path))
    assert list(found)[:3] == ["fci_simulator", "fci", "safety_gate"]
    of = {"task": "connector/vga", "use_sim_time": False}
    assert found["fci_simulator"] == {**of, "address": "127.0.0.1"}
    assert found["fci"] == {**of, "robot_ip": "127.0.0.1"}
    assert {values["use_sim_time"] for values in found.values()} == {False}
    assert found["actor"]["resets"] == "motion" and found["actor"]["lockstep"] is False


def test_behind_franka_ros2_there_is_another_driver_and_another_simulation(tmp_path: Path) -> None:
    found = parameters(planned(tmp_path, robot="franka_ros2"))
    assert list(found)[:3] == ["franka_ros2_simulator", "franka_ros2", "safety_gate"]
    assert found["franka_ros2_simulator"] == {"task": "connector/vga", "use_sim_time": False}
    assert found["actor"]["resets"] == "motion" and found["actor"]["lockstep"] is False
    found = parameters(planned(tmp_path, robot="franka_ros2", **REAL))
    assert "franka_ros2_simulator" not in found


def test_an_arm_is_driven_and_not_simulated(tmp_path: Path) -> None:
    found = parameters(planned(tmp_path, **REAL))
    assert "fci_simulator" not in found and found["fci"]["robot_ip"] == "172.16.0.2"
    assert found["actor"]["real"] is True
    assert parameters(planned(tmp_path / "simulated"))["actor"]["real"] is False


def test_no_operator_is_simulated_at_a_real_arm(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="not allowed at a real arm"):
        planned(tmp_path, robot_ip="172.16.0.2")
    assert "operator" in parameters(planned(tmp_path))


def test_the_doctor_sees_through_the_camera_that_it_is_given(tmp_path: Path) -> None:
    given = {"runs": str(tmp_path), "robot": "fci", "robot_ip": "172.16.0.2"}
    found = parameters(STACKS["doctor"].plan({**given, "camera": "pyrealsense"}))
    assert "wrist_camera" in found and {"fci", "safety_gate", "doctor"} <= set(found)


def test_the_doctor_examines_the_way_to_an_arm_that_is_one(tmp_path: Path) -> None:
    for address, known in (("", False), ("172.16.0.2", True)):
        given = {"runs": str(tmp_path), "robot": "fci", "robot_ip": address}
        doctor = parameters(STACKS["doctor"].plan(given))["doctor"]
        assert doctor.get("arm", "") == (address if known else "")


def test_every_node_finds_the_set_up(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("robot_ip: 172.16.0.3")
    plan = planned(tmp_path, site=str(file), operator="none")
    assert {node.variables["RLDG_SITE"] for node in plan.nodes} == {str(file)}
    assert parameters(plan)["fci"]["robot_ip"] == "172.16.0.3"
    elsewhere = planned(tmp_path, site=str(file), operator="none", robot_ip="1.2.3.4")
    assert parameters(elsewhere)["fci"]["robot_ip"] == "1.2.3.4"


def test_a_run_stays_with_its_robot(tmp_path: Path) -> None:
    RunClaim(planned(tmp_path, **REAL)).release()
    again = TRAIN.plan({"runs": str(tmp_path), "name": "a", "operator": "none"})
    assert again.values["robot"] == "fci" and again.values["robot_ip"] == "172.16.0.2"
    RunClaim(TRAIN.plan({"runs": str(tmp_path), "name": "b"})).release()
    with pytest.raises(StackError, match="made with robot:=sim"):
        planned(tmp_path, name="b")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"real_time_factor": "2"}, "real_time_factor:= is for the twin"),
        ({"randomize": "true"}, "randomize:= is for the twin"),
        ({"site": "nowhere.yaml"}, r"there is no .*nowhere\.yaml"),
        ({"robot": "sim", "robot_ip": "1.2.3.4"}, "robot_ip:= is for robot:=fci"),
    ],
)
def test_what_a_robot_cannot_do_is_refused(
    given: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match=message):
        planned(tmp_path, **given)
