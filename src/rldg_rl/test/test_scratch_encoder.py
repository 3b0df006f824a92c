# SPDX-License-Identifier: Apache-2.0
"""The image encoder that learns with the critics: by their gradient, and from nothing else."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_image_encoder import VGA, demonstrations

from rldg_core.vocabulary import ExecutedBy
from rldg_msgs.msg import Transition
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import policy_to_bytes
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep, received_step, transition_message
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.robot.observation import state_dim
from rldg_rl.vision.encoders import encoder_of, make_encoder
from rldg_rl.vision.pixels import IMAGE_SIZE
from rldg_rl.vision.scratch_encoder import ScratchEncoder, unseen

ACTION_DIM = 6


def make_agent(config: AgentConfig) -> tuple[Agent, ScratchEncoder]:
    encoder = make_encoder("scratch", VGA, 0)
    assert isinstance(encoder, ScratchEncoder)
    sizes = (encoder.output_dim, ACTION_DIM, 0)
    return Agent(config, *sizes, encoder=encoder.tensors, trainable_encoder=encoder), encoder


def make_buffer(encoder: ScratchEncoder, folder: Path | None = None) -> ReplayBuffer:
    return ReplayBuffer(500, encoder.body_dim, ACTION_DIM, 1, IMAGE_SIZE, folder)


def some_batch(rows: int = 8) -> TransitionBatch:
    """Whose values are its rewards: nothing follows."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (rows, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    body = rng.standard_normal((rows, 19)).astype(np.float32)
    return TransitionBatch(
        observation=body,
        action=rng.uniform(-1, 1, (rows, ACTION_DIM)).astype(np.float32),
        reward=rng.uniform(-1, 1, rows).astype(np.float32),
        next_observation=body,
        mask=np.zeros(rows, np.float32),
        gripper_changed=np.zeros(rows, np.float32),
        image=images,
        next_image=images,
    )


def test_its_gradient_is_that_of_the_critics_loss() -> None:
    agent, encoder = make_agent(AgentConfig(hidden=(16,), batch_size=8))
    batch, start = some_batch(), agent.state_dict()
    agent.update(batch, full=False)
    gradient = encoder.gradient.clone()
    assert gradient.norm() > 0
    direction = gradient / gradient.norm()

    def loss(along: float) -> float:
        agent.load_state_dict(start)
        encoder.flat.add_(direction, alpha=along)
        return agent.update(batch, full=False)["critic_loss"]

    step = 1e-2
    slope = (loss(step) - loss(-step)) / (2 * step)
    assert slope == pytest.approx(float(gradient.norm()), rel=0.03)


def test_policy_and_average_see_with_their_own_weights_and_a_resume_is_exact() -> None:
    config = AgentConfig(hidden=(16,), batch_size=8)
    agent, encoder = make_agent(config)
    first, batch = encoder.flat.clone(), some_batch()
    for _ in range(3):
        agent.update(batch)
    assert not torch.equal(encoder.flat, first), "it learns"
    assert not np.array_equal(
        agent.averaged.encoder["features.0.weight"], agent.policy.encoder["features.0.weight"]
    )
    other, _ = make_agent(config)
    other.load_state_dict(agent.state_dict())
    for each in (agent, other):
        each.update(batch)
    for name, tensor in agent.state_dict().items():
        assert np.array_equal(tensor, other.state_dict()[name]), name

    policy = LivePolicy(VGA)
    policy.load(policy_to_bytes(agent.policy, VGA.id, 3))
    step = demonstrations(1)[0][3]
    body, image = step.state[:19], step.seen.image
    vector = encoder.encode(image, body)
    assert vector.shape == (1, encoder.output_dim) and np.array_equal(vector[0, :19], body)
    acted = policy.act(step.seen, step.state, True).action
    assert np.array_equal(acted, agent.act(vector[0], deterministic=True)[0])
    averaged = encoder_of(agent.averaged.encoder, VGA).encode(image, body)
    assert not np.array_equal(averaged, vector)


@pytest.mark.parametrize("on_disk", [False, True])
def test_images_stay_with_their_steps(on_disk: bool, tmp_path: Path) -> None:
    encoder = ScratchEncoder(VGA)
    buffer = make_buffer(encoder, tmp_path if on_disk else None)
    assert isinstance(buffer.images, np.memmap) == on_disk
    assert not list(tmp_path.iterdir())  # gone with the process, however it ends
    for recorded in demonstrations(1)[0]:
        step = received_step(transition_message(recorded, Transition(), looks=True))
        step = unseen(replace(step, action=step.action[:ACTION_DIM]), VGA)
        assert step.observation.shape == (encoder.body_dim,)
        buffer.add(step)
    batch = buffer.sample(32, np.random.default_rng(0))
    assert batch.image is not None and batch.next_image is not None
    kept = {
        body.tobytes(): image for body, image in zip(batch.observation, batch.image, strict=True)
    }
    recorded = {each.state[:19].tobytes(): each.seen.image for each in demonstrations(1)[0]}
    assert all(np.array_equal(image, recorded[body]) for body, image in kept.items())
    places = zip(batch.next_observation, batch.next_image, strict=True)
    for body, image in places:
        if body.tobytes() in recorded:
            assert np.array_equal(image, recorded[body.tobytes()])


def test_a_disk_without_room_is_reported_at_once(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make_buffer(ScratchEncoder(VGA), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_learner_finds_out_what_only_the_image_tells() -> None:
    rng = np.random.default_rng(0)
    config = AgentConfig(hidden=(32,), batch_size=16, learning_rate=3e-3, updates_per_step=1)
    agent, encoder = make_agent(config)
    buffer = make_buffer(encoder)
    learner = Learner(agent, buffer, look=lambda step: unseen(step, VGA))

    def view(left: bool) -> np.ndarray:
        image = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        image[:, : IMAGE_SIZE // 2] = 255 * left
        image[:, IMAGE_SIZE // 2 :] = 255 * (not left)
        return image

    state = np.zeros(state_dim(VGA), np.float32)
    for number in range(200):
        left = bool(number // 2 % 2)
        action = rng.uniform(-1, 1, ACTION_DIM).astype(np.float32)
        who, reward = (
            (ExecutedBy.DEMONSTRATION, ExecutedBy.POLICY)[number % 2],
            float((action[0] > 0) == left),
        )
        name = f"policy_{number}"
        learner.take_in(
            StoredStep(name, 0, state, action, who, reward, terminated=True, image=view(left))
        )
    for _ in range(120):
        learner.update()
    towards = [
        agent.act(encoder.encode(view(left), state[:19])[0], deterministic=True)[0][0]
        for left in (True, False)
    ]
    assert towards[0] > 0.3 and towards[1] < -0.3, towards
