# SPDX-License-Identifier: Apache-2.0
"""A student on another machine, as its actor knows it: a question over ROS, a chunk of actions back.

Its card lies here as well, for what has to be known before it is asked; its weights need not.
"""

from __future__ import annotations

import array
import hashlib
import time
from pathlib import Path
from threading import Event

import numpy as np
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from rldg_core import contract
from rldg_core.arm_spaces import ARM
from rldg_core.user_error import UserError
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import CARD, StudentError
from rldg_distill.students.registry import UnknownStudent, describe_student
from rldg_msgs.srv import NextActions
from rldg_rl.policies.student_policy import CAMERA

LOOK = 0.2  # [s] between two looks whether it is still there
LEAST_PATIENCE = 5.0  # [s] for an answer
PATIENCE = 5.0
"""times the slowest answer so far, until one counts as lost"""


class FarStudent:
    """Acts as a `Student` does. What it is asked comes back while somebody else spins the node."""

    def __init__(self, node: Node, folder: Path) -> None:
        """Get ready to ask.

        Args:
            node: that asks.
            folder: with the student's card.

        Raises:
            UserError: the card is missing, damaged, or of another contract version.
        """
        try:
            described = describe_student(folder)
        except (StudentError, UnknownStudent) as error:
            raise UserError(f"cannot ask the student {folder}: {error}") from error
        self.config, self.data = described.config, described.data
        self._card = card_fingerprint(folder)
        self._client: Client = node.create_client(NextActions, contract.NEXT_ACTIONS)
        self._slowest = 0.0

    @property
    def is_there(self) -> bool:
        """Whether its machine is found."""
        return bool(self._client.service_is_ready())

    def act(self, sight: StudentObservation, instruction: str) -> np.ndarray:
        """(K, 7) float32: the actions from the moment of `sight` on; waits, and asks again where an answer seems lost.

        Raises:
            UserError: it is another student, or cannot answer.
        """
        answer = self._answer(to_request(self._card, sight, instruction))
        if answer.error:
            raise UserError(f"the student on the other machine: {answer.error}")
        return np.asarray(answer.actions, np.float32).reshape(-1, len(ARM.action))

    def _answer(self, request: NextActions.Request) -> NextActions.Response:
        """The first one that comes: a question that seems lost is asked again, and may yet be answered."""
        came, asked = Event(), dict[Future, float]()
        while not came.is_set():
            while not self.is_there:
                time.sleep(LOOK)
            future = self._client.call_async(request)
            future.add_done_callback(lambda _: came.set())
            asked[future] = time.monotonic()
            self._wait(came)
        answered = next(future for future in asked if future.done())
        for other in asked.keys() - {answered}:
            self._client.remove_pending_request(other)
        self._slowest = max(self._slowest, time.monotonic() - asked[answered])
        return answered.result()

    def _wait(self, came: Event) -> None:
        """For an answer, until it must be lost."""
        patience = max(LEAST_PATIENCE, PATIENCE * self._slowest)
        end = time.monotonic() + patience
        while not came.wait(LOOK) and self.is_there and time.monotonic() < end:
            pass


def card_fingerprint(folder: Path) -> str:
    """SHA-256 of a student's card: it holds the fingerprints of its data, too."""
    return hashlib.sha256((folder / CARD).read_bytes()).hexdigest()


def to_request(card: str, sight: StudentObservation, instruction: str) -> NextActions.Request:
    """A question as it crosses the network."""
    images = sight.images[CAMERA]
    return NextActions.Request(
        card=card,
        instruction=instruction,
        height=images.shape[1],
        width=images.shape[2],
        # rclpy copies an array.array at once and anything else number by number.
        images=array.array("B", images.tobytes()),
        state=array.array("f", sight.state.astype(np.float32).tobytes()),
    )


def sight_of(request: NextActions.Request) -> StudentObservation:
    """What a question shows.

    Raises:
        ValueError: sizes that contradict each other.
    """
    size = (int(request.height), int(request.width), 3)
    images = np.frombuffer(request.images, np.uint8).reshape(-1, *size)
    return StudentObservation(
        {CAMERA: images}, np.asarray(request.state, np.float32).reshape(len(images), -1)
    )
