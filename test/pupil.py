# SPDX-License-Identifier: Apache-2.0
"""A distilled run without distillation: a student that has learned nothing; and how one keeps up in control."""

from __future__ import annotations

from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from rldg_core import contract
from rldg_core.arm_spaces import ARM
from rldg_core.task import load_task
from rldg_distill.students.card import DataCard
from rldg_distill.students.registry import student_class
from rldg_robot.ros import listen_to

TASK = load_task("connector/vga")


def policys_health(node: Node) -> dict[str, str]:
    """What `/diagnostics` tells of the policy, kept up to date while the node is spun."""
    health: dict[str, str] = {}

    def keep(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy":
                health.update({pair.key: pair.value for pair in status.values})

    listen_to(node, contract.DIAGNOSTICS, keep)
    return health


def untrained_student(run: Path) -> None:
    """A run as `distill` leaves it, before it has learned anything."""

    def rows(count: int) -> dict[str, list[float] | list[bool]]:
        names = {"mean": 0.0, "std": 0.005, "q01": -0.01, "q99": 0.01}
        return {name: [value] * count for name, value in names.items()} | {"mask": [True] * count}

    card = DataCard(
        statistics={"action": rows(len(ARM.action)), "state": rows(len(ARM.state))},
        fingerprints={"nothing": "0"},
        cameras={"image": (128, 128)},
        topics={"image": contract.WRIST_IMAGE.name},
        control_rate=TASK.control_rate,
        instructions=(TASK.instruction,),
        action_scales=((*[TASK.action_scale.translation] * 3, *[TASK.action_scale.rotation] * 3),),
    )
    kind = student_class("cnn")
    kind.create(kind.configure("tiny"), card).save(run / "checkpoints" / "student")
