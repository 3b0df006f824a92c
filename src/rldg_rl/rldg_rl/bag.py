# SPDX-License-Identifier: Apache-2.0
"""Bags: one MCAP per episode, complete on disk after every step, readable even when it ends in the middle.

A bag is a rosbag2 folder, so `ros2 bag`, Foxglove and the `mcap` tools read it. It is also the replay buffer's log:
`stored_steps` gives back exactly the transitions that the learner was sent.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ament_index_python.packages import get_package_share_directory
from mcap.exceptions import McapError
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from zstandard import ZstdError

from rldg_rl.observation import Observation, state_vector
from rldg_rl.replay_buffer import StoredStep
from rldg_robot.contract import (
    CONTRACT_VERSION,
    CURRENT_POSE,
    CURRENT_TWIST,
    EPISODE,
    EXTERNAL_WRENCH,
    GRIPPER_STATE,
    RECORDED,
    STEP,
    TASK_STATE,
    Topic,
)
from rldg_robot.poses import Pose

SECOND = 1_000_000_000
SUMMARY_KEY = "episode"
STATUS = {
    0: "aborted",
    1: "success",
    2: "failure",
    3: "aborted",
}  # an episode left open was aborted
NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
CUT_OFF = (McapError, EOFError, ValueError, struct.error, ZstdError)
FOREVER = QosTime(sec=2147483647, nsec=4294967295)


@dataclass(frozen=True)
class EpisodeSummary:
    """What a run needs to know of an episode without reading it; kept in the bag's `custom_data`."""

    episode_id: str
    source: str
    """demonstration, policy or evaluation"""
    status: str
    """success, failure or aborted"""
    task: str
    """family/variant"""
    seed: int
    steps: int
    interventions: int
    """steps that a person acted in, in an episode that a policy began"""
    seconds: float
    """[s] of ROS time from the first to the last step"""


@cache
def typestore() -> Typestore:
    """All message types of the contract, for reading and writing without ROS."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(Path(get_package_share_directory("rldg_msgs"), "msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(), f"rldg_msgs/msg/{path.stem}"))
    store.register(types)
    return store


class BagWriter:
    """Writes one episode's bag. `flush` after every step; a kill then loses at most the step in flight."""

    def __init__(self, path: Path) -> None:
        """Create the bag's folder.

        Raises:
            rosbags.rosbag2.WriterError: the folder exists.
            OSError: it cannot be written.
        """
        self.path = path
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections = {
            topic.name: self._writer.add_connection(
                f"/{topic.name}",
                topic.type,
                typestore=typestore(),
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
        """Write index and metadata."""
        self._writer.set_custom_data("contract_version", CONTRACT_VERSION)
        self._writer.set_custom_data(SUMMARY_KEY, json.dumps(asdict(summary)))
        self._writer.close()

    def abort(self) -> None:
        """Let go of the file as it is; `recover` mends it later."""
        with suppress(OSError):  # a full disk does not take the rest either
            self._writer.abort()


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


def raw_messages(path: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic (without the leading slash), type, time [ns] and CDR bytes of every message, in file order.

    A file that ends in the middle gives all that lies before the end.
    """
    file = path / f"{path.name}.mcap"
    channels: dict[int, Channel] = {}
    schemas: dict[int, str] = {}
    with file.open("rb") as stream:
        records = iter(StreamReader(stream).records)
        while True:
            try:
                record = next(records)
            except (StopIteration, *CUT_OFF):
                return  # the end, or the place where a kill or a full disk cut it off
            if isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                channel = channels[record.channel_id]
                yield (
                    channel.topic.lstrip("/"),
                    schemas[channel.schema_id],
                    record.log_time,
                    record.data,
                )
            elif type(record).__name__ == "Schema":
                schemas[record.id] = record.name  # type: ignore[attr-defined]


def is_complete(path: Path) -> bool:
    """Whether the bag was closed."""
    return (path / "metadata.yaml").is_file()


def read_summary(path: Path) -> EpisodeSummary:
    """The summary of a closed bag.

    Raises:
        FileNotFoundError: the bag was never closed; `recover` mends it.
    """
    text = (path / "metadata.yaml").read_text()
    metadata = yaml.load(text, yaml.CSafeLoader)["rosbag2_bagfile_information"]
    return EpisodeSummary(**json.loads(metadata["custom_data"][SUMMARY_KEY]))


def recover(path: Path) -> EpisodeSummary | None:
    """Mend a bag that was never closed: what is readable goes into a whole bag in its place.

    Returns:
        Its summary, or None if nothing was in it; then the folder is removed.
    """
    workplace = path.parent / ".recovering"
    shutil.rmtree(workplace, ignore_errors=True)
    messages = list(raw_messages(path)) if (path / f"{path.name}.mcap").is_file() else []
    summary = summarize(path.name, messages)
    if summary is None:
        shutil.rmtree(path)
        return None
    workplace.mkdir()
    writer = BagWriter(workplace / path.name)
    for topic, _, time, cdr in messages:
        writer.write(topic, time, cdr)
    writer.close(summary)
    shutil.rmtree(path)
    (workplace / path.name).rename(path)
    workplace.rmdir()
    return summary


def summarize(
    episode_id: str, messages: list[tuple[str, str, int, bytes]]
) -> EpisodeSummary | None:
    """Summary of an episode's messages; None where no episode was ever opened."""
    episodes = [_decode(EPISODE, cdr) for topic, _, _, cdr in messages if topic == EPISODE.name]
    episodes = [episode for episode in episodes if episode.episode_id == episode_id]
    if not episodes:
        return None
    steps = [_decode(STEP, cdr) for topic, _, _, cdr in messages if topic == STEP.name]
    steps = [step for step in steps if step.episode_id == episode_id]
    return summary_of(episodes[-1], steps)


def summary_of(episode: Any, steps: list[Any]) -> EpisodeSummary:
    """Summary of an episode from its last Episode message and its Step messages."""
    seconds = (
        (_nanoseconds(steps[-1].next_state_stamp) - _nanoseconds(steps[0].state_stamp)) / SECOND
        if steps
        else 0.0
    )
    return EpisodeSummary(
        episode_id=episode.episode_id,
        source=episode.source,
        status=STATUS[int(episode.status)],
        task=f"{episode.task}/{episode.variant}",
        seed=int(episode.seed),
        steps=len(steps),
        interventions=sum(int(step.executed_by) == 1 for step in steps),
        seconds=seconds,
    )


def stored_steps(path: Path) -> Iterator[StoredStep]:
    """The episode's steps as the learner was sent them, bit for bit.

    The state of a step is found by its stamp. Where the streams of a real robot carry stamps of their own, the
    nearest message counts.
    """
    wanted = {
        topic.name: topic
        for topic in (CURRENT_POSE, CURRENT_TWIST, EXTERNAL_WRENCH, GRIPPER_STATE, TASK_STATE)
    }
    streams: dict[str, dict[int, Any]] = {name: {} for name in wanted}
    steps = []
    for topic, _, _, cdr in raw_messages(path):
        if topic == STEP.name:
            step = _decode(STEP, cdr)
            if step.episode_id == path.name:
                steps.append(step)
        elif topic in wanted:
            message = _decode(wanted[topic], cdr)
            streams[topic][_nanoseconds(message.header.stamp)] = message
    if not steps or steps[0].index != 0:
        return
    reset_pose = _observation(streams, _nanoseconds(steps[0].state_stamp)).pose
    for step in steps:
        seen = _observation(streams, _nanoseconds(step.state_stamp))
        last = bool(step.terminated or step.truncated)
        after = _observation(streams, _nanoseconds(step.next_state_stamp)) if last else None
        yield StoredStep(
            episode_id=step.episode_id,
            index=int(step.index),
            observation=state_vector(seen, reset_pose),
            action=np.asarray(step.action, np.float32),
            executed_by=int(step.executed_by),
            reward=float(step.reward),
            terminated=bool(step.terminated),
            truncated=bool(step.truncated),
            next_observation=None if after is None else state_vector(after, reset_pose),
        )


def images(path: Path, topic: Topic) -> dict[int, np.ndarray]:
    """Every image of a topic, (H, W, 3) uint8, by its stamp [ns]."""
    found = {}
    for name, _, _, cdr in raw_messages(path):
        if name == topic.name:
            message = _decode(topic, cdr)
            found[_nanoseconds(message.header.stamp)] = message.data.reshape(
                message.height, message.width, 3
            )
    return found


def messages_of(path: Path, topic: Topic) -> list[Any]:
    """Every message of a topic, decoded."""
    return [_decode(topic, cdr) for name, _, _, cdr in raw_messages(path) if name == topic.name]


def _decode(topic: Topic, cdr: bytes) -> Any:
    return typestore().deserialize_cdr(cdr, topic.type)


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * SECOND + int(stamp.nanosec)


def _observation(streams: Mapping[str, Mapping[int, Any]], stamp: int) -> Observation:
    pose = _nearest(streams[CURRENT_POSE.name], stamp).pose
    twist = _nearest(streams[CURRENT_TWIST.name], stamp).twist
    wrench = _nearest(streams[EXTERNAL_WRENCH.name], stamp).wrench
    task_state = _nearest(streams[TASK_STATE.name], stamp)
    return Observation(
        state_stamp=stamp,
        image_stamp=0,
        pose=_pose(pose),
        twist=np.concatenate([_vector(twist.linear), _vector(twist.angular)]),
        wrench=np.concatenate([_vector(wrench.force), _vector(wrench.torque)]),
        gripper_width=float(_nearest(streams[GRIPPER_STATE.name], stamp).width),
        offset=_pose(task_state.offset),
        progress=float(task_state.progress),
        success=bool(task_state.success),
        image=NO_IMAGE,
    )


def _nearest(stream: Mapping[int, Any], stamp: int) -> Any:
    if stamp in stream:
        return stream[stamp]
    return stream[min(stream, key=lambda other: abs(other - stamp))]


def _pose(message: Any) -> Pose:
    q = message.orientation
    return Pose(_vector(message.position), np.array([q.x, q.y, q.z, q.w]))


def _vector(message: Any) -> np.ndarray:
    return np.array([message.x, message.y, message.z])
