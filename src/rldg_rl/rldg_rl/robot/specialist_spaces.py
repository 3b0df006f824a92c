# SPDX-License-Identifier: Apache-2.0
"""What the numbers of a specialist's actions and observations mean."""

from __future__ import annotations

from rldg_core.proprioception import PROPRIOCEPTION
from rldg_core.space import Space, Spaces
from rldg_core.task import Task
from rldg_rl.robot.observation import BODY, SCALES

MOTIONS = tuple(f"{name}_{axis}" for name in ("translation", "rotvec") for axis in "xyz")
GOAL_NAMES = (
    *(f"goal_{axis} [of the task's reach]" for axis in "xyz"),
    *(f"goal_{axis} [m]" for axis in "xyz"),
    *(f"goal_rotvec_{axis} [rad]" for axis in "xyz"),
)


def specialist_spaces(task: Task, seen: int = 0) -> Spaces:
    """Of the policies that are trained for a task.

    A motion of 1.0 is a full action of the task, and positions are shares of the task's reach: both are the same for
    tasks of other scales.

    Args:
        task: that is done.
        seen: length of an observation that an encoder makes of an image; 0: it is the state vector.
    """
    motions = tuple(f"{name} [of the task's full action]" for name in MOTIONS)
    gripper = ("gripper [1 open, -1 closed, 0 as it was]",) if task.learns_gripper else ()
    action = Space.of(*motions, *gripper, switches=len(gripper))
    if seen:
        return Spaces(action, Space.of(*(f"feature_{number}" for number in range(seen))))
    body = tuple(name.replace("[m]", "[of the task's reach]") for name in PROPRIOCEPTION[:3])
    names = (*body, *PROPRIOCEPTION[3:BODY], *GOAL_NAMES)
    unit = tuple(float(1.0 / scale) for scale in SCALES)
    if task.learns_gripper:
        names += (
            *(
                "goal_gripper [1 open, -1 closed, 0 as it was]",
                "gripper_command [1 open, -1 closed]",
            ),
            "progress",
        )
        unit += (1.0, 1.0, 0.5)
    return Spaces(action, Space(names, unit))
