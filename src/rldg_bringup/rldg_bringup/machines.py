# SPDX-License-Identifier: Apache-2.0
"""Two machines that share a stack: the robot PC, next to the arm, and the one with the graphics card."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import Enum

from rldg_bringup.arguments import Argument, Resume, StackError, Value, Values


class Machine(Enum):
    """Where a node runs."""

    ROBOT = "robot"
    """beside arm, camera and person: what moves the arm, and what must not wait for a network"""
    GPU = "gpu"
    """elsewhere: what learns, and a student that is large"""


BOTH = "both"
MACHINE = Argument(
    "machine",
    BOTH,
    "What of it this machine runs; both: everything; robot: all but the learner; gpu: the learner, on another machine "
    "that is started with the same arguments. docs/how-to/two-machines.md.",
    choices=(BOTH, *(machine.value for machine in Machine)),
)
STUDENTS_MACHINE = replace(
    MACHINE,
    description="What of it this machine runs; both: everything; robot: all but the student; gpu: the student, on "
    "another machine that is started with the same arguments. docs/how-to/two-machines.md.",
    resume=Resume.NEW,
)


def parts(values: Values) -> tuple[Machine, ...]:
    """The machines whose nodes are started here."""
    machine = str(values.get("machine", BOTH))
    return tuple(Machine) if machine == BOTH else (Machine(machine),)


def check_shared_run_name(values: Values) -> None:
    """Check that a run which two machines share can go on under its name on both.

    Raises:
        StackError: it was given none.
    """
    if len(parts(values)) == 1 and values.get("name") == "":
        raise StackError(f"machine:={values['machine']} needs name:=, the same on both machines")


def apart(values: Values) -> dict[str, Value]:
    """What actor and learner must know of it: that they share no folder. An actor then asks a student over ROS."""
    return {"apart": True} if len(parts(values)) == 1 else {}


def asked_for_keys() -> bool:
    """Whether ROS starts nodes with a key only (`./rldg keys`)."""
    return os.environ.get("ROS_SECURITY_ENABLE") == "true"


def own_enclave(node: str) -> dict[str, str]:
    """Where a node finds its key, if ROS asks for keys."""
    if not asked_for_keys():
        return {}
    return {"ROS_SECURITY_ENCLAVE_OVERRIDE": f"/rldg/{node}"}
