# SPDX-License-Identifier: Apache-2.0
"""What the exit of a node means for its stack; one rule for both ways to start a stack."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

from rldg_bringup.arguments import visible
from rldg_bringup.stack import NodeSpec

USER_ERROR = 2
"""Exit code of a node that has said what a person has to change; starting it again is no help."""
CRASHES = 5
"""So many exits within the window are a loop."""
WINDOW = 60.0
"""[s]"""
TAIL = 15
"""Lines of a log that are shown after a crash."""


@dataclass(frozen=True)
class ExitDecision:
    """What to do about an exit."""

    message: str
    """For the person at the terminal; empty where all is well."""
    respawn: bool = False
    """Start the node again after its delay."""
    ends: int | None = None
    """End the stack with this exit code."""


class Supervisor:
    """Judges the exits of a stack's nodes and remembers them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._exits: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=CRASHES))

    def judge(self, node: NodeSpec, code: int, now: float) -> ExitDecision:
        """The verdict on `node`, which ended with `code` (-n: by signal n) at `now` [s]."""
        if code == 0 and node.required:
            return ExitDecision("", ends=0)
        ended = f"{node.name} ended with {_cause(code)}"
        if code == USER_ERROR:
            return ExitDecision(f"{ended}{self._tail(node)}", ends=USER_ERROR)
        if not node.respawn:
            return ExitDecision(
                f"{ended}{self._tail(node)}", ends=abs(code) if node.required else None
            )
        exits = self._exits[node.name]
        exits.append(now)
        if len(exits) == CRASHES and now - exits[0] <= WINDOW:
            message = f"{ended}, {CRASHES} times within {WINDOW:.0f} s: giving up"
            return ExitDecision(f"{message}{self._tail(node)}", ends=1)
        return ExitDecision(f"{ended}; it is started again{self._tail(node)}", respawn=True)

    def _tail(self, node: NodeSpec) -> str:
        """The end of the node's log, and where it lies."""
        if node.output != "log":
            return ""
        path = log_path(self._logs, node)
        try:
            lines = path.read_text(errors="replace").splitlines()[-TAIL:]
        except OSError:
            lines = []
        return "\n".join([f"; see {path}", *(f"    {visible(line)}" for line in lines)])


def log_path(logs: Path, node: NodeSpec) -> Path:
    """Where the output of a node with `output="log"` goes."""
    return logs / f"{node.name}.log"


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
