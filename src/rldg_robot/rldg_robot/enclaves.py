# SPDX-License-Identifier: Apache-2.0
"""Who may say what: every node's rights on the network, as DDS Security reads them.

Whoever has a key may listen to everything. Only those named here may speak on a topic, answer a service, or ask it: the
gate alone to the arm, the actor, a replay and the doctor alone to the gate. Names are those without a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from xml.etree import ElementTree

from rldg_core import contract
from rldg_core.contract import Topic
from rldg_robot.franka_ros2 import interfaces as franka_ros2

PREFIX = "/rldg"
"""namespace of the enclaves"""
DOMAINS = (0, 232)
"""ROS domains that the rights are for: all"""
PARAMETERS = (
    *("describe_parameters", "get_parameter_types", "get_parameters", "list_parameters"),
    *("set_parameters", "set_parameters_atomically", "get_type_description"),
)
"""services that every ROS node offers"""
FRANKA = franka_ros2.NAMESPACE
"""of all processes that franka_ros2 starts: they are the robot, and do in their namespace what they like"""
_FRANKA = f"{FRANKA}/*"
_BODY = (
    *(contract.CURRENT_POSE, contract.CURRENT_TWIST, contract.EXTERNAL_WRENCH),
    *(contract.JOINT_STATES, contract.GRIPPER_STATE, contract.TASK_STATE),
)
_PICTURES = (contract.WRIST_IMAGE, contract.WRIST_CAMERA_INFO)
_HAND = (contract.SPACENAV_JOY, contract.SPACENAV_TWIST)
_EPISODE_TOPICS = (
    contract.POLICY_TARGET_POSE,
    contract.POLICY_GRIPPER,
    contract.EPISODE,
    contract.STEP,
)


@dataclass(frozen=True)
class Rights:
    """What one node may say; its enclave is `/rldg/<its name>`."""

    says: tuple[Topic, ...] = ()
    """Topics of the contract."""
    says_too: tuple[str, ...] = ()
    """Other topics, absolute; * stands for anything."""
    answers: tuple[str, ...] = ()
    """Services; * stands for anything."""
    asks: tuple[str, ...] = ()
    """Services, as a client; * stands for anything."""
    machine: Literal["robot", "gpu"] = "robot"
    """The machine whose keystore it is in."""


ENCLAVES: Mapping[str, Rights] = {
    # The arm, and who alone may move it.
    "twin": Rights((*_BODY, *_PICTURES), ("/clock",), answers=(contract.RESET,)),
    "fci": Rights((*_BODY, contract.DIAGNOSTICS), answers=(contract.RESET, contract.ARM_RECOVER)),
    "fci_simulator": Rights((*_PICTURES, contract.DIAGNOSTICS)),
    "franka_ros2": Rights(
        (*_BODY, contract.DIAGNOSTICS, franka_ros2.TARGET_POSE),
        answers=(contract.RESET, contract.ARM_RECOVER),
        asks=(_FRANKA,),
    ),
    "franka_ros2_simulator": Rights(_PICTURES, (f"/{_FRANKA}",), (_FRANKA, "simulated_reflex")),
    FRANKA: Rights(
        says_too=(f"/{_FRANKA}", "/tf", "/tf_static", "/joint_states"),
        answers=(_FRANKA,),
        asks=(_FRANKA,),
    ),
    "safety_gate": Rights(
        (contract.TARGET_POSE, contract.GRIPPER_COMMAND, contract.SAFETY_STATE)
        + (contract.DIAGNOSTICS,),
        answers=(contract.SAFETY_RESET,),
    ),
    # Pictures, hands.
    "camera": Rights((contract.DIAGNOSTICS,), ("/camera/*", "/tf_static")),
    "wrist_camera": Rights((*_PICTURES, contract.DIAGNOSTICS)),
    "spacemouse": Rights(_HAND),
    "gamepad": Rights(_HAND),
    "keyboard_teleop": Rights((*_HAND, contract.ANSWER)),
    "operator": Rights((*_HAND, contract.ANSWER), asks=(contract.SAFETY_RESET,)),
    "keyboard": Rights((contract.ANSWER,)),
    # Who acts, who learns, who keeps the record.
    "actor": Rights(
        (*_EPISODE_TOPICS, contract.TRANSITION, contract.RUN_STATUS, contract.QUESTION)
        + (contract.EMERGENCY_STOP, contract.DIAGNOSTICS),
        asks=(contract.RESET, contract.SAFETY_RESET, contract.NEXT_ACTIONS),
    ),
    "student": Rights(answers=(contract.NEXT_ACTIONS,), machine="gpu"),
    "replayer": Rights(_EPISODE_TOPICS, asks=(contract.RESET, contract.SAFETY_RESET)),
    "recorder": Rights((contract.RECORDER_STATUS,), answers=(contract.NEXT_BAG,)),
    "learner": Rights(
        (contract.POLICY_WEIGHTS, contract.ENCODER_WEIGHTS, contract.LEARNER_STATUS),
        asks=(contract.NEXT_BAG,),
        machine="gpu",
    ),
    # Who looks.
    "monitor": Rights(),
    "monitor_gpu": Rights(machine="gpu"),
    "viewer": Rights(),
    "markers": Rights((contract.MARKERS,), ("/tf",)),
    "robot_state": Rights(says_too=("/tf", "/tf_static", "/robot_description")),
    "foxglove_bridge": Rights(),
    "rviz": Rights((contract.EMERGENCY_STOP,)),
    "doctor": Rights(
        (contract.POLICY_TARGET_POSE, contract.EMERGENCY_STOP),
        asks=(contract.RESET, contract.SAFETY_RESET),
    ),
    # A person at a terminal.
    "gate": Rights((contract.EMERGENCY_STOP,), asks=(contract.SAFETY_RESET,)),
    "arm": Rights(asks=(contract.ARM_RECOVER,)),
}


def enclave(name: str) -> str:
    """Full name of a node's enclave; the common name of its certificate."""
    return f"{PREFIX}/{name}"


def published(name: str, rights: Rights) -> list[str]:
    """DDS topics that a node may write to, sorted; its own parameters and log are among them."""
    own = [f"rr/{name}/{service}Reply" for service in PARAMETERS]
    own += ["rt/rosout", "rt/parameter_events", "ros_discovery_info"]
    topics = [topic.name.lstrip("/") for topic in rights.says]
    topics += [topic.lstrip("/") for topic in rights.says_too]
    spoken = [f"rt/{topic}" for topic in topics]
    asked = [f"rq/{service}Request" for service in rights.asks]
    answered = [f"rr/{service}Reply" for service in rights.answers]
    return sorted({*own, *spoken, *asked, *answered})


def permissions(name: str, rights: Rights, begin: datetime, end: datetime) -> bytes:
    """The permissions document of a node (DDS Security 1.1, 9.4.1.3), valid as long as its certificate; UTC."""
    root = ElementTree.Element("dds")
    grant = _add(_add(root, "permissions"), "grant", name=enclave(name))
    _add(grant, "subject_name", f"CN={enclave(name)}")
    validity = _add(grant, "validity")
    _add(validity, "not_before", begin.isoformat(timespec="seconds"))
    _add(validity, "not_after", end.isoformat(timespec="seconds"))
    rule = _add(grant, "allow_rule")
    _add_domains(rule)
    for verb, expressions in (("publish", published(name, rights)), ("subscribe", ["*"])):
        topics = _add(_add(rule, verb), "topics")
        for expression in expressions:
            _add(topics, "topic", expression)
    _add(grant, "default", "DENY")
    return _document(root)


def governance() -> bytes:
    """The rules for everybody (DDS Security 1.1, 9.4.1.2): no stranger joins, writes are checked, all is encrypted."""
    root = ElementTree.Element("dds")
    rule = _add(_add(root, "domain_access_rules"), "domain_rule")
    _add_domains(rule)
    _add_all(
        rule,
        allow_unauthenticated_participants="false",
        enable_join_access_control="true",
        discovery_protection_kind="ENCRYPT",
        liveliness_protection_kind="ENCRYPT",
        rtps_protection_kind="SIGN",
    )
    _add_all(
        _add(_add(rule, "topic_access_rules"), "topic_rule"),
        topic_expression="*",
        enable_discovery_protection="true",
        enable_liveliness_protection="true",
        enable_read_access_control="true",
        enable_write_access_control="true",
        metadata_protection_kind="ENCRYPT",
        data_protection_kind="ENCRYPT",
    )
    return _document(root)


def _add(
    parent: ElementTree.Element, tag: str, text: str = "", **attributes: str
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text or None
    return child


def _add_all(parent: ElementTree.Element, **children: str) -> None:
    for tag, text in children.items():
        _add(parent, tag, text)


def _add_domains(rule: ElementTree.Element) -> None:
    domains = _add(_add(rule, "domains"), "id_range")
    _add_all(domains, min=str(DOMAINS[0]), max=str(DOMAINS[1]))


def _document(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
