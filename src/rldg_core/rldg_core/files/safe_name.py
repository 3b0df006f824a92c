# SPDX-License-Identifier: Apache-2.0
"""Names that become files: of runs, episodes, datasets, students. One rule for all of them.

A name comes from a command line, a message or somebody else's file, and is put behind a folder. It must not lead out of
that folder, hide, or mean something to a shell.
"""

from __future__ import annotations

import re
from pathlib import Path

from rldg_core.user_error import UserError

NAME = re.compile(r"\w[\w.+=,-]*", re.ASCII)
MAX_LENGTH = 150
"""letters; a file's name may have 255 bytes, and suffixes follow"""


LONGEST_PART, LONGEST_PATH = 255, 3900
"""bytes that Linux takes of a file's name, and of a path with what is put behind it"""


def is_too_long(path: str) -> bool:
    """Whether no file system takes a path that somebody named: asking whether it is there would be an error."""
    parts = path.encode(errors="surrogatepass").split(b"/")
    return max(map(len, parts)) > LONGEST_PART or sum(map(len, parts)) > LONGEST_PATH


class UnsafeName(UserError):
    """A name that cannot become a file's; the message says why."""


def check_name(name: str, what: str) -> str:
    """Return a name that is one path component; `what` says in the message whose it is.

    Raises:
        UnsafeName: it is none.
    """
    if len(name) <= MAX_LENGTH and NAME.fullmatch(name):
        return name
    raise UnsafeName(
        f"{what} cannot be {name[:MAX_LENGTH]!r}: letters, digits and . _ - + = , are possible, at most "
        f"{MAX_LENGTH}, and a letter or digit first"
    )


def check_path(name: str, what: str) -> Path:
    """Return names with `/` between them as a relative path that stays below its folder; see `check_name`.

    Raises:
        UnsafeName: one of them is none.
    """
    return Path(*(check_name(part, what) for part in name.split("/")))
