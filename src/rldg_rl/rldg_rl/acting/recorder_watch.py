# SPDX-License-Identifier: Apache-2.0
"""What the recorder said last: no step is executed that is not recorded."""

from __future__ import annotations

from rclpy.node import Node

from rldg_core import contract
from rldg_core.user_error import UserError
from rldg_msgs.msg import RecorderStatus
from rldg_rl.own_run import listen_to_own
from rldg_rl.run_folder import RunFolder, is_episode


class RecorderWatch:
    """Listens to the recorder of a run. Every question raises UserError once it says that it cannot record."""

    def __init__(self, node: Node, run: RunFolder) -> None:
        self._status = RecorderStatus()
        self._heard = False
        listen_to_own(node, contract.RECORDER_STATUS, run, self._keep)

    def is_there(self) -> bool:
        """Whether it has spoken. By then what a kill left open was mended."""
        self._check()
        return self._heard

    def hears_the_loop(self) -> bool:
        """Whether observations, targets and commands have reached it: a bag then lacks nothing of its first step."""
        return self.is_there() and not self._status.unheard

    def is_free(self) -> bool:
        """Whether it is there and has no episode open."""
        return self.is_there() and not self.open_episode

    @property
    def open_episode(self) -> str:
        """The episode whose bag is open; empty if none is."""
        self._check()
        return str(self._status.episode_id) if self._status.open else ""

    def has(self, episode_id: str, steps: int) -> bool:
        """Whether so many steps of the open episode are on disk: a kill then loses the step in flight at most."""
        return self.open_episode == episode_id and bool(self._status.steps >= steps)

    def _check(self) -> None:
        if self._status.error:
            raise UserError(self._status.error)

    def _keep(self, message: RecorderStatus) -> None:
        if message.episode_id and not is_episode(message.episode_id):
            return  # no recorder of ours: its name becomes a path
        self._status, self._heard = message, True
