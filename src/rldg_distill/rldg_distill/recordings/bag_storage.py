# SPDX-License-Identifier: Apache-2.0
"""Bags as any `ros2 bag record` leaves them: MCAP or SQLite, split or not, compressed by chunk, message or file.

Topics are told without the leading slash, as the robot contract names them.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rosbags.rosbag2 import Reader
from rosbags.serde import SerdeError

from rldg_distill.datasets.episode import BadBag
from rldg_robot.bag_reader import metadata
from rldg_robot.task import UnknownTask
from rldg_robot.user_error import UserError

FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
"""what is wrong with the machine, not with a bag: the disk is full, too many files are open"""


@dataclass(frozen=True)
class TopicInfo:
    """A topic with messages in a bag."""

    type: str
    count: int


def topics(path: Path) -> dict[str, TopicInfo]:
    """Every topic that has a message, as `metadata.yaml` lists them.

    Raises:
        BadBag: the file is damaged.
    """
    found: dict[str, TopicInfo] = {}
    try:
        for entry in metadata(path)["topics_with_message_count"]:
            name = entry["topic_metadata"]["name"].lstrip("/")
            # Publishers of different QoS are listed one by one.
            count = entry["message_count"] + (found[name].count if name in found else 0)
            if count:
                found[name] = TopicInfo(entry["topic_metadata"]["type"], count)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadBag(f"has a damaged metadata.yaml: {error!r}") from error
    return found


def messages(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
    """Topic, time of recording [ns] and CDR bytes of every message of some topics, in file order.

    Raises:
        BadBag: the bag is damaged, or stored in a way that cannot be read.
    """
    try:
        with Reader(path) as reader:
            # As the files name them: metadata.yaml may tell another QoS, and the reader then finds no message.
            files = reader.storage.storages  # type: ignore[attr-defined]
            there = [connection for file in files for connection in file.connections]
            chosen = [c for c in there if c.topic.lstrip("/") in wanted]
            for connection, time, cdr in reader.messages(chosen) if chosen else ():
                yield connection.topic.lstrip("/"), time, cdr
    except Exception as error:  # damage shows as anything: struct, zstd, sqlite, a byte too few
        raise BadBag(
            f"cannot be read ({error}). If it is damaged, `ros2 bag reindex` or `mcap recover` may mend it"
        ) from error


@contextmanager
def damage_told() -> Iterator[None]:
    """Make a BadBag of whatever one bag raises, so that it ends nothing but itself: a message that is cut off or not of
    its type, a file that cannot be read, and what nobody foresaw. What would end every bag passes.
    """
    try:
        yield
    except BadBag:
        raise
    except (UserError, UnknownTask) as error:
        raise BadBag(str(error)) from error
    except (SerdeError, struct.error, IndexError) as error:
        raise BadBag(f"holds a damaged message: {error}") from error
    except OSError as error:
        if error.errno in FOR_ALL:
            raise
        raise BadBag(f"cannot be read: {error}") from error
    except Exception as error:
        raise BadBag(
            f"failed in a way that nobody foresaw ({type(error).__name__}: {error}). Please report it, with the bag"
        ) from error
