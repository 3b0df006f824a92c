# SPDX-License-Identifier: Apache-2.0
"""Writing bags: one MCAP per episode, complete on disk after every step, readable even when it ends in the middle.

A bag is a rosbag2 folder, so `ros2 bag`, Foxglove and the `mcap` tools read it. It is also the replay buffer's log:
`stored_steps` gives back exactly the transitions that the learner was sent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache, partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from rldg_core.bags import mcap_file
from rldg_core.bags.bag_reader import (
    METADATA,
    SUMMARY_KEY,
    EpisodeSummary,
    decode,
    installed_form,
    nearest,
    raw_messages,
    summarize_messages,
    typestore,
)
from rldg_core.bags.earlier_messages import DamagedMessage
from rldg_core.bags.mcap_file import Account
from rldg_core.contract import (
    CONTRACT_VERSION,
    EPISODE,
    GRIPPER_STATE,
    OBSERVED,
    RECORDED,
    STEP,
    WRIST_IMAGE,
    Topic,
)
from rldg_core.files.atomic_file import settle, settle_folder
from rldg_core.files.regular_file import regular
from rldg_core.gripper_command import command_after, command_at_start
from rldg_core.image_contract import KEY as IMAGE_CONTRACT
from rldg_core.image_message import colours
from rldg_core.message_values import nanoseconds
from rldg_core.task import Task
from rldg_rl.episodes.step import ControlStep, StoredStep, recorded_step, stored_step
from rldg_rl.robot.observation import STATE, Observation, observation_of, state_vector

NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
DAMAGED = ".damaged"
"""folder beside the bags: what of them could not be mended, or not as a whole"""
RECORDED_NAMES = {topic.name for topic in RECORDED}
CHANNELS = {number: (topic.name, topic.type) for number, topic in enumerate(RECORDED, 1)}
"""as every bag numbers them: its first chunk names them, and may be damaged"""
FOREVER = QosTime(sec=2147483647, nsec=4294967295)


class BagWriter:
    """Writes one episode's bag. `flush` after every step; a kill then loses at most the step in flight."""

    def __init__(self, path: Path, image_contract: str = "") -> None:
        """Create the bag's folder.

        Args:
            path: of the folder.
            image_contract: what its pictures are, where a real camera took them; see `image_contract`.

        Raises:
            rosbags.rosbag2.WriterError: the folder exists.
            OSError: it cannot be written.
        """
        self.path = path
        self._image_contract = image_contract
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections = {
            topic.name: self._writer.add_connection(
                f"/{topic.name}",
                topic.type,
                **_definition(topic.type),
                offered_qos_profiles=[_qos(topic)],
            )
            for topic in RECORDED
        }

    def write(self, topic: str, time: int, cdr: bytes) -> None:
        """Add a serialised message; `time` is when it was received [ns of ROS time]."""
        self._writer.write(self._connections[topic], time, cdr)

    def flush(self) -> None:
        """Hand all that was written to the operating system, as a chunk of its own."""
        storage = self._writer.storage
        assert storage is not None
        storage.close_chunk()  # type: ignore[attr-defined]
        storage.bio.flush()  # type: ignore[attr-defined]

    def close(self, summary: EpisodeSummary) -> None:
        """Write index and metadata, and wait until the disk has them."""
        self._writer.set_custom_data("contract_version", CONTRACT_VERSION)
        if self._image_contract:
            self._writer.set_custom_data(IMAGE_CONTRACT, self._image_contract)
        self._writer.set_custom_data(SUMMARY_KEY, json.dumps(asdict(summary)))
        self._writer.close()
        for name in (f"{self.path.name}.mcap", METADATA):
            with (self.path / name).open("rb") as file:
                settle(file.fileno())
        settle_folder(self.path)

    def abort(self) -> None:
        """Let go of the file as it is; `recover` mends it later."""
        with suppress(OSError):  # a full disk does not take the rest either
            self._writer.abort()


@cache
def _definition(kind: str) -> dict[str, str]:
    """What a bag says of a type of messages; the same in every one."""
    store = typestore()
    return {
        "msgdef": store.generate_msgdef(kind, ros_version=2)[0],
        "rihs01": store.hash_rihs01(kind),
    }


def _qos(topic: Topic) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=topic.depth,
        reliability=QosReliability.RELIABLE if topic.reliable else QosReliability.BEST_EFFORT,
        durability=QosDurability.TRANSIENT_LOCAL if topic.latched else QosDurability.VOLATILE,
        deadline=FOREVER,
        lifespan=FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=FOREVER,
        avoid_ros_namespace_conventions=False,
    )


def recover(path: Path, image_contract: str = "") -> EpisodeSummary | None:
    """Mend a bag that was never closed: what is readable goes into a whole bag in its place. See `BagWriter`.

    A kill loses nothing: until there is metadata the bag counts as never closed, and is mended once more. Nor does
    damage: of a file from which more is missing than a torn end, a copy lies in `DAMAGED`, beside the bags.

    Returns:
        Its summary, or None where no episode is in it that can be read; then the folder lies in `DAMAGED`, or is gone
        if nothing was written into it.
    """
    workplace = path.parent / ".recovering"
    shutil.rmtree(workplace, ignore_errors=True)
    file, account = path / f"{path.name}.mcap", Account()
    messages = _readable(file, account) if regular(file) else []
    summary = _summary(path.name, messages)
    if summary is None:
        put_aside(path)
        return None
    workplace.mkdir()
    writer = BagWriter(workplace / path.name, image_contract)
    for topic, _, time, cdr in messages:
        writer.write(topic, time, cdr)
    writer.close(summary)
    if account.damage:
        _keep_copy(file)
    for name in (file.name, METADATA):
        os.replace(workplace / path.name / name, path / name)
    settle_folder(path)
    shutil.rmtree(workplace)
    return summary


def _readable(file: Path, account: Account) -> list[tuple[str, str, int, bytes]]:
    """All messages, as today's definitions have them; none where one of an earlier definition is damaged."""
    try:
        return list(mcap_file.messages(file, None, account, CHANNELS, installed_form))
    except DamagedMessage:
        return []


def _summary(episode_id: str, messages: list[tuple[str, str, int, bytes]]) -> EpisodeSummary | None:
    """None where there is none, or where it is not of this recorder's topics."""
    if any(topic not in RECORDED_NAMES for topic, *_ in messages):
        return None
    try:
        return summarize_messages(episode_id, messages)
    except ValueError:  # a message is damaged, or its status is none
        return None


def put_aside(path: Path) -> None:
    """Move a bag that cannot be mended to where no bags are looked for; one without a byte is removed."""
    if not any(file.is_symlink() or file.stat().st_size for file in path.rglob("*")):
        shutil.rmtree(path)
        return
    os.replace(path, _free(path.parent / DAMAGED / path.name))


def _keep_copy(file: Path) -> None:
    """The same file under a second name; where the disk knows no such thing, a copy."""
    kept = _free(file.parents[1] / DAMAGED / file.parent.name)
    kept.mkdir()
    try:
        os.link(file, kept / file.name)
    except OSError:
        shutil.copyfile(file, kept / file.name)


def _free(path: Path) -> Path:
    """A name that nothing has yet."""
    path.parent.mkdir(exist_ok=True)
    names = chain([path], (path.with_name(f"{path.name}_{number}") for number in count(1)))
    return next(name for name in names if not name.exists())


def stored_steps(path: Path, task: Task, looks: bool = False) -> Iterator[StoredStep]:
    """The episode's steps, of that task, as the learner was sent them, bit for bit: none before the task's hand-over.

    `looks`: with their images, as a learner that sees was.
    """
    for step in recorded_steps(path, task, looks):
        if step.handed_over:
            yield stored_step(step, looks)


def source_of(path: Path) -> str:
    """Where a bag's episode comes from, of `Source`, as its first message says; empty where nothing does.

    Raises:
        FileNotFoundError: it holds no file.
        DamagedMessage: it is damaged there.
    """
    first = next(raw_messages(path, [EPISODE.name]), None)
    return decode(EPISODE, first[3]).source if first else ""


def recorded_steps(path: Path, task: Task, looks: bool = False) -> Iterator[ControlStep]:
    """The episode's steps, of that task, but for what the policy believed.

    The state of a step is found by its stamp. Where the streams of a real robot carry stamps of their own, the
    nearest message counts.

    Args:
        path: the bag's folder.
        task: that was done.
        looks: decode images; otherwise they are empty.
    """
    wanted = {topic.name: topic for topic in OBSERVED if looks or topic != WRIST_IMAGE}
    streams: dict[str, dict[int, Any]] = {name: {} for name in wanted}
    steps, source = [], ""
    for topic, _, _, cdr in raw_messages(path):
        if topic == STEP.name:
            step = decode(STEP, cdr)
            if step.episode_id == path.name:
                steps.append(step)
        elif topic == EPISODE.name:
            episode = decode(EPISODE, cdr)
            source = episode.source if episode.episode_id == path.name else source
        elif topic in wanted:
            message = decode(wanted[topic], cdr)
            streams[topic][nanoseconds(message.header.stamp)] = message
    if not steps or steps[0].index != 0:
        return
    # Behind a damaged chunk the states that steps name are missing, and others would be taken for them.
    steps = steps[: next((place for place, step in enumerate(steps) if step.index != place), None)]
    # What is seen after a step is mostly what is seen before the next one: made once.
    observe = cache(partial(_observation, streams))
    start = observe(nanoseconds(steps[0].state_stamp), nanoseconds(steps[0].image_stamp))
    command, handed_over = command_at_start(start.gripper_width), False
    for step in steps:
        command_before, command = command, command_after(command, float(step.action[6]))
        seen = observe(nanoseconds(step.state_stamp), nanoseconds(step.image_stamp))
        after = observe(nanoseconds(step.next_state_stamp), nanoseconds(step.next_image_stamp))
        handed_over = handed_over or seen.progress >= task.handover
        before = state_vector(seen, start.pose, task, command_before)
        afterwards = state_vector(after, start.pose, task, command)
        yield recorded_step(
            step,
            source,
            observations=(seen, after),
            states=(before, afterwards),
            gripper_changed=command != command_before,
            handed_over=handed_over,
        )


def _observation(
    streams: Mapping[str, Mapping[int, Any]], stamp: int, image_stamp: int
) -> Observation:
    image = NO_IMAGE
    if WRIST_IMAGE.name in streams:
        image = colours(nearest(streams[WRIST_IMAGE.name], image_stamp))
    state = {topic.name: nearest(streams[topic.name], stamp) for topic in (*STATE, GRIPPER_STATE)}
    return observation_of(state, stamp, image_stamp, image)
