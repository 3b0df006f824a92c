# SPDX-License-Identifier: Apache-2.0
"""A bag made elsewhere, by a plain `ros2 bag record`: what it is taken for, and which topic plays which part.

Derived from its metadata and what the user states, without reading it through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rldg_core.bags.bag_reader import custom_data, decode, is_complete
from rldg_core.bags.mcap_file import channels
from rldg_core.contract import (
    CURRENT_POSE,
    CURRENT_TWIST,
    EPISODE,
    EXTERNAL_WRENCH,
    GRIPPER_COMMAND,
    GRIPPER_STATE,
    JOINT_STATES,
    POLICY_GRIPPER,
    POLICY_TARGET_POSE,
    SPACENAV_JOY,
    STEP,
    TARGET_POSE,
    WRIST_IMAGE,
    Topic,
)
from rldg_core.files.regular_file import regular
from rldg_core.message_values import nanoseconds
from rldg_core.task import UnknownTask, load_task
from rldg_core.vocabulary import OUTCOMES, EpisodeStatus, Source
from rldg_distill.datasets.episode import BadBag
from rldg_distill.datasets.image_codec import IMAGE_TYPES
from rldg_distill.recordings.bag_storage import (
    TopicInfo,
    custom_data_of,
    damage_as_bad_bag,
    messages,
    topics,
)
from rldg_distill.recordings.foreign.gripper_joints import gripper_joints, joint_names
from rldg_distill.recordings.foreign.gripper_width import GripperRange

MOTION = "motion"
LONGEST = 300
"""letters of a message that repeats what a bag says"""
ACTIONS = (POLICY_TARGET_POSE.name, TARGET_POSE.name, SPACENAV_JOY.name, MOTION)
"""where a step's action can come from, the most telling first"""
CLOCKS = ("header", "log")
NEEDED = (CURRENT_POSE, WRIST_IMAGE)
STATE = (CURRENT_TWIST, EXTERNAL_WRENCH, GRIPPER_STATE, JOINT_STATES)
COMMANDS = (POLICY_TARGET_POSE, TARGET_POSE, SPACENAV_JOY)
GRIPPER = (POLICY_GRIPPER, GRIPPER_COMMAND)
"""what the gripper is asked for, the most telling first"""
PARTS = {topic.name: topic for topic in (*NEEDED, *STATE, *COMMANDS, *GRIPPER, EPISODE)}
"""every topic of the contract that counts in a recording"""
CUT = "cut"
"""what becomes of a bag whose clock was set, where that is asked for: it begins behind the jump"""
GRIPPER_FACTS = ("gripper_joint", "gripper_range")
ALWAYS = (0, 2**63 - 1)


@dataclass(frozen=True)
class StatedFacts:
    """What recordings cannot know and the user states. What is in a bag goes before: `custom_data`, then `Episode`.

    Raises:
        ValueError: an impossible value.
    """

    task: str = ""
    """family/variant"""
    status: str = EpisodeStatus.SUCCESS
    embodiment: str = "fr3_hand"
    region: str = "table"
    domain: str = "real"
    action: str = ""
    """one of `ACTIONS`; empty: the first of them that the bag has"""
    clock: str = "header"
    """`header`: stamps of the messages, the time of recording where they have none; `log`: time of recording"""
    topics: dict[str, str] = field(default_factory=dict)
    """the bag's topic by the contract's name"""
    clock_jump: str = ""
    """`cut`: a bag whose clock was set begins behind the last jump; empty: it is refused"""
    gripper_joint: str = ""
    """whose position tells the gripper's width; empty: `gripper/state`, else the fingers of Franka's hand"""
    gripper_range: str = ""
    """`CLOSED:OPEN`, what is said with the gripper closed and open; empty: its width in m"""

    def __post_init__(self) -> None:
        """Check it."""
        if self.task:
            load_task(self.task)
        for name, valid in (
            ("status", OUTCOMES),
            ("action", ("", *ACTIONS)),
            ("clock", CLOCKS),
            ("clock_jump", ("", CUT)),
        ):
            if getattr(self, name) not in valid:
                raise ValueError(
                    f"no {name} '{getattr(self, name)}'; there are: {', '.join(filter(None, valid))}"
                )
        if self.gripper_joint and not self.gripper_range:
            raise ValueError(
                f"the gripper's joint {self.gripper_joint} without its values closed and open: --gripper-range "
                "CLOSED:OPEN"
            )
        if self.gripper_range:
            GripperRange.parse(self.gripper_range)
        unknown = sorted(set(self.topics) - set(PARTS))
        if unknown:
            raise ValueError(
                f"no topic '{unknown[0]}' in the contract; there are: {', '.join(PARTS)}"
            )

    @classmethod
    def parse(
        cls,
        facts: Iterable[str],
        mapping: Iterable[str],
        gripper_joint: str = "",
        gripper_range: str = "",
    ) -> StatedFacts:
        """From a command line: `task=connector/vga`, ...; `current_pose=/franka/current_pose`, ...

        Raises:
            ValueError: an unknown name or an impossible value.
        """
        stated = _pairs(facts)
        unknown = sorted(set(stated) - set(cls.facts()))
        if unknown:
            raise ValueError(
                f"no fact '{unknown[0]}' about a bag; there are: {', '.join(cls.facts())}"
            )
        named = {name.lstrip("/"): topic.lstrip("/") for name, topic in _pairs(mapping).items()}
        return cls(**stated, topics=named, gripper_joint=gripper_joint, gripper_range=gripper_range)

    @classmethod
    def facts(cls) -> tuple[str, ...]:
        """Names of all but those that have options of their own: topics, and the gripper."""
        return tuple(f.name for f in fields(cls) if f.name not in ("topics", *GRIPPER_FACTS))

    def to_json(self) -> dict[str, Any]:
        """For the dataset's contract; what few bags need is there only where it was stated."""
        rare = ("clock_jump", *GRIPPER_FACTS)
        return {name: value for name, value in asdict(self).items() if value or name not in rare}

    def of(self, path: Path) -> StatedFacts:
        """The same about one bag, in whose `custom_data` facts may stand: `ros2 bag record --custom-data task=...`.

        Raises:
            BadBag: an impossible value is there.
        """
        there = custom_data_of(path)
        try:
            own = (*self.facts(), *GRIPPER_FACTS)
            return replace(self, **{k: str(v) for k, v in there.items() if k in own})  # type: ignore[arg-type]
        except ValueError as error:
            said = str(error)[:LONGEST]
            raise BadBag(f"has in the custom_data of its metadata.yaml {said}") from error


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"'{text}' is not NAME=VALUE")
        if name in pairs:
            raise ValueError(f"{name} is given twice: {pairs[name]} and {value}")
        pairs[name] = value
    return pairs


@dataclass(frozen=True)
class ForeignBag:
    """What a bag made elsewhere is taken for."""

    stated: StatedFacts
    """about this very bag; the action is settled"""
    topics: dict[str, str]
    """the bag's topic by the contract's name, of those that are used"""
    instruction: str
    seed: int
    """0 where no `Episode` message names one"""
    span: tuple[int, int]
    """[ns] what an `Episode` message opens and closes"""
    joints: tuple[str, ...] = ()
    """whose positions tell the gripper's width; empty where a topic tells it"""
    source: str = Source.RECORDED
    pictures: str = ""
    """image contract by which those of the policy's camera are cropped and sized; empty: they are kept as they are"""

    @property
    def gripper_range(self) -> GripperRange | None:
        """What the gripper says closed and open; None: its width in m."""
        stated = self.stated.gripper_range
        return GripperRange.parse(stated) if stated else None

    @property
    def task(self) -> str:
        """family/variant."""
        return self.stated.task

    @property
    def status(self) -> str:
        """One of `OUTCOMES`."""
        return self.stated.status

    @property
    def embodiment(self) -> str:
        """Of the robot."""
        return self.stated.embodiment

    @property
    def region(self) -> str:
        """Where the task was set up."""
        return self.stated.region

    @property
    def domain(self) -> str:
        """Name of the set-up."""
        return self.stated.domain

    @property
    def width(self) -> str | None:
        """Of the contract's topics the one that tells the gripper's width."""
        return next((t.name for t in (GRIPPER_STATE, JOINT_STATES) if t.name in self.topics), None)

    @property
    def asked(self) -> str | None:
        """Of the contract's topics the one that tells what the gripper is asked for."""
        return next((t.name for t in GRIPPER if t.name in self.topics), None)

    @property
    def zero(self) -> tuple[str, ...]:
        """What of the state was not recorded."""
        missing = [t.name for t in (CURRENT_TWIST, EXTERNAL_WRENCH) if t.name not in self.topics]
        return (*missing, *(() if self.width else (GRIPPER_STATE.name,)))

    def __str__(self) -> str:
        zero = f", zero in the state: {', '.join(self.zero)}" if self.zero else ""
        stated = self.stated
        seen = f", images cropped and resized by {self.pictures}" if self.pictures else ""
        return f"{stated.task}, {stated.status}, actions from {stated.action}, {stated.clock} time{zero}{seen}"

    def to_json(self) -> dict[str, Any]:
        """For the dataset's contract."""
        about = self.stated.to_json() | {"topics": self.topics, "zero": self.zero}
        return about | ({"pictures": self.pictures} if self.pictures else {})


def is_foreign(path: Path) -> bool:
    """Whether a bag was made by something else than this project's recorder."""
    try:
        if is_complete(path):
            return "contract_version" not in custom_data(path)
    except ValueError:
        return False
    own = path / f"{path.name}.mcap"
    return not (regular(own) and STEP.name in {c.topic for c in channels(own).values()})


@damage_as_bad_bag()
def find_foreign(path: Path, stated: StatedFacts) -> ForeignBag:
    """What a bag made elsewhere is taken for.

    Raises:
        BadBag: something is missing, of another type, or not stated.
    """
    stated = stated.of(path)
    there = topics(path)
    if STEP.name in there and there[STEP.name].type == STEP.type:
        raise BadBag(
            f"holds messages of {STEP.name}, but no contract_version in its metadata.yaml: it is a copy. Convert "
            "the bag that the recorder wrote, in runs/<name>/bags"
        )
    parts = {name: topic for name in PARTS if (topic := _topic(name, there, stated))}
    for part in NEEDED:
        if part.name not in parts:
            raise BadBag(f"has no {part.name}. {_suggestion(part, there)}")
    action = stated.action or next(a for a in ACTIONS if a in parts or a == MOTION)
    if action != MOTION and action not in parts:
        free = {name: info for name, info in there.items() if name not in parts.values()}
        raise BadBag(f"has no {action} to take actions from. {_suggestion(PARTS[action], free)}")
    used = {*(part.name for part in NEEDED), CURRENT_TWIST.name, EXTERNAL_WRENCH.name, action}
    joints: tuple[str, ...] = ()
    if GRIPPER_STATE.name in parts and not stated.gripper_joint:
        used.add(GRIPPER_STATE.name)
    elif JOINT_STATES.name in parts:
        joints = _joints(path, parts[JOINT_STATES.name], stated)
        used |= {JOINT_STATES.name} if joints else set()
    if stated.gripper_range and not used & {GRIPPER_STATE.name, JOINT_STATES.name}:
        raise BadBag(
            f"has no topic with the gripper's width, though its range was given. {_suggestion(JOINT_STATES, there)}"
        )
    if asked := next((topic.name for topic in GRIPPER if topic.name in parts), None):
        used.add(asked)
    return _about(
        path,
        replace(stated, action=action),
        {name: topic for name, topic in parts.items() if name in used},
        parts.get(EPISODE.name),
        joints,
    )


def _joints(path: Path, topic: str, stated: StatedFacts) -> tuple[str, ...]:
    """Those of a gripper; none where none was meant."""
    joints = gripper_joints(path, topic, stated.gripper_joint)
    if not joints and JOINT_STATES.name in stated.topics:
        there = ", ".join(joint_names(path, topic)) or "no joint"
        raise BadBag(
            f"has {there} on {topic}: name the one that measures the gripper's width, and its values closed and open, "
            "--gripper-joint NAME --gripper-range CLOSED:OPEN"
        )
    if joints and stated.gripper_range and not stated.gripper_joint:
        raise BadBag(
            f"has {' and '.join(joints)}: say of which the range is, --gripper-joint {joints[0]}"
        )
    return joints


def width_wanted(path: Path, stated: StatedFacts) -> str:
    """What a bag can be asked for that tells nothing of its gripper's width.

    Raises:
        BadBag: it cannot be read.
    """
    there = topics(path)
    wanted = f"record {GRIPPER_STATE.name}, or {JOINT_STATES.name} with its fingers"
    topic = _topic(JOINT_STATES.name, there, stated.of(path))
    if topic is None:
        return f"{wanted}. {_suggestion(JOINT_STATES, there)}"
    others = [
        name for name, info in there.items() if info.type == JOINT_STATES.type and name != topic
    ]
    elsewhere = "".join(f" or --topic {JOINT_STATES.name}=/{name}" for name in sorted(others))
    return (
        f"{wanted}. {topic} has {', '.join(joint_names(path, topic)) or 'no joint'}: where one of them measures it, "
        f"--gripper-joint NAME --gripper-range CLOSED:OPEN{elsewhere}"
    )


def _topic(name: str, there: dict[str, TopicInfo], stated: StatedFacts) -> str | None:
    """The bag's topic for one of the contract's, None where there is none that fits."""
    part = PARTS[name]
    given = stated.topics.get(name)
    usual = [name, f"{name}/compressed"] if part is WRIST_IMAGE else [name]
    found = next((n for n in ([given] if given else usual) if n in there), None)
    if found is None and given:
        raise BadBag(f"has no {given}, given for {name}. {_suggestion(part, there)}")
    if found is None or there[found].type in _types(part):
        return found
    if part in NEEDED or given:
        raise BadBag(
            f"has {found} as {there[found].type}, {name} is a {part.type}. {_suggestion(part, there)}"
        )
    return None  # another robot's topic that happens to have this name


def _types(part: Topic) -> tuple[str, ...]:
    return IMAGE_TYPES if part is WRIST_IMAGE else (part.type,)


def _suggestion(part: Topic, there: dict[str, TopicInfo]) -> str:
    alike = [name for name, info in sorted(there.items()) if info.type in _types(part)]
    if alike:
        return "Say which it is: " + " or ".join(f"--topic {part.name}=/{name}" for name in alike)
    video = [f"{name} ({info.type})" for name, info in sorted(there.items()) if _is_video(info)]
    if part is WRIST_IMAGE and video:
        found = ", ".join(video)
        return f"{found} is H.264 or other video: republish it as raw or compressed images, and record those"
    listed = ", ".join(f"{name} ({info.type})" for name, info in sorted(there.items()))
    return f"None of its topics is a {part.type}: {listed or 'it has no messages'}"


def _is_video(info: TopicInfo) -> bool:
    """As Foxglove, ffmpeg_image_transport and theora_image_transport have it."""
    return info.type.endswith(("CompressedVideo", "FFMPEGPacket")) or "theora" in info.type


def _about(
    path: Path,
    stated: StatedFacts,
    used: dict[str, str],
    episode_topic: str | None,
    joints: tuple[str, ...],
) -> ForeignBag:
    """Task and outcome: from `Episode` messages, else from the user."""
    heard = messages(path, [episode_topic]) if episode_topic else ()
    spoken = [(time, decode(EPISODE, cdr)) for _, time, cdr in heard]
    if not spoken:
        if not stated.task:
            raise BadBag(
                "was recorded elsewhere and does not name its task: --recorded task=connector/vga, or the same in "
                "its custom_data"
            )
        return ForeignBag(stated, used, load_task(stated.task).instruction, 0, ALWAYS, joints)
    if len({episode.episode_id for _, episode in spoken}) > 1:
        raise BadBag("holds several episodes. Record each in a bag of its own")
    first, last = spoken[0][1], spoken[-1][1]
    times = [
        nanoseconds(episode.header.stamp) if stated.clock == "header" else time
        for time, episode in spoken
    ]
    try:
        status = EpisodeStatus.of(int(last.status))
    except ValueError as error:
        raise BadBag(f"has the unknown status {int(last.status)} in {episode_topic}") from error
    try:
        stated = replace(
            stated,
            task=f"{last.task}/{last.variant}",
            status=status.closed,
            embodiment=last.embodiment,
            region=last.region,
            domain=last.domain,
        )
    except UnknownTask as error:
        raise BadBag(str(error)) from error
    opened = times[0] if int(first.status) == EpisodeStatus.OPEN.number else ALWAYS[0]
    closed = times[-1] if status is not EpisodeStatus.OPEN else ALWAYS[1]
    instruction = last.instruction.strip() or load_task(stated.task).instruction
    return ForeignBag(stated, used, instruction, int(last.seed), (opened, closed), joints)
