# SPDX-License-Identifier: Apache-2.0
"""The gripper's critic: its update is double DQN's, the penalty is never lost, and a grasp is learned in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_agent import forward, part, same

from rldg_core.gripper_command import CLOSE, LEAVE, OPEN, command_after
from rldg_core.vocabulary import ExecutedBy, Source
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    load_learner,
    load_policy,
    policy_from_bytes,
    policy_to_bytes,
    save_learner,
)
from rldg_rl.agent.learner import Learner
from rldg_rl.agent.policy import GRIPPER_CHOICES, GaussianPolicy
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep

OBSERVATION, ACTION, ROWS = 5, 3, 32
PENALTY = 0.25
SMALL = AgentConfig(hidden=(24, 16), batch_size=ROWS)
TASK = "connector/vga"
NAMES = ("policy.gripper.", "gripper_target.", "adam.gripper.")


def make_agent(seed: int = 1, penalty: float | None = PENALTY) -> Agent:
    return Agent(SMALL, OBSERVATION, ACTION, seed, penalty)


def random_batch(seed: int) -> TransitionBatch:
    """Transitions of no meaning."""
    rng = np.random.default_rng(seed)
    observation, following = rng.standard_normal((2, ROWS, OBSERVATION), np.float32)
    motion = np.tanh(rng.standard_normal((ROWS, ACTION - 1), np.float32))
    action = np.column_stack((motion, rng.choice(GRIPPER_CHOICES, ROWS))).astype(np.float32)
    reward, mask, changed = rng.integers(0, 2, (3, ROWS)).astype(np.float32)
    return TransitionBatch(observation, action, reward, following, mask, changed)


def train(agent: Agent, updates: int) -> Agent:
    """UTD 2, on batches that depend on the update's number alone."""
    for _ in range(updates):
        agent.update(random_batch(agent.updates), full=agent.updates % 2 == 1)
    return agent


def test_an_update_follows_the_gradient_of_double_dqns_loss() -> None:
    """Against autograd and torch's Adam."""
    agent = train(make_agent(), 400)
    before = {n: torch.from_numpy(t) for n, t in agent.state_dict().items()}
    own = {n: t.requires_grad_() for n, t in before.items() if n.startswith("policy.gripper.")}
    batch = random_batch(99)
    observation, action, reward, following, mask, changed = map(
        torch.from_numpy, list(vars(batch).values())[:6]
    )
    with torch.no_grad():
        wanted = forward(before, "policy.gripper", following).argmax(1)
        valued = forward(before, "gripper_target", following[None])[0]
        next_value = valued[range(ROWS), wanted]
        assert (valued.amax(1) - next_value).mean() > 0.01, "networks that agree show nothing"
        goal = reward - PENALTY * changed + SMALL.discount * mask * next_value
    chosen = (action[:, -1] + 1).long()
    value = forward(before, "policy.gripper", observation)[range(ROWS), chosen]
    loss = (value - goal).square().mean()
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(own.values()))])
    metrics = agent.update(batch, full=False)
    after = agent.state_dict()
    for moment, decay, found in (("mean", 0.9, gradient), ("square", 0.999, gradient**2)):
        expected = decay * before[f"adam.gripper.{moment}"] + (1 - decay) * found
        torch.testing.assert_close(
            torch.from_numpy(after[f"adam.gripper.{moment}"]), expected, rtol=2e-3, atol=1e-7
        )
    assert metrics["gripper_loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert metrics["gripper_q"] == pytest.approx(value.mean().item(), rel=1e-4)
    for name, tensor in part(agent, "gripper_target.").items():
        online = after[name.replace("gripper_target", "policy.gripper")]
        expected = 0.995 * before[name].numpy() + 0.005 * online.reshape(tensor.shape)
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-7)


def test_arm_and_gripper_do_not_see_each_others_actions() -> None:
    batch = random_batch(0)
    other = batch.action.copy()
    other[:, -1] = -other[:, -1]
    reference, turned = train(make_agent(), 4), train(make_agent(), 4)
    reference.update(batch)
    turned.update(replace(batch, action=other, gripper_changed=1 - batch.gripper_changed))
    arm = ("policy.layer", "policy.head", "critic.", "target.", "adam.policy", "adam.critic")
    assert same(part(reference, *arm), part(turned, *arm))
    assert not same(part(reference, *NAMES), part(turned, *NAMES))

    other = batch.action.copy()
    other[:, 0] = -other[:, 0]
    moved = train(make_agent(), 4)
    moved.update(replace(batch, action=other))
    assert same(part(reference, *NAMES), part(moved, *NAMES))
    assert not same(part(reference, *arm), part(moved, *arm))


def learned_values(
    ends: dict[str, bool], penalty: float, ratio: int, **config: float
) -> np.ndarray:
    """(3,) values of closing, leaving and opening in a world of one state, where every step pays 1 and ends so."""
    settings = {"learning_rate": 3e-3, "target_rate": 0.05, **config}
    agent = Agent(
        AgentConfig(hidden=(16,), batch_size=ROWS, updates_per_step=ratio, **settings),
        1,
        2,
        seed=0,
        grasp_penalty=penalty,
    )
    learner = Learner(agent, ReplayBuffer(100, 1, 2))
    state = np.ones(1, np.float32)
    for number in range(30):
        choice = GRIPPER_CHOICES[number % 3]
        action = np.array([0.0, choice], np.float32)
        learner.take_in(
            StoredStep(
                *(f"policy_{number}", 0, state, action, ExecutedBy.POLICY, 1.0),
                **ends,
                next_observation=state,
                gripper_changed=choice == CLOSE,
                source=Source.POLICY,
            )
        )
    for _ in range(600 // ratio):
        learner.update()
    network = {n: torch.from_numpy(t) for n, t in agent.state_dict().items()}
    return forward(network, "policy.gripper", torch.ones(1, 1))[0].numpy()


@pytest.mark.parametrize("ratio", [1, 2])
def test_every_update_sees_the_penalty(ratio: int) -> None:
    """Also the one that moves the policy, which is the only one where a step has one update."""
    values = learned_values({"terminated": True}, PENALTY, ratio)
    np.testing.assert_allclose(values, [1.0 - PENALTY, 1.0, 1.0], atol=0.02)


def test_a_time_out_bootstraps_and_a_termination_does_not() -> None:
    values = learned_values({"truncated": True}, PENALTY, ratio=2, discount=0.5)
    np.testing.assert_allclose(values, [2.0 - PENALTY, 2.0, 2.0], atol=0.05)


def test_what_people_did_with_the_button_is_learned_from() -> None:
    """Demonstrations and interventions are transitions as all others, the untouched button included."""
    buffer = ReplayBuffer(100, 1, 2)
    for episode, author, choice in (
        ("a", ExecutedBy.DEMONSTRATION, CLOSE),
        ("b", ExecutedBy.INTERVENTION, LEAVE),
    ):
        for index in range(3):
            last = index == 2
            action = np.array([0.0, choice], np.float32)
            seen = np.zeros(1, np.float32)
            ends = {"truncated": last, "next_observation": seen if last else None}
            changed = choice == CLOSE and index == 0
            buffer.add(
                StoredStep(
                    episode, index, seen, action, author, 0.0, **ends, gripper_changed=changed
                )
            )
    batch = buffer.sample(3000, np.random.default_rng(0))
    closing = batch.action[:, 1] == CLOSE
    assert 0 < closing.mean() < 1 and set(batch.action[~closing, 1]) == {LEAVE}
    assert batch.gripper_changed[closing].mean() == pytest.approx(1 / 3, abs=0.1)
    assert not batch.gripper_changed[~closing].any()


def test_the_greatest_value_acts_also_while_exploring() -> None:
    agent = train(make_agent(), 200)
    state = {n: torch.from_numpy(t) for n, t in agent.state_dict().items()}
    observations = np.random.default_rng(0).standard_normal((40, OBSERVATION), np.float32)
    wanted = forward(state, "policy.gripper", torch.from_numpy(observations)).argmax(1) - 1
    assert len(set(wanted.tolist())) > 1
    for deterministic in (False, True):
        acted = [agent.act(observation, deterministic) for observation in observations]
        assert [action[-1] for action, _, _ in acted] == wanted.tolist()
        assert {action.shape for action, _, _ in acted} == {(ACTION,)}
        assert {len(mean) for _, mean, _ in acted} == {ACTION - 1}, "a choice has no distribution"


def test_a_resumed_learner_goes_on_exactly(tmp_path: Path) -> None:
    path = tmp_path / "learner.safetensors"
    save_learner(path, train(make_agent(), 7), TASK)
    resumed = make_agent(seed=2)
    load_learner(path, resumed, TASK)
    assert same(train(resumed, 5).state_dict(), train(make_agent(), 12).state_dict())
    for other in (make_agent(penalty=None), Agent(SMALL, OBSERVATION, ACTION + 1, 1, PENALTY)):
        with pytest.raises(CheckpointError, match=r"lengths|another agent's"):
            load_learner(path, other, TASK)


def test_a_policy_takes_its_gripper_along(tmp_path: Path) -> None:
    agent, path = train(make_agent(), 40), tmp_path / "learner.safetensors"
    save_learner(path, agent, TASK)
    for policy, _ in (
        policy_from_bytes(policy_to_bytes(agent.policy, TASK, 40), TASK),
        load_policy(path),
    ):
        assert (policy.observation_dim, policy.action_dim) == (OBSERVATION, ACTION)
        for observation in np.random.default_rng(0).standard_normal((20, OBSERVATION)):
            assert same_action(policy, agent.policy, observation)


def same_action(first: GaussianPolicy, second: GaussianPolicy, observation: np.ndarray) -> bool:
    return bool((first.act(observation, True)[0] == second.act(observation, True)[0]).all())


def test_weights_of_a_gripper_that_does_not_fit_are_refused() -> None:
    tensors = dict(make_agent().policy.tensors)
    tensors["gripper.head.weight"] = np.zeros((16, 2), np.float32)
    tensors["gripper.head.bias"] = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="gripper"):
        GaussianPolicy(tensors)


class Fetch:
    """A hand in a plane that is to grasp an object and let go of it at the origin: reward 1.

    Fingers that close elsewhere close on nothing and have to open again; an object that is let go on its way falls.
    """

    REACH, STRIDE, HORIZON = 0.08, 0.1, 40

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def episode(self, act: Callable[[np.ndarray], np.ndarray]) -> Iterator[StoredStep]:
        """One episode's steps by nobody in particular: in each, `act` gives motion (2,) and choice."""
        self._hand, self._object = self._rng.uniform(-0.5, 0.5, (2, 2))
        self._command, self._held = OPEN, False
        for index in range(self.HORIZON):
            seen, before = self._seen(), self._command
            action = act(seen)
            self._command = command_after(before, float(action[2]))
            changed = self._command != before
            fetched = changed and self._turn()
            self._hand = self._hand + self.STRIDE * action[:2]
            if self._held:
                self._object = self._hand
            out_of_time = index == self.HORIZON - 1 and not fetched
            over = fetched or out_of_time
            yield StoredStep(
                *("", index, seen, action, ExecutedBy.POLICY, float(fetched), fetched, out_of_time),
                next_observation=self._seen() if over else None,
                gripper_changed=changed,
            )
            if over:
                return

    def _turn(self) -> bool:
        """The fingers close or open; whether that lets go of the object at the origin."""
        held_before = self._held
        way = np.linalg.norm(self._object - self._hand)
        self._held = self._command == CLOSE and bool(way < self.REACH)
        return held_before and bool(np.linalg.norm(self._object) < self.REACH)

    def _seen(self) -> np.ndarray:
        """(3,): the way to the object or, with it, to the origin; the fingers' width."""
        way = (np.zeros(2) if self._held else self._object) - self._hand
        width = 0.0 if self._held else self._command
        return np.append(2.0 * way, width).astype(np.float32)


def test_it_learns_to_fetch_from_a_few_demonstrations() -> None:
    """What the arm alone cannot do: without the choices there is no grasp, and no letting go."""
    torch.set_num_threads(1)
    config = AgentConfig(hidden=(64, 64), batch_size=128, learning_rate=1e-3, target_rate=0.02)
    task, rng = Fetch(0), np.random.default_rng(0)
    agent, buffer = Agent(config, 3, 3, 0, grasp_penalty=0.02), ReplayBuffer(20_000, 3, 3)

    def demonstrate(seen: np.ndarray) -> np.ndarray:
        motion = np.clip(3.0 * seen[:2] + rng.normal(0.0, 0.4, 2), -0.6, 0.6)
        there = np.linalg.norm(seen[:2]) < 0.1
        choice = {1.0: CLOSE if there else LEAVE, 0.0: OPEN if there else LEAVE, -1.0: OPEN}
        return np.append(motion, choice[float(seen[2])]).astype(np.float32)

    episode = 0
    while agent.updates < 3000:
        author = ExecutedBy.DEMONSTRATION if episode < 20 else ExecutedBy.POLICY
        for step in task.episode(
            demonstrate if author == ExecutedBy.DEMONSTRATION else lambda s: agent.act(s)[0]
        ):
            buffer.add(replace(step, episode_id=str(episode), executed_by=author))
            for full in (False, True) if author == ExecutedBy.POLICY else ():
                agent.update(buffer.sample(config.batch_size, rng), full)
        episode += 1
    test = Fetch(1)
    successes = sum(
        step.terminated
        for _ in range(40)
        for step in test.episode(lambda seen: agent.act(seen, deterministic=True)[0])
    )
    assert successes >= 36, f"{successes} of 40"
