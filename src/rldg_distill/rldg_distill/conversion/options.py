# SPDX-License-Identifier: Apache-2.0
"""What a dataset is made from and how, as the command line of `convert` says."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from rldg_core.commands.argument_types import named_place, place, ray_address, share, whole
from rldg_core.commands.command_line import Parser, once
from rldg_core.task import task_ids
from rldg_core.vocabulary import OUTCOMES, EpisodeStatus, Source
from rldg_distill.datasets import rlds
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.recordings.camera_names import NO_CAMERA
from rldg_distill.recordings.condition import Condition, read_conditions
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts
from rldg_distill.recordings.selection import Filters

FOLDERS = {"rlds": rlds.VERSION, "lerobot": "lerobot"}
"""of the dataset in `data/<name>`, by its format"""
"""who may have executed an episode"""


@dataclass(frozen=True)
class Options:
    """What a dataset is made from and how."""

    out: Path
    """`data/<name>`"""
    filters: Filters = field(default_factory=Filters)
    val: float = 0.1
    """fraction of the episodes of every task"""
    image_format: ImageFormat = field(default_factory=ImageFormat)
    cameras: tuple[str, ...] = ()
    """features to keep; empty: all"""
    shard_episodes: int = 100
    """episodes per file, at most"""
    overwrite: bool = False
    stated: StatedFacts = field(default_factory=StatedFacts)
    """about bags made elsewhere"""
    workers: int | None = None
    """processes; 1: this one; None: one for every core, but no more than the bags are worth"""
    ray: str | None = None
    """host:port of a Ray cluster that does the work instead, or `auto`"""
    format: str = "rlds"
    """one of `FOLDERS`"""

    @property
    def folder(self) -> Path:
        """Where the dataset appears once it is whole."""
        return self.out / FOLDERS[self.format]


def image_format(text: str) -> ImageFormat:
    """Type of `--image-format`."""
    try:
        return ImageFormat.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse(arguments: list[str] | None) -> tuple[Options, list[Path]]:
    """Options and paths of a command line."""
    parser = Parser(
        prog="convert",
        description="Bags to an RLDS dataset that TensorFlow Datasets, Octo and OpenVLA read, or to a LeRobot dataset.",
    )
    parser.add_argument("bags", nargs="+", type=place, help="bags, folders of bags, or runs")
    parser.add_argument("--out", type=named_place, required=True, help="data/<name>")
    parser.add_argument(
        "--format", choices=tuple(FOLDERS), default="rlds", help="of the dataset (rlds)"
    )
    parser.add_argument(
        "--source",
        action="append",
        choices=tuple(map(str, Source)),
        default=[],
        help="demonstration, policy, evaluation, replay, relabelled or recorded; may be repeated",
    )
    parser.add_argument(
        "--status",
        action="append",
        choices=(*map(str, OUTCOMES), "all"),
        help="may be repeated; success alone by default",
    )
    parser.add_argument(
        "--task",
        type=_task,
        action="append",
        default=[],
        help="family or family/variant; may be repeated",
    )
    parser.add_argument(
        "--where",
        type=_where,
        action="append",
        default=[],
        metavar="CONDITIONS",
        help="on embodiment, region and domain, with a comma between them: embodiment=fr3_hand,domain!=sim. "
        "Several values of one after = are all wanted; may be repeated",
    )
    parser.add_argument(
        "--count", type=whole(2), help="at most so many episodes, evenly over the tasks"
    )
    parser.add_argument(
        "--val", type=share, default=0.1, help="fraction of the episodes for the split val (0.1)"
    )
    parser.add_argument(
        "--image-format",
        type=image_format,
        default=ImageFormat(),
        help="png (lossless), jpeg (of quality 95) or jpeg:<quality from 1 to 100>",
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        help="feature to keep beside 'image'; all by default. none: a dataset without images",
    )
    parser.add_argument(
        "--recorded",
        action="append",
        default=[],
        metavar="FACT=VALUE",
        help="about bags made elsewhere; may be repeated: task=connector/vga, status=failure, embodiment=, region=, "
        "domain=, action=policy/target_pose, target_pose, spacenav/joy or motion, clock=header or log, clock_jump=cut",
    )
    parser.add_argument(
        "--gripper-joint",
        default="",
        metavar="NAME",
        help="joint that measures the gripper's width in bags made elsewhere, with --gripper-range; without it "
        "gripper/state does, or the two fingers of Franka's hand",
    )
    parser.add_argument(
        "--gripper-range",
        default="",
        metavar="CLOSED:OPEN",
        help="its value with the gripper closed and with it open, where that is not its width in m: 0.7:0; "
        "--gripper-range=-1:1 where the first is negative",
    )
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME=TOPIC",
        help="topic of bags made elsewhere for one of the robot contract; may be repeated: "
        "current_pose=/franka_robot_state_broadcaster/current_pose",
    )
    parser.add_argument(
        "--shard-episodes",
        type=whole(1),
        default=100,
        help="at most so many episodes per file (100)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing dataset")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=whole(1, 1024), help="processes (one for every core)")
    where.add_argument(
        "--ray",
        type=ray_address,
        metavar="ADDRESS",
        help="work on a Ray cluster: host:port, or auto",
    )
    given = parser.parse_args(arguments)
    try:
        stated = StatedFacts.parse(
            given.recorded, given.topic, given.gripper_joint, given.gripper_range
        )
    except ValueError as error:
        parser.error(str(error))
    statuses = tuple(once("--status", given.status or (EpisodeStatus.SUCCESS,)))
    if "all" in statuses and len(statuses) > 1:
        parser.error(f"--status all has every other: leave out --status {statuses[0]}")
    cameras = tuple(once("--camera", given.camera))
    if NO_CAMERA in cameras and len(cameras) > 1:
        parser.error(f"--camera {NO_CAMERA} keeps no other: leave out the rest")
    filters = Filters(
        sources=tuple(once("--source", given.source)),
        statuses=() if "all" in statuses else statuses,
        tasks=tuple(once("--task", given.task)),
        count=given.count,
        where=tuple(once("--where", [each for some in given.where for each in some])),
    )
    options = Options(
        out=given.out.absolute(),
        filters=filters,
        val=given.val,
        image_format=given.image_format,
        cameras=cameras,
        shard_episodes=given.shard_episodes,
        overwrite=given.overwrite,
        stated=stated,
        workers=given.workers,
        ray=given.ray,
        format=given.format,
    )
    return options, given.bags


def _where(text: str) -> list[Condition]:
    try:
        return read_conditions(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _task(text: str) -> str:
    families = {task.partition("/")[0] for task in task_ids()}
    if text not in families and text not in task_ids():
        raise argparse.ArgumentTypeError(
            f"'{text}' is neither a family ({', '.join(sorted(families))}) nor one of {', '.join(task_ids())}"
        )
    return text
