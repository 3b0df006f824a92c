# SPDX-License-Identifier: Apache-2.0
"""An image encoder learns where the goal is, from successful demonstrations alone.

Where the goal was need not be labelled: a demonstration that succeeded ended there, or, where the gripper is learned,
took hold or let go there. So of every image before, it is known in hindsight how far the TCP was from it: the
offset that the twin tells a specialist with the state observation, but measured by the arm itself. Coarse-to-fine
imitation (Johns 2021) trains a visual estimator of a goal pose from poses of the arm in the same spirit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_rl.episodes.step import ControlStep
from rldg_rl.learner_config import FEWEST_DEMONSTRATIONS
from rldg_rl.robot.observation import BODY, LIMIT, SCALES, body_part, goal_part, reach
from rldg_rl.vision.image_encoder import ImageEncoder
from rldg_rl.vision.pixels import VARIANTS, as_pixels, in_variants, varied

UPDATES = 500
BATCH = 64
LEARNING_RATE = 2e-3
"""of AdamW at its greatest, on a one-cycle schedule"""
HELD_OUT = 10
"""one of so many demonstrations is not learned from"""


@dataclass(frozen=True)
class Fit:
    """How well an encoder tells where the goal is, in demonstrations that it has not learned from."""

    updates: int
    position: float
    """[m] mean distance"""
    near: float | None
    """[m] the same, of moments where the goal is so near that the state tells it magnified; None without such"""
    rotation: float
    """[rad] mean angle"""

    def __str__(self) -> str:
        """For people."""
        near = "" if self.near is None else f", near it to {1000 * self.near:.1f} mm"
        turn = f"and {math.degrees(self.rotation):.1f} degrees"
        return f"predicts the goal to {1000 * self.position:.1f} mm{near}, {turn}"


def train_encoder(
    encoder: ImageEncoder,
    task: Task,
    demonstrations: Sequence[Sequence[ControlStep]],
    seed: int,
    on_update: Callable[[int], None] = lambda update: None,
) -> Fit:
    """Train an encoder and freeze it; uses as many threads as torch may.

    Args:
        encoder: it starts from its present weights.
        task: that was demonstrated.
        demonstrations: the steps of successful ones, with images.
        seed: of the order and the variants.
        on_update: called after every update, with its number; with 0 now and then before the first.

    Raises:
        ValueError: there are fewer than FEWEST_DEMONSTRATIONS demonstrations.
    """
    if len(demonstrations) < FEWEST_DEMONSTRATIONS:
        raise ValueError(
            f"an image encoder learns from successful demonstrations, {FEWEST_DEMONSTRATIONS} at least, and there are "
            f"{len(demonstrations)}: give demos:=20"
        )
    lessons = [_lessons(steps, task) for steps in demonstrations]
    held_out = lessons[::HELD_OUT]
    learned = [lesson for number, lesson in enumerate(lessons) if number % HELD_OUT]
    images, bodies, goals = (np.concatenate(part) for part in zip(*learned, strict=True))
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(encoder.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=UPDATES + 1
    )
    views = _views(encoder, images, generator, on_update)
    encoder.features.requires_grad_(True)
    encoder.goal.requires_grad_(True)
    for update, rows in zip(range(UPDATES), _batches(len(images), rng), strict=False):
        _, predicted_goal = encoder.tell(views(rows), torch.from_numpy(bodies[rows]))
        loss = torch.nn.functional.smooth_l1_loss(
            predicted_goal, torch.from_numpy(goals[rows]), beta=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        on_update(update + 1)
    encoder.requires_grad_(False)
    encoder.updates += UPDATES
    return _judge(encoder, task, held_out)


def _views(
    encoder: ImageEncoder,
    images: np.ndarray,
    generator: torch.Generator,
    on_update: Callable[[int], None],
) -> Callable[[np.ndarray], Tensor]:
    """Gives what the encoder learns from of some rows, varied.

    Pixels are varied anew every time. What a frozen network says of them takes longer: once, in as many variants as
    the replay buffer keeps.
    """
    if encoder.backbone is None:
        return lambda rows: varied(as_pixels(images[rows]), generator)
    maps = []
    for image in images:
        maps.append(encoder.view(in_variants(as_pixels(image[None]), generator)).half())
        on_update(0)
    kept = torch.stack(maps)
    return lambda rows: kept[rows, torch.randint(VARIANTS, rows.shape, generator=generator)].float()


def _lessons(steps: Sequence[ControlStep], task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, bodies and goals of a demonstration."""
    last = steps[-1]
    moments = [(last.after, last.next_state)]
    goal = last.after.pose
    goals = [goal_part(Pose.identity(), task)]
    for step in reversed(steps):
        if task.learns_gripper and step.gripper_changed:
            goal = step.seen.pose
        moments.append((step.seen, step.state))
        goals.append(goal_part(step.seen.pose.inverse() @ goal, task))
    return (
        np.stack([seen.image for seen, _ in moments]),
        np.stack([body_part(state, task) for _, state in moments]),
        np.stack(goals).astype(np.float32),
    )


def _batches(count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of batches without end: every row once before any comes again."""
    size = min(BATCH, count)
    while True:
        order = rng.permutation(count)
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


@torch.no_grad()
def _judge(encoder: ImageEncoder, task: Task, lessons: Sequence[tuple[np.ndarray, ...]]) -> Fit:
    images, bodies, goals = (np.concatenate(part) for part in zip(*lessons, strict=True))
    predicted = torch.cat(
        [
            encoder(as_pixels(images[rows]), torch.from_numpy(bodies[rows]))[1]
            for rows in np.array_split(np.arange(len(images)), -(-len(images) // BATCH))
        ]
    )
    error, near = _errors(predicted.numpy() - goals, task), np.abs(goals[:, 3:6]).max(1) < LIMIT
    return Fit(
        updates=int(encoder.updates),
        position=float(error[:, 0].mean()),
        near=float(error[near, 1].mean()) if near.any() else None,
        rotation=float(error[:, 2].mean()),
    )


def _errors(difference: np.ndarray, task: Task) -> np.ndarray:
    """(rows, 3): distance [m] as predicted coarsely, as predicted magnified, and angle [rad]."""
    scales = SCALES[BODY:].copy()
    scales[:3] /= reach(task)
    return np.stack(
        [np.linalg.norm((difference / scales)[:, part : part + 3], axis=1) for part in (0, 3, 6)], 1
    )
