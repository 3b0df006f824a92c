# SPDX-License-Identifier: Apache-2.0
"""Bags as any `ros2 bag record` leaves them: MCAP or SQLite, split or not, compressed by chunk, message or file.

A bag is a folder, or a file by itself. What a file is, its first bytes tell, whatever its name or `metadata.yaml` says;
that is a list of names to look for, and of counts to check by: fewer messages than were recorded are an error. Topics
are given without the leading slash, as the robot contract names them.
"""

from __future__ import annotations

import errno
import re
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from rosbags.serde import SerdeError

from rldg_core.bags import mcap_file
from rldg_core.bags.bag_reader import (
    METADATA,
    BagMetadata,
    custom_data,
    in_recorded_order,
    installed_form,
    is_complete,
    metadata,
    parse_metadata,
)
from rldg_core.bags.earlier_messages import DamagedMessage
from rldg_core.bags.mcap_file import Account, Channel, Form
from rldg_core.files.regular_file import open_regular, regular
from rldg_core.files.unpacking import ZSTD_MAGIC, CannotUnpack, unpack_file, unpack_message
from rldg_core.task import UnknownTask
from rldg_core.user_error import UserError
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings import db3_file

STORAGE = re.compile(r".+\.(mcap|db3)(\.(zstd|zst))?", re.IGNORECASE)
"""names of files with messages"""
MCAP, SQLITE, ROS1 = mcap_file.MAGIC, b"SQLite format 3\0", b"#ROSBAG V"
CDR = "cdr"
FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
"""what is wrong with the machine, not with a bag: the disk is full, too many files are open"""
NEVER_CLOSED = (
    "was never closed: its recorder was killed. Start its run again, which repairs it; "
    "`ros2 bag reindex` repairs a bag of `ros2 bag record`"
)
CUT_OFF = "ends in the middle: its recorder was killed, or it was not copied whole. `mcap recover` repairs it"
MEND = "If it is damaged, `ros2 bag reindex` or `mcap recover` may repair it"
SHOWN = 3
"""of a list in a message"""


@dataclass(frozen=True)
class TopicInfo:
    """A topic with messages in a bag."""

    type: str
    """of ROS; with the serialisation behind it where that is not the one of ROS 2"""
    count: int


@contextmanager
def damage_as_bad_bag() -> Iterator[None]:
    """Make a BadBag of whatever one bag raises, so that it ends nothing but itself: a message that is cut off or not of
    its type, a file that cannot be read, and what was not foreseen. What would end every bag passes.

    Raises:
        BadBag: the bag raised something.
        OSError: what would end every bag: a full disk, no memory.
    """
    try:
        yield
    except BadBag:
        raise
    except (UserError, UnknownTask) as error:
        raise BadBag(str(error)) from error
    except (DamagedMessage, SerdeError, struct.error, IndexError) as error:
        raise BadBag(f"holds a damaged message: {error}") from error
    except OSError as error:
        if error.errno in FOR_ALL:
            raise
        raise BadBag(f"cannot be read: {error}") from error
    except Exception as error:
        raise BadBag(
            f"failed unexpectedly ({type(error).__name__}: {error}). Please report it, with the bag"
        ) from error


@damage_as_bad_bag()
def topics(path: Path) -> dict[str, TopicInfo]:
    """Every topic that has a message.

    Raises:
        BadBag: the bag is damaged, was never closed, or is none.
    """
    files = files_of(path)
    about = metadata_of(path)
    counts, kinds = _recorded(about), {}
    if about is None:
        check_ends(path, files)
    for entry in about.topics_with_message_count if about else ():
        kinds[entry.topic_metadata.name.lstrip("/")] = entry.topic_metadata.type
    if not (counts.total() and any(_begins(file) == ZSTD_MAGIC for file in files)):
        found: Counter[str] = Counter()
        for file in files:
            with _plain(file) as plain:
                channels, recorded = _content(plain)
            found += recorded
            kinds |= {c.topic: _kind(c) for c in channels.values()}
        counts |= found  # the larger one: files that were never counted say 0
    return {name: TopicInfo(kinds[name], count) for name, count in counts.items() if count}


def _recorded(about: BagMetadata | None) -> Counter[str]:
    """Number of messages by topic, as `metadata.yaml` has them."""
    counts: Counter[str] = Counter()
    for entry in about.topics_with_message_count if about else ():
        # Publishers of different QoS are listed one by one.
        counts[entry.topic_metadata.name.lstrip("/")] += max(0, entry.message_count)
    return counts


def _kind(channel: Channel) -> str:
    return channel.type if channel.encoding == CDR else f"{channel.type} ({channel.encoding})"


def check_ends(path: Path, files: list[Path]) -> None:
    """That files without `metadata.yaml` are whole: a demonstration that was cut off must not count as a success.

    Raises:
        BadBag: one is not.
    """
    for file in files:
        with _plain(file) as plain:
            if _begins(plain) != SQLITE and mcap_file.summary(plain) is None:
                raise BadBag(NEVER_CLOSED if path.is_dir() else CUT_OFF)


def _content(file: Path) -> tuple[dict[int, Channel], Counter[str]]:
    """Channels of an unpacked file, and the number of messages by topic."""
    if _begins(file) == SQLITE:
        try:
            return db3_file.channels(file), db3_file.counts(file)
        except db3_file.DamagedFile as error:
            raise BadBag(f"{error}. {MEND}") from error
    about = mcap_file.summary(file)
    if about and about.channels and about.counts_by_topic.total():
        return about.channels, about.counts_by_topic
    account = Account()
    for _ in mcap_file.messages(file, (), account):
        pass
    return mcap_file.channels(file) | (about.channels if about else {}), account.read


def messages(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
    """Topic, time of recording [ns] and CDR bytes of every message of some topics, in file order.

    The bytes are of the installed definition of their type, whatever it was when they were recorded.

    Raises:
        BadBag: the bag is damaged, or, raised at the end, less of it can be read than was recorded.
    """
    return _read(path, wanted, _installed)


def _read(
    path: Path, wanted: Collection[str], form: Callable[[Channel], Form]
) -> Iterator[tuple[str, int, bytes]]:
    account = Account()
    recorded: Counter[str] = Counter()
    with damage_as_bad_bag():
        for file in files_of(path):
            with _plain(file) as plain:
                recorded += _counts_at_end(plain)
                for topic, _, time, data in _messages(plain, wanted, account, form):
                    yield topic, time, data
        _compare(account, recorded | _recorded(metadata_of(path)), wanted)


def _counts_at_end(file: Path) -> Counter[str]:
    """Number of messages by topic that an unpacked MCAP file says to hold."""
    about = mcap_file.summary(file) if _begins(file) != SQLITE else None
    return about.counts_by_topic if about else Counter()


def _messages(
    file: Path, wanted: Collection[str], account: Account, form: Callable[[Channel], Form]
) -> Iterator[tuple[str, str, int, bytes]]:
    if _begins(file) == SQLITE:
        return db3_file.messages(file, wanted, account, form)
    return mcap_file.messages(file, wanted, account, form=form)


def _installed(channel: Channel) -> Form:
    form = installed_form(channel)
    return (lambda data: form(_unpacked(data))) if form else _unpacked


def _unpacked(data: bytes) -> bytes:
    """A message that may be compressed by itself: CDR begins with a zero and cannot be taken for zstd."""
    return unpack_message(data) if data.startswith(ZSTD_MAGIC) else data


def _compare(account: Account, recorded: Counter[str], wanted: Collection[str]) -> None:
    """That nothing is lost without a word.

    Raises:
        BadBag: something is.
    """
    less = [topic for topic in sorted(wanted) if account.read[topic] < recorded[topic]]
    if not less and not account.damage:
        return
    cause = "File end magic is invalid." if account.torn else shortened_list(account.damage)
    counts = shortened_list(
        [f"{account.read[t]} of {recorded[t]} messages of {t} are there" for t in less]
    )
    raise BadBag(f"cannot be read{cause and f' ({cause})'}{counts and f': {counts}'}. {MEND}")


def every_message(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Topic, time of recording [ns] and CDR bytes of all messages of a bag, as they were recorded.

    Raises:
        BadBag: it cannot be read.
    """
    return _read(path, topics(path), lambda _: _unpacked)


@damage_as_bad_bag()
def span_of(path: Path) -> tuple[int, int, int]:
    """Time of recording [ns] of the first and the last message, and their number.

    Raises:
        BadBag: it cannot be read.
    """
    # Without its metadata, which takes longer to read than this: it is asked of every bag of thousands.
    files = storage_files(path) if path.is_dir() else [path]
    spans = [span for span in map(_span, files) if span[2]]
    firsts, lasts, counts = zip(*spans, strict=True) if spans else ((0,), (0,), (0,))
    return min(firsts), max(lasts), sum(counts)


def _span(file: Path) -> tuple[int, int, int]:
    with _plain(file) as plain:
        if _begins(plain) == SQLITE:
            return db3_file.span(plain)
        about = mcap_file.summary(plain)
        if about and about.span[2]:
            return about.span
        times = [time for _, _, time, _ in mcap_file.messages(plain)]
        return min(times, default=0), max(times, default=0), len(times)


def shortened_list(texts: list[str]) -> str:
    """A list for a message, cut short."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def files_of(path: Path) -> list[Path]:
    """The files of a bag in the order of their recording: those that its metadata lists, or as many of other names.

    Nothing outside of its folder is looked at, whatever the metadata says.

    Raises:
        BadBag: some are missing, or there is none.
    """
    if not path.is_dir():
        return [path]
    about, present = metadata_of(path), storage_files(path)
    listed = [path / PurePath(name).name for name in about.relative_file_paths] if about else []
    missing = [file.name for file in listed if not regular(file)]
    if listed and not missing:
        return listed
    if missing and len(present) != len(listed):
        raise BadBag(
            f"misses {shortened_list(missing)}, which its {METADATA} lists, and holds {len(present)} other file(s) of "
            "messages. `ros2 bag reindex` lists what is there"
        )
    if not present:
        raise BadBag("holds no .mcap file and no .db3 file")
    return present


def storage_files(folder: Path) -> list[Path]:
    """The files with messages in a folder."""
    return in_recorded_order(
        f for f in folder.iterdir() if STORAGE.fullmatch(f.name) and regular(f)
    )


def metadata_of(path: Path) -> BagMetadata | None:
    """What `metadata.yaml` says of a bag; None where there is none, or an empty one.

    Raises:
        BadBag: it is damaged.
    """
    if not path.is_dir() or not is_complete(path):
        return None
    about = (path / METADATA).stat()
    try:
        return _metadata(path, about.st_mtime_ns, about.st_size)
    except ValueError as error:
        raise BadBag(f"has a damaged {METADATA}: {error}") from error


@lru_cache(64)
def _metadata(path: Path, *_: int) -> BagMetadata:
    """Every look into a bag begins with it, and a long one takes a while."""
    return metadata(path)


@damage_as_bad_bag()
def custom_data_of(path: Path) -> dict[str, str]:
    """The `custom_data` of a bag's metadata, or of the copy of it that `ros2 bag` keeps in the file itself.

    Raises:
        BadBag: that is damaged.
    """
    if path.is_dir() and is_complete(path):
        return custom_data(path)
    with _plain(files_of(path)[0]) as plain:
        keeper = db3_file if _begins(plain) == SQLITE else mcap_file
        kept = keeper.kept_metadata(plain)
    about = parse_metadata(kept, f"{METADATA} in {path.name}") if kept else None
    return {k: str(v) for k, v in ((about.custom_data if about else None) or {}).items()}


def remarks(path: Path) -> list[str]:
    """What a person should know of a bag that is read all the same.

    Raises:
        BadBag: it cannot be.
    """
    found = []
    files = files_of(path)
    if path.is_dir() and not is_complete(path):
        found.append(f"has no {METADATA}, or an empty one: read as far as it goes")
    if any(db3_file.left_behind(file) for file in files):
        found.append("its recorder was killed: what lay in its log is read, too")
    if path.is_dir() and (others := [f.name for f in storage_files(path) if f not in files]):
        found.append(f"{shortened_list(others)} is not listed in its {METADATA} and left out")
    return found


@contextmanager
def _plain(file: Path) -> Iterator[Path]:
    """A file that can be read, unpacked where it was packed.

    Raises:
        BadBag: it is something else, or unpacks to something else.
    """
    begin = _begins(file)
    if begin == ZSTD_MAGIC:
        with TemporaryDirectory(prefix="rldg_bag_") as folder:
            plain = Path(folder, "unpacked")
            try:
                unpack_file(file, plain)
            except CannotUnpack as error:
                raise BadBag(str(error)) from error
            _check_kind(file, _begins(plain))
            yield plain
    else:
        _check_kind(file, begin)
        yield file


def _check_kind(file: Path, begin: bytes) -> None:
    if begin == ROS1:
        raise BadBag(ros1(file))
    if begin not in (MCAP, SQLITE):
        what = "is neither MCAP nor SQLite: it is of another kind, or damaged"
        raise BadBag(f"{file.name} {what if regular(file) and file.stat().st_size else 'is empty'}")


def _begins(file: Path) -> bytes:
    """Which kind of file it is; empty: none of those that are known."""
    with open_regular(file) as stream:
        begin = stream.read(16)
    return next((m for m in (MCAP, SQLITE, ROS1, ZSTD_MAGIC) if begin.startswith(m)), b"")


def ros1(file: Path) -> str:
    """What to do about a bag of ROS 1."""
    out = file.with_suffix("").name
    return f"is a ROS 1 bag, which is not read. Make one of ROS 2 of it: rosbags-convert --src {file} --dst {out}"
