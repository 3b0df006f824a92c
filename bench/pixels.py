# SPDX-License-Identifier: Apache-2.0
"""What learning from 128 x 128 images costs, beside a learner that looks at them again in every update.

    ./.venv/bin/python bench/pixels.py [--seconds 20] [--batch 256] [--threads 1] [--encoder demos]

Both have the same frozen encoder and the same networks on the same random images. Ours looks at an image once, when it
comes, and keeps what it saw in variants; the reference keeps the images and runs the encoder on those of a batch and
on the ones after them, as HIL-SERL and LeRobot do with theirs. An environment step costs ours one look and a pair of
updates (critics; critics and policy), the reference a pair of updates. Beside them, encoder:=scratch, which learns with
the critics. Measured in turns; the median is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from learner import ACTION_DIM, PlainAgent

from rldg_core.task import load_task
from rldg_core.vocabulary import ExecutedBy
from rldg_rl.agent.agent import Agent
from rldg_rl.agent_config import SEEING_BATCH, AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep
from rldg_rl.vision.encoders import make_encoder
from rldg_rl.vision.image_encoder import ImageEncoder
from rldg_rl.vision.pixels import IMAGE_SIZE, VARIANTS, as_pixels
from rldg_rl.vision.scratch_encoder import ScratchEncoder

STEPS = 200
"""in either buffer"""


def timed(work: Callable[[], object]) -> float:
    """[s] of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="wall time to measure [s]")
    parser.add_argument("--batch", type=int, default=256, help="transitions in an update")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--encoder", default="demos", help="frozen one, as train_rl takes it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    task = load_task("connector/vga")
    encoder = make_encoder(arguments.encoder, task, 0)
    assert isinstance(encoder, ImageEncoder), "scratch is measured beside any other"
    config = AgentConfig(batch_size=arguments.batch)
    agent = Agent(config, encoder.output_dim, ACTION_DIM, 0, encoder=encoder.tensors)
    plain = PlainAgent(config, encoder.output_dim)
    images = rng.integers(0, 255, (STEPS + 1, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    body = np.zeros(encoder.body_dim, np.float32)

    def look(index: int = 0) -> np.ndarray:
        return encoder.encode(images[index], body, generator)

    buffer = ReplayBuffer(2 * STEPS, encoder.output_dim, ACTION_DIM, VARIANTS)
    for index in range(STEPS):
        action = np.tanh(rng.standard_normal(ACTION_DIM)).astype(np.float32)
        who = ExecutedBy.POLICY if index % 2 else ExecutedBy.DEMONSTRATION
        buffer.add(StoredStep(f"policy_{index % 2}", index // 2, look(index), action, who, 0.0))

    def sample() -> TransitionBatch:
        return buffer.sample(config.batch_size, rng)

    def seen_again(rows: np.ndarray) -> np.ndarray:
        bodies = torch.zeros(len(rows), encoder.body_dim)
        with torch.no_grad():
            return encoder.observe(as_pixels(images[rows]), bodies).numpy()

    def looked_at_again() -> TransitionBatch:
        rows = rng.integers(STEPS, size=config.batch_size)
        return replace(
            sample(), observation=seen_again(rows), next_observation=seen_again(rows + 1)
        )

    pupil = ScratchEncoder(task)
    learning = Agent(
        config, pupil.output_dim, ACTION_DIM, 0, encoder=pupil.tensors, trainable_encoder=pupil
    )

    def with_images(size: int) -> TransitionBatch:
        rows = rng.integers(STEPS, size=size)
        bodies = np.zeros((size, pupil.body_dim), np.float32)
        batch = buffer.sample(size, rng)
        return replace(
            batch,
            observation=bodies,
            next_observation=bodies,
            image=images[rows],
            next_image=images[rows + 1],
        )

    def scratch_pair(size: int) -> None:
        learning.update(with_images(size), False)
        learning.update(with_images(size), True)

    work: dict[str, Callable[[], object]] = {
        "look once": lambda: encoder.encode(images[0], body),
        "look": look,
        "scratch pair": lambda: scratch_pair(config.batch_size),
        "scratch pair, small": lambda: scratch_pair(SEEING_BATCH),
        "pair": lambda: (agent.update(sample(), False), agent.update(sample(), True)),
        "plain pair": lambda: (
            plain.update(looked_at_again(), False),
            plain.update(looked_at_again(), True),
        ),
    }
    turns: dict[str, list[float]] = {name: [] for name in work}
    stop = time.perf_counter() + arguments.seconds
    while time.perf_counter() < stop or len(turns["look"]) < 3:
        for name, do in work.items():
            turns[name].append(timed(do))
    found = {name: statistics.median(seconds) for name, seconds in turns.items()}
    step, plain_step = found["look"] + found["pair"], found["plain pair"]
    print(
        f"batch {config.batch_size}, {arguments.threads} thread(s), {IMAGE_SIZE} x {IMAGE_SIZE} images"
    )
    print(f"{'':24}{'ours':>10}{'plain':>10}{'ratio':>8}")
    for name, ours, theirs in (
        ("updates/s", 2 / found["pair"], 2 / plain_step),
        ("environment steps/s", 1 / step, 1 / plain_step),
    ):
        print(f"{name:24}{ours:10.1f}{theirs:10.2f}{ours / theirs:8.1f}")
    print(
        f"look: {1e3 * found['look once']:.1f} ms, {VARIANTS} variants: {1e3 * found['look']:.1f} ms"
    )
    for size, name in ((config.batch_size, "scratch pair"), (SEEING_BATCH, "scratch pair, small")):
        print(f"encoder:=scratch, batch {size}: {2 / found[name]:.2f} updates/s")
    print(json.dumps({name: round(1e3 * value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
