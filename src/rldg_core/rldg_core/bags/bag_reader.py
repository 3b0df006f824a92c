# SPDX-License-Identifier: Apache-2.0
"""Reading bags without ROS: raw and decoded messages, and an episode's summary.

A bag is a rosbag2 folder with one MCAP file and one episode. A file that ends in the middle gives all that lies before
the end, one that is damaged all but the damage.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from ament_index_python.packages import get_package_share_directory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rldg_core.bags import mcap_file
from rldg_core.bags.earlier_messages import DAMAGE, DamagedMessage, EarlierForm, earlier_form
from rldg_core.contract import EPISODE, STEP, Topic
from rldg_core.files.checked_file import (
    FormatError,
    parse_json,
    parse_yaml,
    read_bytes,
    typed,
    yaml_events,
)
from rldg_core.files.regular_file import open_regular, regular
from rldg_core.message_values import SECOND, nanoseconds
from rldg_core.run_paths import bags_below
from rldg_core.vocabulary import LED_BY_POLICY, EpisodeStatus, ExecutedBy

METADATA = "metadata.yaml"
WHOLE = "rosbag2_bagfile_information"
"""the one key of that file"""
SUMMARY_KEY = "episode"
T = TypeVar("T")


@dataclass(frozen=True)
class EpisodeSummary:
    """What a run needs to know of an episode without reading it; kept in the bag's `custom_data`."""

    episode_id: str
    source: str
    """of `Source`"""
    status: str
    """of `OUTCOMES`"""
    task: str
    """family/variant"""
    seed: int
    steps: int
    interventions: int
    """steps that a person acted in, in an episode that a policy began"""
    seconds: float
    """[s] of ROS time from the first to the last step"""
    lead_in: int = 0
    """steps that a person led, up to the task's hand-over, in an episode of a policy"""
    embodiment: str = "fr3_hand"
    region: str = "table"
    domain: str = "sim"
    """see `provenance`; the defaults are what every bag said whose summary is older than these fields"""

    @property
    def own_steps(self) -> int:
        """Steps after the lead-in."""
        return self.steps - self.lead_in


@dataclass(frozen=True)
class TopicMetadata:
    """What `metadata.yaml` says of a topic."""

    name: str
    type: str
    offered_qos_profiles: Any = None
    """a list, up to version 8 as YAML in a text"""


@dataclass(frozen=True)
class TopicCount:
    """How often it spoke."""

    topic_metadata: TopicMetadata
    message_count: int = 0


@dataclass(frozen=True)
class BagMetadata:
    """What `metadata.yaml` says, of what is read of it."""

    relative_file_paths: list[str]
    topics_with_message_count: list[TopicCount]
    custom_data: dict[str, Any] | None = field(default_factory=dict)


@cache
def typestore() -> Typestore:
    """All message types of the contract, for reading and writing without ROS."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(Path(get_package_share_directory("rldg_msgs"), "msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(), f"rldg_msgs/msg/{path.stem}"))
    store.register(types)
    return store


def installed_form(channel: mcap_file.Channel) -> EarlierForm | None:
    """How messages of a channel become those of the installed definition of their type; None where they are."""
    return _installed_form(channel.type, channel.definition)


@lru_cache(256)
def _installed_form(kind: str, definition: str) -> EarlierForm | None:
    """Every bag of a run carries the same ones."""
    return earlier_form(typestore(), kind, definition)


def raw_messages(
    path: Path,
    topics: Collection[str] | None = None,
    account: mcap_file.Account | None = None,
) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic (without the leading slash), type, time [ns] and CDR bytes of every message, in file order.

    The bytes are of the installed definition of their type, whatever it was when they were recorded.
    A file that ends in the middle gives all that lies before the end, a damaged one all but the damage.

    Args:
        path: the bag's folder.
        topics: of these alone; None: of all.
        account: what was read and what was skipped, whole once the last message was taken.

    Raises:
        FileNotFoundError: the folder holds no file.
        DamagedMessage: a message of an earlier definition cannot be read.
    """
    files = bag_files(path)
    return chain.from_iterable(
        mcap_file.messages(file, topics, account, form=installed_form) for file in files
    )


def bag_files(path: Path) -> list[Path]:
    """The MCAP files of a bag's folder in the order of their recording; `ros2 bag record` may split one.

    Raises:
        FileNotFoundError: there is none.
    """
    files = in_recorded_order(file for file in path.glob("*.mcap") if regular(file))
    if not files:
        raise FileNotFoundError(f"{path} holds no .mcap file")
    return files


def in_recorded_order(files: Iterable[Path]) -> list[Path]:
    """The files of a split bag as they were recorded: `x_10` after `x_9`."""
    return sorted(files, key=lambda file: (len(file.name), file.name))


def bags_in(path: Path) -> list[Path]:
    """The bag at `path`, or the bags of the run or folder there, in the order of their first messages.

    Raises:
        FileNotFoundError: there is none.
    """
    if any(map(regular, path.glob("*.mcap"))):
        return [path]
    files = (f for f in bags_below(path).glob("*/*.mcap") if not f.parent.name.startswith("."))
    bags = {file.parent for file in files if regular(file)}
    if not bags:
        raise FileNotFoundError(f"{path} holds no bags: give a bag, a folder of bags or a run")
    return sorted(bags, key=lambda bag: (next(raw_messages(bag), ("", "", 0, b""))[2], bag.name))


def is_complete(path: Path) -> bool:
    """Whether the bag was closed: its metadata is there, and no power cut emptied or zeroed the file."""
    try:
        with open_regular(path / METADATA) as file:
            begin = file.read(1)
            file.seek(-1, os.SEEK_END)
            return b"\0" not in begin + file.read(1)
    except OSError:
        return False


def read_summary(path: Path) -> EpisodeSummary:
    """The summary of a closed bag.

    Raises:
        FileNotFoundError: the bag was never closed; `recover` mends it.
        ValueError: its metadata is damaged, or holds no summary.
    """
    text = custom_data(path).get(SUMMARY_KEY)
    if text is None:
        raise ValueError(f"{path / METADATA} holds no summary of an episode")
    try:
        return parse_json(text, EpisodeSummary, f"the summary in {path / METADATA}")
    except FormatError as error:
        raise ValueError(str(error)) from error


def custom_data(path: Path) -> dict[str, str]:
    """What the recorder left in a closed bag's `metadata.yaml`: `contract_version`, the summary, and of a real camera
    the `image_contract`.

    Raises:
        FileNotFoundError: the bag was never closed.
        ValueError: the file is not the metadata of a bag.
    """
    file = path / METADATA
    try:
        return _custom_data(yaml_events(read_bytes(file)))
    except (FormatError, yaml.YAMLError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: {' '.join(str(error).split())}") from error


def metadata(path: Path) -> BagMetadata:
    """What `metadata.yaml` of a closed bag says of topics and files. Takes much longer than `custom_data` alone.

    Raises:
        FileNotFoundError: the bag was never closed.
        ValueError: the file is not the metadata of a bag.
    """
    try:
        text = read_bytes(path / METADATA)
    except FormatError as error:
        raise ValueError(str(error)) from error
    return parse_metadata(text, str(path / METADATA))


def parse_metadata(text: str | bytes, where: str) -> BagMetadata:
    """The same from a text, with or without the name of its whole; `where` names its place in messages.

    Raises:
        ValueError: it is not the metadata of a bag.
    """
    try:
        found = parse_yaml(text, dict[str, Any], where)
        return typed(found.get(WHOLE, found), BagMetadata, where)
    except FormatError as error:
        raise ValueError(str(error)) from error


def _custom_data(events: Iterator[yaml.Event]) -> dict[str, str]:
    """Read no further than needed: a list of thousands of bags is planned from this alone, and the recorder writes
    it in front of the topics, which are most of the file.
    """
    words = (event.value for event in events if isinstance(event, yaml.ScalarEvent))
    if next(words, None) != WHOLE:
        raise ValueError("it is not the metadata of a bag")
    if "custom_data" not in words or not isinstance(next(events), yaml.MappingStartEvent):
        return {}
    values: list[str] = []
    for event in events:
        if not isinstance(event, yaml.ScalarEvent):
            break
        values.append(event.value)
    if len(values) % 2:
        raise ValueError("its custom_data is not one text for each name")
    return dict(zip(values[::2], values[1::2], strict=True))


def summarize_messages(
    episode_id: str, messages: list[tuple[str, str, int, bytes]]
) -> EpisodeSummary | None:
    """Summary of an episode's messages; None where no episode was ever opened."""
    episodes = [decode(EPISODE, cdr) for topic, _, _, cdr in messages if topic == EPISODE.name]
    episodes = [episode for episode in episodes if episode.episode_id == episode_id]
    if not episodes:
        return None
    steps = [decode(STEP, cdr) for topic, _, _, cdr in messages if topic == STEP.name]
    steps = [step for step in steps if step.episode_id == episode_id]
    return summary_of(episodes[-1], steps)


def summary_of(episode: Any, steps: list[Any]) -> EpisodeSummary:
    """Summary of an episode from its last Episode message and its Step messages."""
    # Not from the first to the last: between two steps a person may have been asked.
    durations = [nanoseconds(s.next_state_stamp) - nanoseconds(s.state_stamp) for s in steps]
    of_policy = episode.source in LED_BY_POLICY
    return EpisodeSummary(
        episode_id=episode.episode_id,
        source=episode.source,
        status=EpisodeStatus.of(int(episode.status)).closed,
        task=f"{episode.task}/{episode.variant}",
        seed=int(episode.seed),
        steps=len(steps),
        interventions=sum(int(step.executed_by) == ExecutedBy.INTERVENTION for step in steps),
        seconds=sum(durations) / SECOND,
        lead_in=sum(int(step.executed_by) == ExecutedBy.DEMONSTRATION for step in steps)
        if of_policy
        else 0,
        embodiment=episode.embodiment,
        region=episode.region,
        domain=episode.domain,
    )


def images(path: Path, topic: Topic) -> dict[int, np.ndarray]:
    """Every image of a topic, (H, W, 3) uint8, by its stamp [ns]."""
    found = {}
    for _, _, _, cdr in raw_messages(path, [topic.name]):
        message = decode(topic, cdr)
        found[nanoseconds(message.header.stamp)] = message.data.reshape(
            message.height, message.width, 3
        )
    return found


def messages_of(path: Path, topic: Topic) -> list[Any]:
    """Every message of a topic, decoded."""
    return [decode(topic, cdr) for _, _, _, cdr in raw_messages(path, [topic.name])]


def decode(topic: Topic, cdr: bytes) -> Any:
    """A message of a topic of the contract; see `decode_as`."""
    return decode_as(topic.type, cdr)


def decode_as(kind: str, cdr: bytes) -> Any:
    """A message of a type.

    Raises:
        DamagedMessage: it is none: cut off, or a length or a text in it is wrong.
    """
    try:
        return typestore().deserialize_cdr(cdr, kind)
    except DAMAGE as error:
        raise DamagedMessage(f"{kind}: {error}") from error


def nearest(stream: Mapping[int, T], stamp: int) -> T:
    """What a stream of values by stamp [ns] says at a stamp: that of the same stamp, else the nearest one's.

    Raises:
        ValueError: the stream is empty.
    """
    if stamp in stream:
        return stream[stamp]
    return stream[min(stream, key=lambda other: abs(other - stamp))]
