# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends a program without a traceback from its first moment on: imports take seconds, and come before `main`.

Every package imports this first. Other uncaught errors are reported as ever.
"""

from __future__ import annotations

import sys
from types import TracebackType

_tell = sys.excepthook


def _tell_all_but_a_stop(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _tell(kind, error, trace)


sys.excepthook = _tell_all_but_a_stop
