# SPDX-License-Identifier: Apache-2.0
"""The replay buffer: every frame is stored once, a transition is an index.

Steps arrive as a stream, one at a time. Each takes one slot of a ring; two steps are joined when
they belong to the same episode and have consecutive indices, whatever the order in which they came.
Only joined steps (and terminated ones, beyond which lies no value) can be drawn, so a gap, a new
episode or a step in flight can never yield a transition that did not happen.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rldg_core.vocabulary import ExecutedBy
from rldg_rl.episodes.step import StoredStep

_NONE = -1
_NO_ACTION = 255  # a frame that no action followed: the end of an episode


@dataclass(frozen=True)
class TransitionBatch:
    """Transitions drawn from the buffer, float32; those that people executed come first."""

    observation: np.ndarray
    """(batch, observation_dim)"""
    action: np.ndarray
    """(batch, action_dim)"""
    reward: np.ndarray
    """(batch,)"""
    next_observation: np.ndarray
    """(batch, observation_dim)"""
    mask: np.ndarray
    """(batch,) 0 where the task terminated, else 1: a time-out bootstraps"""
    gripper_changed: np.ndarray
    """(batch,) 1 where the action asked the gripper for something else than what held, else 0"""
    image: np.ndarray | None = None
    """(batch, H, W, 3) uint8, where the buffer keeps images"""
    next_image: np.ndarray | None = None
    """likewise of next_observation"""


class ReplayBuffer:
    """A ring of frames with two sets of transitions to draw from.

    The demonstration set holds the steps that a person executed (interventions and demonstrations),
    the online set every step of an episode that the policy led (its own and the interventions in
    it), as in HIL-SERL. When the ring is full, the oldest frame makes room and takes its
    transitions with it; all upkeep is O(1) a step.

    A step that the buffer still holds is ignored when it comes again; late steps and steps out of
    order are joined like any other. An episode's last next_observation takes a slot of its own.

    A frame may be kept in `variants`, such as what an encoder says of an image under other lights:
    a draw takes one of them, of an observation and of the next one independently. With an
    `image_size` [pixels] its image is kept, too; memory grows with the frames that there are. With an
    `image_folder` images lie in a file there that all frames fit into, and that is gone with the process.

    Raises OSError when there is no room for that file.
    """

    def __init__(
        self,
        capacity: int,
        observation_dim: int,
        action_dim: int,
        variants: int = 1,
        image_size: int = 0,
        image_folder: Path | None = None,
    ) -> None:
        if capacity < 2:
            raise ValueError(
                f"capacity is {capacity}, but one transition takes two frames: "
                "use 2 or more (usually 200000)"
            )
        self.capacity = capacity
        self.steps_received = 0
        """steps taken in so far; repeated ones do not count"""
        self.variants = variants
        self.observations = np.zeros((capacity * variants, observation_dim), np.float32)
        """those of slot s from row s * variants on"""
        self.images = _images((capacity, image_size, image_size, 3), image_folder)
        self.actions = np.zeros((capacity, action_dim), np.float32)
        self.rewards = np.zeros(capacity, np.float32)
        self.masks = np.zeros(capacity, np.float32)
        self.gripper_changes = np.zeros(capacity, np.float32)
        self._executed_by = np.zeros(capacity, np.uint8)
        self._successor = np.full(capacity, _NONE, np.int64)
        self._predecessor = np.full(capacity, _NONE, np.int64)
        self._keys: list[tuple[str, int] | None] = [None] * capacity
        self._slots: dict[tuple[str, int], int] = {}
        self._cursor = 0
        self._demo = _SlotSet(capacity)
        self._online = _SlotSet(capacity)

    @property
    def frames(self) -> int:
        """Frames in the ring now."""
        return len(self._slots)

    @property
    def online_size(self) -> int:
        """Transitions that a batch's online half is drawn from."""
        return self._online.size

    @property
    def demo_size(self) -> int:
        """Transitions that a batch's demonstration half is drawn from."""
        return self._demo.size

    def add(self, step: StoredStep) -> bool:
        """Takes in one step. False: the buffer has it already, nothing changed.

        Raises ValueError when the observation or action has the wrong length.
        """
        self._check(step)
        key, next_key = (step.episode_id, step.index), (step.episode_id, step.index + 1)
        if key in self._slots:
            return False
        slot = self._place(key, step.observation, step.image)
        self.actions[slot] = step.action
        self.rewards[slot] = step.reward
        self.masks[slot] = 0.0 if step.terminated else 1.0
        self.gripper_changes[slot] = step.gripper_changed
        self._executed_by[slot] = step.executed_by
        self.steps_received += 1

        before = self._slots.get((step.episode_id, step.index - 1))
        if before is not None:
            self._join(before, slot)
        after = self._slots.get(next_key)
        if after is None and step.next_observation is not None:
            after = self._place(next_key, step.next_observation, step.next_image)
        if after is not None:
            self._join(slot, after)
        elif step.terminated:
            self._successor[slot] = slot  # never read: the mask is 0
            self._offer(slot)
        return True

    def sample(
        self, batch_size: int, rng: np.random.Generator, demo_fraction: float = 0.5
    ) -> TransitionBatch:
        """Draws transitions with replacement: `demo_fraction` of them from people, the rest online.

        Where one of the two sets is empty all come from the other. Raises ValueError when both are.
        """
        if not self._demo.size and not self._online.size:
            raise ValueError(
                f"nothing to draw: of {self.steps_received} steps received none has a known "
                "successor; wait for more steps"
            )
        demos = round(batch_size * demo_fraction)
        demos = batch_size if not self._online.size else demos if self._demo.size else 0
        slots = np.empty(batch_size, np.int64)
        self._demo.draw(slots[:demos], rng)
        self._online.draw(slots[demos:], rng)
        following = self._successor.take(slots)
        return TransitionBatch(
            observation=self.observations.take(self._rows(slots, rng), axis=0),
            action=self.actions.take(slots, axis=0),
            reward=self.rewards.take(slots),
            next_observation=self.observations.take(self._rows(following, rng), axis=0),
            mask=self.masks.take(slots),
            gripper_changed=self.gripper_changes.take(slots),
            image=self.images[slots] if self.images.size else None,
            next_image=self.images[following] if self.images.size else None,
        )

    def _rows(self, slots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Where observations of these slots lie, any of their variants."""
        if self.variants == 1:
            return slots
        return slots * self.variants + rng.integers(self.variants, size=len(slots))

    def __contains__(self, key: tuple[str, int]) -> bool:
        """Whether the step of that episode and index is held."""
        return key in self._slots

    def _check(self, step: StoredStep) -> None:
        following = step.observation if step.next_observation is None else step.next_observation
        dim = self.observations.shape[1]
        frame = (dim,) if self.variants == 1 else (self.variants, dim)
        for name, array, held in (
            ("observation", step.observation, frame),
            ("next_observation", following, frame),
            ("action", step.action, self.actions.shape[1:]),
        ):
            if np.shape(array) != held:
                raise ValueError(
                    f"step {step.index} of episode {step.episode_id!r} has a {name} of shape "
                    f"{np.shape(array)}, this buffer holds {held}: "
                    "use the actor and the learner with the same task and observation"
                )

    def _place(self, key: tuple[str, int], frame: np.ndarray, image: np.ndarray | None) -> int:
        """Stores a frame in the next slot, in the stead of the oldest one."""
        slot = self._cursor
        self._cursor = (slot + 1) % self.capacity
        self._evict(slot)
        self.observations[slot * self.variants : (slot + 1) * self.variants] = frame
        if self.images.size:
            assert image is not None, "the actor sent no image"
            self.images[slot] = image
        self._executed_by[slot] = _NO_ACTION
        self._keys[slot] = key
        self._slots[key] = slot
        return slot

    def _evict(self, slot: int) -> None:
        key = self._keys[slot]
        if key is None:
            return
        del self._slots[key]
        self._withdraw(slot)
        before, after = self._predecessor[slot], self._successor[slot]
        if before != _NONE:
            self._withdraw(before)
            self._successor[before] = _NONE
        if after != _NONE:
            self._predecessor[after] = _NONE
        self._predecessor[slot] = self._successor[slot] = _NONE

    def _join(self, slot: int, after: int) -> None:
        self._successor[slot] = after
        self._predecessor[after] = slot
        self._offer(slot)

    def _offer(self, slot: int) -> None:
        if self._executed_by[slot] == _NO_ACTION:
            return
        if self._executed_by[slot] != ExecutedBy.POLICY:
            self._demo.add(slot)
        if self._executed_by[slot] != ExecutedBy.DEMONSTRATION:
            self._online.add(slot)

    def _withdraw(self, slot: int) -> None:
        self._demo.discard(slot)
        self._online.discard(slot)


def _images(shape: tuple[int, ...], folder: Path | None) -> np.ndarray:
    """Room for images: in memory, or in a nameless file of that folder."""
    if folder is None:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile(dir=folder) as file:
        # All of it now: where a disk is full, writing into a mapped file kills the process.
        os.posix_fallocate(file.fileno(), 0, math.prod(shape))
        return np.memmap(file, np.uint8, "r+", shape=shape)


class _SlotSet:
    """A set of slots with O(1) add, discard and draw: a dense list and each slot's place in it."""

    def __init__(self, capacity: int) -> None:
        self.size = 0
        self._members = np.empty(capacity, np.int64)
        self._place = np.full(capacity, _NONE, np.int64)

    def add(self, slot: int) -> None:
        if self._place[slot] == _NONE:
            self._place[slot] = self.size
            self._members[self.size] = slot
            self.size += 1

    def discard(self, slot: int) -> None:
        place = self._place[slot]
        if place == _NONE:
            return
        self.size -= 1
        last = self._members[self.size]
        self._members[place] = last
        self._place[last] = place
        self._place[slot] = _NONE

    def draw(self, out: np.ndarray, rng: np.random.Generator) -> None:
        """Fills `out` with members, each as likely as any other."""
        if len(out):
            self._members.take(rng.integers(self.size, size=len(out)), out=out)
