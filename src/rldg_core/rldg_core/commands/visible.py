# SPDX-License-Identifier: Apache-2.0
"""Text that others wrote, as a terminal may be given it: an escape sequence in a folder's name is shown, not obeyed."""

from __future__ import annotations

import re
import sys

OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but tab and line feed
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\ud800-\udfff]"  # halves of a character: bytes of a file's name that are no text
)


def visible(text: object) -> str:
    """The text with an escape in the place of everything that a terminal obeys, or that cannot be written."""
    return OBEYED.sub(lambda found: _escape(found[0]), str(text))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def tell_error(program: str, error: object) -> None:
    """Say on one line of stderr why a program cannot go on."""
    print(f"{program}: {visible(error)}", file=sys.stderr, flush=True)
