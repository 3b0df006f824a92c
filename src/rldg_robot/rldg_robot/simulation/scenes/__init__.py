# SPDX-License-Identifier: Apache-2.0
"""The task families' worlds, by the kind that a task's `scene` names."""

from __future__ import annotations

from rldg_core.task import Task
from rldg_robot.simulation.scenes.connector import ConnectorScene
from rldg_robot.simulation.scenes.fmb import FmbScene
from rldg_robot.simulation.scenes.pick_place import PickPlaceScene
from rldg_robot.simulation.scenes.scene import Scene, UnknownThing

SCENES: dict[str, type[Scene]] = {
    "connector": ConnectorScene,
    "pick_place": PickPlaceScene,
    "fmb": FmbScene,
}


def scene_of(task: Task) -> Scene:
    """The world of a task.

    Raises:
        UnknownThing: its `scene` names a kind, or that kind something, that there is not.
    """
    if len(task.scene) != 1 or not set(task.scene) <= set(SCENES):
        raise UnknownThing(
            f"the scene of {task.id} is {task.scene}; it takes one of the kinds {', '.join(SCENES)}"
        )
    ((kind, what),) = task.scene.items()
    return SCENES[kind](task, what)
