# SPDX-License-Identifier: Apache-2.0
"""What the learner of a run has sent: the newest weights, which train, and their average, which is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rldg_core import contract
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_msgs.msg import EncoderWeights, PolicyWeights
from rldg_rl.agent.checkpoint import CheckpointError, encoder_from_bytes
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.log import Log
from rldg_rl.policies.live_policy import LivePolicy


class LearnedPolicies:
    """Two policies that change whenever weights arrive."""

    def __init__(
        self, task: Task, sees: bool, log: Log, publishers: Callable[[contract.Topic], str]
    ) -> None:
        """Nothing has arrived yet.

        Args:
            task: that is learned.
            sees: whether an encoder of images has to come first.
            log: hears of weights that are passed over.
            publishers: who publishes a topic, where it is more than one; see `publishers.crowd`.
        """
        self.newest, self.average = LivePolicy(task), LivePolicy(task)
        self._task = task
        self._sees = sees
        self._log = log
        self._publishers = publishers
        self._weights: PolicyWeights | None = None

    def hear_weights(self, message: PolicyWeights) -> None:
        """Take weights, once there is what sees for them.

        Raises:
            UserError: they do not fit.
        """
        self._weights = message
        self._take()

    def hear_encoder(self, message: EncoderWeights) -> None:
        """Take what sees for all weights, those that are there included.

        Raises:
            UserError: it does not fit.
        """
        with self._fitting(contract.ENCODER_WEIGHTS):
            encoder = encoder_from_bytes(bytes(message.safetensors), self._task.id)
            self.newest.see(encoder)
            self.average.see(encoder)
        self._take()

    def follow(self, newest: GaussianPolicy, average: GaussianPolicy, version: int) -> None:
        """The weights of a learner in this process; see `LivePolicy.follow`."""
        self.newest.follow(newest, version)
        self.average.follow(average, version)

    def _take(self) -> None:
        if self._weights is None or (self._sees and not self.newest.looks):
            return
        with self._fitting(contract.POLICY_WEIGHTS):
            self.newest.load(bytes(self._weights.safetensors))
            if self._weights.average:
                self.average.load(bytes(self._weights.average))

    @contextmanager
    def _fitting(self, topic: contract.Topic) -> Iterator[None]:
        """Weights of the learner are taken; they fit unless two machines were started apart. Where others fitted
        before, or somebody else sends some, those that do not are passed over.

        Raises:
            UserError: they do not.
        """
        try:
            yield
        except CheckpointError as error:
            others = self._publishers(topic)
            if others or self.newest.ready:
                message = f"weights are passed over: {error}{others and '; ' + others}"
                self._log.error(message, throttle_duration_sec=5.0)
                return
            raise UserError(
                f"what the learner sends does not fit here ({error}): start both machines with the same arguments, "
                "observation:= too"
            ) from error
