# SPDX-License-Identifier: Apache-2.0
"""The messages of a SQLite file of `ros2 bag record`, as far as it is whole; nothing is ever written beside it.

What a killed recorder left in a write-ahead log or a journal is played back in a copy. A file of somebody else's may
hold views that never end or pages that are listed twice: only tables are read, and no more than the file is long.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from rldg_core.bags.mcap_file import ROS2MSG, Account, Channel, Form
from rldg_core.files.regular_file import open_regular, regular
from rldg_core.files.unpacking import MAX_PART

LEFT_BEHIND = ("-wal", "-journal")
"""files beside one that was never closed"""
DEFINITIONS = "message_definitions"
"""table with the text of every type"""
MAX_NAME = 1 << 16
PATIENCE, PATIENCE_STEPS = 4, 10_000_000
"""steps of SQLite per byte of the file, and for any file: a message takes a dozen, pages in a ring take for ever"""


class DamagedFile(ValueError):
    """It is no bag, or not a whole one; the message says why."""


def left_behind(file: Path) -> list[Path]:
    """What a recorder that was killed left beside its file."""
    beside = (file.with_name(file.name + end) for end in LEFT_BEHIND)
    return [path for path in beside if regular(path) and path.stat().st_size]


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing and keeps to the tables of a bag.

    Raises:
        DamagedFile: SQLite says so.
        OSError: it cannot be read, is no file, or there is no room for a copy.
    """
    open_regular(file).close()
    try:
        if beside := left_behind(file):
            with TemporaryDirectory(prefix="rldg_bag_") as folder:
                for path in (file, *beside):
                    shutil.copyfile(path, Path(folder, path.name))
                copy = sqlite3.connect(Path(folder, file.name))
                with closing(copy) as connection:
                    yield _checked(connection, file.stat().st_size)
        else:
            address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                yield _checked(connection, file.stat().st_size)
    except (sqlite3.Error, OverflowError, MemoryError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{file.name} is damaged: {error}") from error


def _checked(connection: sqlite3.Connection, size: int) -> sqlite3.Connection:
    turns = count(PATIENCE_STEPS, PATIENCE_STEPS)
    enough = PATIENCE_STEPS + PATIENCE * size
    connection.set_progress_handler(lambda: next(turns) > enough, PATIENCE_STEPS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_PART)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    missing = {"topics", "messages"} - set(tables)
    if missing:
        raise DamagedFile(f"has no table {' or '.join(sorted(missing))}: it is no bag")
    for name in {"topics", "messages", DEFINITIONS} & set(tables):
        if any(hidden for *_, hidden in connection.execute(f"PRAGMA table_xinfo({name})")):
            raise DamagedFile(f"its table {name} is not that of a bag")
    return connection


def _is_table(connection: sqlite3.Connection, name: str) -> bool:
    asked = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    return bool(connection.execute(asked, (name,)).fetchone()[0])


def channels(file: Path) -> dict[int, Channel]:
    """Every topic of a file.

    Raises:
        DamagedFile: it is damaged, or no bag.
        OSError: it cannot be read, or is no file.
    """
    with _opened(file) as connection:
        return _channels(connection)


def _channels(connection: sqlite3.Connection) -> dict[int, Channel]:
    definitions = _definitions(connection)
    rows = connection.execute("SELECT id, name, type, serialization_format FROM topics")
    return {
        int(number): Channel(
            str(name)[:MAX_NAME].lstrip("/"),
            str(kind),
            str(encoding),
            {},
            definitions.get(str(kind), ""),
        )
        for number, name, kind, encoding in rows
    }


def _definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """Text of every type; none in files that are older than ROS 2 Iron."""
    if not _is_table(connection, DEFINITIONS):
        return {}
    rows = connection.execute(
        f"SELECT topic_type, encoded_message_definition FROM {DEFINITIONS} WHERE encoding = ?",
        (ROS2MSG,),
    )
    return {str(kind): str(definition) for kind, definition in rows}


def counts(file: Path) -> Counter[str]:
    """Number of messages by topic.

    Raises:
        DamagedFile: it is damaged, or no bag.
        OSError: it cannot be read, or is no file.
    """
    with _opened(file) as connection:
        names = _channels(connection)
        found: Counter[str] = Counter()
        rows = connection.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id")
        for number, spoken in rows:
            if number in names:
                found[names[number].topic] += spoken
        return found


def span(file: Path) -> tuple[int, int, int]:
    """Time of recording [ns] of the first and the last message, and their number.

    Raises:
        DamagedFile: it is damaged, or no bag.
        OSError: it cannot be read, or is no file.
    """
    with _opened(file) as connection:
        asked = "SELECT MIN(timestamp), MAX(timestamp), COUNT(*) FROM messages"
        first, last, number = connection.execute(asked).fetchone()
        return int(first or 0), int(last or 0), int(number)


def kept_metadata(file: Path) -> str | None:
    """The text of `metadata.yaml` that `ros2 bag` keeps in the file itself; None where there is none."""
    try:
        with _opened(file) as connection:
            row = connection.execute("SELECT metadata FROM metadata ORDER BY id DESC").fetchone()
            return str(row[0]) if row else None
    except DamagedFile:
        return None


def messages(
    file: Path, topics: Collection[str], account: Account, form: Callable[[Channel], Form]
) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic (without the leading slash), type, time of recording [ns] and data of some topics.

    Args:
        file: the file.
        topics: of these alone.
        account: is filled in, whole once the last message was taken; damage ends the file.
        form: of a topic's messages.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    try:
        with _opened(file) as connection:
            names = _channels(connection)
            most = sum(path.stat().st_size for path in (file, *left_behind(file)))
            wanted = [number for number, channel in names.items() if channel.topic in topics]
            forms = {number: form(names[number]) for number in wanted}
            places = ",".join("?" * len(wanted))
            for number, time, data in connection.execute(
                f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({places}) ORDER BY id",
                wanted,
            ):
                if not (isinstance(data, bytes) and isinstance(time, int)):
                    raise DamagedFile(f"{file.name} is damaged: a row of it is no message")
                most -= len(data) + 1
                if most < 0:
                    raise DamagedFile(f"{file.name} is damaged: it gives more than it is long")
                account.read[names[number].topic] += 1
                yield names[number].topic, names[number].type, time, forms[number](data)
    except DamagedFile as error:
        account.damage.append(str(error))
