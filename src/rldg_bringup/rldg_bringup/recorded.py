# SPDX-License-Identifier: Apache-2.0
"""What a replay needs to know of recorded bags, read from their metadata alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldg_bringup.arguments import StackError, Value, Values, place
from rldg_core.files.checked_file import FormatError, parse_json, read_yaml
from rldg_core.run_paths import RunPaths


@dataclass(frozen=True)
class RecordedTask:
    """What is asked of an episode's summary."""

    task: str
    """family/variant"""


def recorded(values: Values) -> dict[str, Value]:
    """The values that follow from `bag` and `execute`.

    Returns:
        `bag`, the absolute path; `recording`, its name; `tasks`, a comma between them.

    Raises:
        StackError: there is no such folder, or nothing in it says what is to be executed.
    """
    bag = place(values["bag"]).resolve()
    if not bag.is_dir():
        raise StackError(f"bag:={values['bag']} is no folder: give a bag's, or a run's")
    tasks = tasks_of(bag)
    if values["execute"] and not tasks:
        raise StackError(
            f"nothing in {bag} names a task, so there is nothing to execute: no recorder of this "
            "project made it, or its run was killed; starting that again under its name mends it"
        )
    return {"bag": str(bag), "recording": bag.name, "tasks": ",".join(tasks)}


def tasks_of(bag: Path) -> list[str]:
    """Tasks of a bag, or of all bags of a folder or run, in alphabetical order."""
    places = ("metadata.yaml", "*/metadata.yaml", f"{RunPaths(Path()).bags}/*/metadata.yaml")
    found = {_task(path) for place in places for path in bag.glob(place)}
    return sorted(found - {""})


def _task(metadata: Path) -> str:
    try:
        content = read_yaml(metadata, dict[str, Any])
        custom = content["rosbag2_bagfile_information"]["custom_data"]
        return parse_json(custom["episode"], RecordedTask, str(metadata)).task
    except (OSError, FormatError, LookupError, TypeError):
        return ""  # made elsewhere, or damaged: it can be played all the same
