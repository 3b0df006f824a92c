# SPDX-License-Identifier: Apache-2.0
"""The image encoder: it learns where the goal is from demonstrations alone; nobody tells it otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rclpy.serialization import deserialize_message, serialize_message

from rldg_core.poses import Pose
from rldg_core.task import Task, load_task
from rldg_core.vocabulary import ExecutedBy
from rldg_msgs.msg import Transition
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    load_learner,
    policy_to_bytes,
    save_learner,
)
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import ControlStep, StoredStep, received_step, transition_message
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.robot.observation import Observation, body_dim, body_part, state_dim, state_vector
from rldg_rl.vision import encoder_training
from rldg_rl.vision.encoder_training import train_encoder
from rldg_rl.vision.image_encoder import ImageEncoder, encoded
from rldg_rl.vision.pixels import IMAGE_SIZE, VARIANTS

VGA, PEPPER = load_task("connector/vga"), load_task("pick_place/pepper")
MILLIMETRES_A_PIXEL = 1.0
STEPS = 12
torch.set_num_threads(1)


def seen(x: float, y: float, goal: Pose) -> Observation:
    """The TCP at (x, y) [m]; the goal is a white square in the image."""
    pose = Pose.from_rotvec([x, y, 0.0], np.zeros(3))
    offset = pose.inverse() @ goal
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    place = 1000 * offset.position[:2] / MILLIMETRES_A_PIXEL + IMAGE_SIZE / 2
    column, row = np.clip(place.round().astype(int), 4, IMAGE_SIZE - 5)
    image[row - 4 : row + 5, column - 4 : column + 5] = 255
    return Observation(
        0, 0, pose, np.zeros(6), np.zeros(6), 0.0, offset, 0.0, 0.0, False, image
    )  # fmt: skip


def demonstration(rng: np.random.Generator, task: Task = VGA, grasp: int = -1) -> list[ControlStep]:
    """From somewhere straight to a goal that is elsewhere every time; grasps at a step."""
    (x, y), goal = (
        rng.uniform(-0.04, 0.04, 2),
        Pose.from_rotvec([*rng.uniform(-0.01, 0.01, 2), 0], np.zeros(3)),
    )
    along = np.linspace(0.0, 1.0, STEPS + 1)[:, None]
    path = (1 - along) * [x, y] + along * goal.position[:2]
    views = [seen(*place, goal) for place in path]
    states = [state_vector(view, views[0].pose, task, 1.0) for view in views]
    return [
        ControlStep(
            episode_id="demonstration_00000",
            source="demonstration",
            index=index,
            seen=views[index],
            state=states[index],
            action=np.zeros(7, np.float32),
            gripper_changed=index == grasp,
            handed_over=True,
            executed_by=ExecutedBy.DEMONSTRATION,
            belief=None,
            reward=float(index == STEPS - 1),
            terminated=index == STEPS - 1,
            truncated=False,
            after=views[index + 1],
            next_state=states[index + 1],
        )
        for index in range(STEPS)
    ]


def demonstrations(count: int) -> list[list[ControlStep]]:
    rng = np.random.default_rng(0)
    return [demonstration(rng) for _ in range(count)]


def make_encoder(task: Task = VGA) -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(task).requires_grad_(False)


def test_it_learns_where_the_goal_is_from_where_demonstrations_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder_training, "UPDATES", 80)
    encoder, updates = make_encoder(), []
    fit = train_encoder(encoder, VGA, demonstrations(20), 0, updates.append)
    assert updates == list(range(1, 81)) and fit.updates == 80 and encoder.is_trained
    assert not any(weight.requires_grad for weight in encoder.parameters()), "frozen"
    mean = 0.015  # [m] the goal's distance on the way there, about
    assert fit.position < mean / 3 and fit.near < mean / 3


def test_where_the_gripper_is_learned_the_goal_is_where_it_takes_hold_next() -> None:
    steps = demonstration(np.random.default_rng(0), PEPPER, grasp=5)
    _, _, goals = encoder_training._lessons(steps, PEPPER)
    goals = goals[::-1]  # they come backwards
    assert np.allclose(goals[5], 0.0, atol=1e-6), "it grasps here"
    assert np.allclose(goals[-1], 0.0, atol=1e-6), "and ends here"
    assert np.linalg.norm(goals[4][3:6]) > 0 and np.linalg.norm(goals[6][3:6]) > 0
    towards = steps[6].state[19:28] - goals[6]
    assert np.allclose(towards, 0.0, atol=1e-5), "as the state tells of the end"


def test_too_few_demonstrations_are_refused() -> None:
    with pytest.raises(ValueError, match="3 at least, and there are 2: give demos:=20"):
        train_encoder(make_encoder(), VGA, demonstrations(2), 0)


@pytest.mark.parametrize("task", [VGA, PEPPER])
def test_what_it_gives_is_blind_to_what_only_the_twin_knows(task: Task) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    state = rng.normal(size=state_dim(task)).astype(np.float32)
    other = state.copy()
    other[19:28] += 1.0  # the goal
    if task.learns_gripper:
        other[[28, 30]] += 1.0  # target and progress
    encoder = make_encoder(task)
    body = body_part(state, task)
    assert body.shape == (body_dim(task),) and np.array_equal(body, body_part(other, task))
    assert np.array_equal(body[:19], state[:19])
    if task.learns_gripper:
        assert body[19] == state[29], "what the fingers are asked for"
    (vector,) = encoder.encode(image, body)
    assert vector.shape == (encoder.output_dim,) and vector.dtype == np.float32
    assert np.array_equal(vector[: len(body)], body)


def test_variants_begin_with_the_image_as_it_is() -> None:
    image = demonstrations(1)[0][0].seen.image
    encoder, body = make_encoder(), np.zeros(19, np.float32)
    plain = encoder.encode(image, body)
    variants = encoder.encode(image, body, torch.Generator().manual_seed(0))
    assert plain.shape == (1, encoder.output_dim) and len(variants) == VARIANTS
    assert np.allclose(variants[0], plain[0], atol=1e-5)
    assert not np.allclose(variants[1], variants[2])


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="images are 64x48, specialists see 128x128"):
        make_encoder().encode(np.zeros((48, 64, 3), np.uint8), np.zeros(19))


def test_a_step_with_its_images_arrives_bit_for_bit() -> None:
    steps = demonstrations(1)[0]
    for step in (steps[0], steps[-1]):
        wire = serialize_message(transition_message(step, Transition(), looks=True))
        stored = received_step(deserialize_message(wire, Transition))
        assert stored.image is not None and np.array_equal(stored.image, step.seen.image)
        if step.terminated:
            assert stored.next_image is not None
            assert np.array_equal(stored.next_image, step.after.image)
        else:
            assert stored.next_image is None, "every image travels once"
    assert received_step(transition_message(steps[0], Transition())).image is None


def seeing_learner(encoder: ImageEncoder) -> Learner:
    config = AgentConfig(hidden=(16,), batch_size=8)
    agent = Agent(config, encoder.output_dim, 6, 0, encoder=encoder.tensors)
    generator = torch.Generator().manual_seed(0)

    def look(step: StoredStep) -> StoredStep:
        short = replace(step, action=step.action[:6])
        return encoded(short, encoder, VGA, generator)

    return Learner(agent, ReplayBuffer(100, encoder.output_dim, 6, VARIANTS), look=look)


def test_a_learner_looks_at_every_image_once_and_keeps_variants() -> None:
    encoder = make_encoder()
    learner = seeing_learner(encoder)
    looked: list[int] = []
    look = learner.look
    assert look is not None
    learner.look = lambda step: looked.append(step.index) or look(step)  # type: ignore[func-returns-value]
    steps = [
        received_step(transition_message(step, Transition(), True)) for step in demonstrations(1)[0]
    ]
    for step in (*steps, *steps):
        learner.take_in(step)
    assert looked == list(range(STEPS)) and learner.buffer.demo_size == STEPS
    batch = learner.buffer.sample(64, np.random.default_rng(0))
    assert len(np.unique(batch.observation, axis=0)) > STEPS, "more than one variant of each"
    metrics = learner.agent.update(batch)
    assert np.isfinite(metrics["critic_loss"])


def test_weights_and_encoder_travel_together(tmp_path: object) -> None:
    encoder = make_encoder()
    agent = seeing_learner(encoder).agent
    encoder.updates += 1
    policy = LivePolicy(VGA)
    policy.load(policy_to_bytes(agent.policy, VGA.id, 3))
    assert policy.ready and policy.looks
    step = demonstrations(1)[0][3]
    body_only = step.state.copy()
    body_only[19:28] = 0.0
    first, blind = (policy.act(step.seen, state, True).action for state in (step.state, body_only))
    assert np.array_equal(first, blind)
    black = replace(step.seen, image=np.zeros_like(step.seen.image))
    assert not np.array_equal(first, policy.act(black, step.state, True).action), "it sees"
    with pytest.raises(CheckpointError, match="does not fit this task"):
        LivePolicy(PEPPER).load(policy_to_bytes(agent.policy, VGA.id, 3))


def test_a_learner_that_was_killed_sees_as_before(tmp_path) -> None:  # type: ignore[no-untyped-def]
    encoder = make_encoder()
    agent = seeing_learner(encoder).agent
    with torch.no_grad():
        encoder.goal[0].bias += 1.0
    encoder.updates += 1
    save_learner(tmp_path / "learner.safetensors", agent, VGA.id)
    other = ImageEncoder(VGA).requires_grad_(False)
    load_learner(tmp_path / "learner.safetensors", seeing_learner(other).agent, VGA.id)
    assert other.is_trained
    for name, tensor in encoder.tensors.items():
        assert np.array_equal(tensor, other.tensors[name]), name
