# SPDX-License-Identifier: Apache-2.0
"""RLPD: soft actor-critic that learns from demonstrations and experience together.

Ball et al. 2023, "Efficient Online Reinforcement Learning with Offline Data", with the defaults of
HIL-SERL (Luo et al. 2024): no entropy in the critics' target, the minimum of all critics there, and
their mean in the actor's loss. The gradients are written out by hand, see `networks`. All of this is
about motion; a gripper that is learned has a critic of its own, see `gripper_critic`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rldg_rl.agent.adam import Adam
from rldg_rl.agent.gripper_critic import GripperCritic
from rldg_rl.agent.networks import StackedMLP, Tape
from rldg_rl.agent.policy import ENCODER, GRIPPER, STD_MAX, STD_MIN, GaussianPolicy
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.vision.scratch_encoder import ScratchEncoder

SHOWN = 5
"""names that an error lists"""


class Agent:
    """Policy, critics, target critics and temperature, and the update that trains them.

    With a `grasp_penalty` (see `Task`), 0 included, the last of the action's dimensions is the
    gripper's and chosen by a `GripperCritic`; with None all of them are motion. The weights of an
    `encoder` that makes the observations go along with the policy's, in place; a `trainable_encoder`
    learns with the critics, from batches with images. The same seed and the same batches give the same weights,
    also across `state_dict`.
    """

    def __init__(
        self,
        config: AgentConfig,
        observation_dim: int,
        action_dim: int,
        seed: int,
        grasp_penalty: float | None = None,
        encoder: Mapping[str, np.ndarray] | None = None,
        trainable_encoder: ScratchEncoder | None = None,
    ) -> None:
        self.config = config
        self.observation_dim = observation_dim
        self.action_dim = action_dim
        self.updates = 0
        """critic updates so far"""
        self._generator = torch.Generator().manual_seed(seed)
        self._motion_dim = motion_dim = action_dim - (grasp_penalty is not None)
        network = partial(StackedMLP, hidden=config.hidden, generator=self._generator)
        critic = partial(network, observation_dim + motion_dim, output_dim=1)
        self._actor = network(observation_dim, output_dim=2 * motion_dim, members=1)
        self._critic = critic(members=config.critics)
        self._target_critic = critic(members=config.critics)
        self._target_critic.flat.copy_(self._critic.flat)
        # softplus(_raw_temperature) is the temperature: always positive
        self._raw_temperature = torch.tensor([math.log(math.expm1(config.initial_temperature))])
        self._temperature_gradient = torch.zeros(1)
        self._actor_adam = Adam(
            {"policy": self._actor.flat, "temperature": self._raw_temperature},
            [self._actor.gradient, self._temperature_gradient],
            config.learning_rate,
        )
        self._critic_adam = Adam(
            {"critic": self._critic.flat}, [self._critic.gradient], config.learning_rate
        )
        self._trainable_encoder = trainable_encoder
        self._adams = [self._actor_adam, self._critic_adam]
        if trainable_encoder is not None:
            self._encoder_adam = Adam(
                {"encoder": trainable_encoder.flat},
                [trainable_encoder.gradient],
                config.learning_rate,
            )
            self._adams.append(self._encoder_adam)
        self._workspace = self._allocate(config.batch_size)
        self._target_entropy = config.target_entropy_per_dimension * motion_dim
        tensors = _named(self._actor.tensors)
        self._gripper: GripperCritic | None = None
        if grasp_penalty is not None:
            self._gripper = GripperCritic(config, observation_dim, grasp_penalty, self._generator)
            tensors |= _named(self._gripper.online.tensors, GRIPPER)
        tensors |= {ENCODER + name: tensor for name, tensor in (encoder or {}).items()}
        self.policy = GaussianPolicy(tensors, np.random.default_rng(seed))
        """acts with this agent's weights as they are now"""
        self._policy_networks = {"": self._actor} | (
            {GRIPPER: self._gripper.online} if self._gripper else {}
        )
        self._current_weights = {
            prefix: network.flat for prefix, network in self._policy_networks.items()
        }
        if trainable_encoder is not None:
            self._current_weights[ENCODER] = trainable_encoder.flat
        self._averages = {prefix: flat.clone() for prefix, flat in self._current_weights.items()}
        self.averaged = self._averaged(seed)
        """acts with an average of the last weights, which is steadier: what is judged and kept"""

    @property
    def temperature(self) -> float:
        """Weight of the entropy bonus."""
        return float(torch.nn.functional.softplus(self._raw_temperature))

    def act(
        self, observation: np.ndarray, deterministic: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `GaussianPolicy.act`."""
        return self.policy.act(observation, deterministic)

    def learn_from(self, buffer: ReplayBuffer, rng: np.random.Generator) -> dict[str, float]:
        """The updates of one step: all move the critics, the last also policy and temperature. See `update`."""
        metrics: dict[str, float] = {}
        for left in reversed(range(self.config.updates_per_step)):
            batch = buffer.sample(self.config.batch_size, rng, self.config.demo_fraction)
            metrics |= self.update(batch, full=left == 0)
        return metrics

    def update(self, batch: TransitionBatch, full: bool = True) -> dict[str, float]:
        """One gradient step of all critics and, if `full`, of policy and temperature.

        Returns critic_loss and q; if full also actor_loss, entropy [nat] and temperature; where the
        gripper is learned also gripper_loss and gripper_q.
        """
        observation, action, reward, next_observation, mask, changed = (
            torch.from_numpy(array)
            for array in (
                batch.observation,
                batch.action,
                batch.reward,
                batch.next_observation,
                batch.mask,
                batch.gripper_changed,
            )
        )
        encoded = None
        if self._trainable_encoder is not None:
            encoded, next_observation = self._trainable_encoder.encode_batch(batch, self._generator)
            observation = encoded.detach()
        rows = len(reward)
        if rows != self._workspace.rows:
            self._workspace = self._allocate(rows)
        # one pass of the policy serves the critics' target and the policy's own step
        if full:
            sample = self._sample_action(
                torch.cat((next_observation, observation)), self._workspace.actor
            )
        else:
            sample = self._sample_action(next_observation, self._workspace.actor.rows(0, rows))
        metrics = self._update_critic(
            torch.cat((observation, action[:, : self._motion_dim]), 1),
            torch.cat((next_observation, sample.action[:rows]), 1),
            reward,
            mask,
            encoded,
        )
        if full:
            metrics |= self._update_actor(observation, sample.rows(rows, 2 * rows))
        if self._gripper is not None:
            choice = action[:, self._motion_dim]
            metrics |= self._gripper.update(
                observation, choice, reward, next_observation, mask, changed
            )
        self.updates += 1
        self._average()
        return metrics

    def _average(self) -> None:
        """Polyak averaging; at first over a tenth of the updates so far, lest the first weights count for long."""
        rate = max(self.config.average_rate, 10.0 / (self.updates + 9.0))
        for prefix, average in self._averages.items():
            average.lerp_(self._current_weights[prefix], rate)

    def _averaged(self, seed: int) -> GaussianPolicy:
        """The policy again, over the averages."""
        tensors = dict(self.policy.tensors)
        for prefix, network in self._policy_networks.items():
            tensors |= _named(network.views(self._averages[prefix]), prefix)
        if self._trainable_encoder is not None:
            views = self._trainable_encoder.views(self._averages[ENCODER])
            tensors |= {ENCODER + name: tensor.numpy() for name, tensor in views.items()}
        return GaussianPolicy(tensors, np.random.default_rng(seed))

    def policy_state(self) -> dict[str, np.ndarray]:
        """A copy of the policy's weights, named as `GaussianPolicy` wants them."""
        return {name: tensor.copy() for name, tensor in self.policy.tensors.items()}

    def load_policy(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Takes over a policy's weights. Raises ValueError when they are of another shape."""
        _copy_into(dict(self.policy.tensors), tensors)

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of all that the next updates depend on, for an exact resume.

        The policy's weights are those of `policy_state` under `policy.<name>`.
        """
        return {name: tensor.copy() for name, tensor in self._state().items()} | {
            "generator": self._generator.get_state().numpy(),
            "updates": np.array(self.updates),
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what `state_dict` gave. Raises ValueError when it is of another shape."""
        own = {"generator", "updates"}
        state = dict(state)
        if not own <= state.keys() or state["updates"].size != 1 or state["updates"] < 0:
            raise ValueError("generator or number of updates are missing")
        try:
            torch.Generator().set_state(torch.from_numpy(np.array(state["generator"])))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"not the state of a generator: {error}") from error
        _copy_into(self._state(), {n: tensor for n, tensor in state.items() if n not in own})
        self._generator.set_state(torch.from_numpy(np.array(state["generator"])))
        self.updates = int(state["updates"])

    def _state(self) -> dict[str, np.ndarray]:
        """Everything but generator and count, as views."""
        state = {f"policy.{name}": tensor for name, tensor in self.policy.tensors.items()}
        state |= {f"average.{prefix}flat": a.numpy() for prefix, a in self._averages.items()}
        for prefix, network in (("critic", self._critic), ("target", self._target_critic)):
            state |= {f"{prefix}.{name}": t.numpy() for name, t in network.tensors.items()}
        state["temperature"] = self._raw_temperature.numpy()
        for adam in self._adams:
            state |= {f"adam.{name}": tensor.numpy() for name, tensor in adam.state.items()}
        return state | (self._gripper.state() if self._gripper is not None else {})

    def _allocate(self, rows: int) -> _Workspace:
        return _Workspace(rows, self._actor.tape(2 * rows), self._critic.tape(rows))

    def _sample_action(self, observation: Tensor, tape: Tape) -> _ActionSample:
        """Samples one action for each observation, by the reparametrisation trick."""
        mean, raw_log_std = self._actor.forward(observation, tape)[0].chunk(2, dim=1)
        log_std = raw_log_std.clamp(math.log(STD_MIN), math.log(STD_MAX))
        noise = torch.randn(mean.shape, generator=self._generator)
        raw_action = torch.addcmul(mean, log_std.exp(), noise)
        return _ActionSample(tape, mean, raw_log_std, log_std, noise, raw_action, raw_action.tanh())

    def _update_critic(
        self,
        critic_input: Tensor,
        next_critic_input: Tensor,
        reward: Tensor,
        mask: Tensor,
        encoded: Tensor | None,
    ) -> dict[str, float]:
        """One step down the mean squared TD error of all critics.

        td_target = reward + discount * mask * min over the target critics; without an entropy bonus.

        Args:
            critic_input: (rows, observation + motion).
            next_critic_input: (rows, observation + motion), the motion sampled from the policy.
            reward: (rows,).
            mask: (rows,) 0 where the episode terminated.
            encoded: (rows, observation) under autograd, where an encoder learns; else None.
        """
        tape = self._workspace.critic
        next_q = self._target_critic.forward(next_critic_input, tape).amin(0)[:, 0]
        td_target = torch.addcmul(reward, mask, next_q, value=self.config.discount)
        q = self._critic.forward(critic_input, tape)
        td_error = q - td_target[:, None]
        q_gradient = td_error * (2.0 / td_error.numel())
        self._critic.backward(tape, q_gradient)
        if self._trainable_encoder is not None and encoded is not None:
            input_gradient = self._critic.input_gradient(tape, q_gradient).sum(0)
            observation_gradient = input_gradient[:, : self.observation_dim]
            self._trainable_encoder.backward(encoded, observation_gradient)
            self._encoder_adam.step()
        self._critic_adam.step()
        self._target_critic.flat.lerp_(self._critic.flat, self.config.target_rate)
        critic_loss = td_error.square().mean()
        return {"critic_loss": float(critic_loss), "q": float(q.mean())}

    def _update_actor(self, observation: Tensor, sample: _ActionSample) -> dict[str, float]:
        """One step of policy and temperature.

        actor_loss = mean(temperature * log_prob - mean over the critics of q);
        temperature_loss = temperature * (entropy - target_entropy), with the entropy held.
        """
        action, temperature, rows = sample.action, self.temperature, len(observation)
        tape = self._workspace.critic
        q = self._critic.forward(torch.cat((observation, action), 1), tape)
        # of mean(q) with respect to the action: all critics count alike
        action_gradient = self._critic.input_gradient(
            tape, torch.full_like(q, 1.0 / q.numel()), start=self.observation_dim
        ).sum(0)
        # d log_prob / d raw_action = 2 action (from the tanh; the noise stays)
        mean_gradient = action * (2.0 * temperature / rows) - action_gradient * (1.0 - action**2)
        log_std_gradient = mean_gradient * (sample.raw_action - sample.mean) - temperature / rows
        log_std_gradient *= sample.log_std == sample.raw_log_std  # none beyond the bounds
        self._actor.backward(sample.tape, torch.cat((mean_gradient, log_std_gradient), 1)[None])
        entropy = -float(sample.log_prob().mean())
        self._temperature_gradient.copy_(
            self._raw_temperature.sigmoid() * (entropy - self._target_entropy)
        )
        self._actor_adam.step()
        actor_loss = -temperature * entropy - float(q.mean())
        return {"actor_loss": actor_loss, "entropy": entropy, "temperature": temperature}


@dataclass(frozen=True)
class _Workspace:
    """Preallocated memory for the passes of an update."""

    rows: int
    """transitions in a batch"""
    actor: Tape
    """2 * rows: next observations, then observations"""
    critic: Tape
    """shared by target critics and critics, one after the other"""


@dataclass(frozen=True)
class _ActionSample:
    """Actions sampled from the policy for a batch; all but the tape (batch, motion_dim).

    raw_action = mean + exp(log_std) * noise, action = tanh(raw_action).
    """

    tape: Tape
    mean: Tensor
    raw_log_std: Tensor
    log_std: Tensor
    noise: Tensor
    raw_action: Tensor
    action: Tensor

    def rows(self, start: int, stop: int) -> _ActionSample:
        """The part that belongs to some rows of the batch."""
        tensors = (self.mean, self.raw_log_std, self.log_std, self.noise)
        parts = [t[start:stop] for t in (*tensors, self.raw_action, self.action)]
        return _ActionSample(self.tape.rows(start, stop), *parts)

    def log_prob(self) -> Tensor:
        """(batch,) the actions' log density, after the tanh."""
        gaussian_log_prob = (
            -0.5 * self.noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)
        )
        # log(1 - tanh(u)^2), in a form that does not run into log(0)
        u = self.raw_action
        log_tanh_derivative = 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))
        return (gaussian_log_prob - log_tanh_derivative).sum(1)


def _named(tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, np.ndarray]:
    """The weights of a network of one member in place, as `GaussianPolicy` names and shapes them."""
    return {
        prefix + name: (tensor[0] if name.endswith("weight") else tensor[0, 0]).numpy()
        for name, tensor in tensors.items()
    }


def _copy_into(into: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> None:
    """Overwrites arrays in place with those of the same names and shapes."""
    own_shapes, given_shapes = ({n: t.shape for n, t in d.items()} for d in (into, tensors))
    if own_shapes != given_shapes:
        names = own_shapes.keys() | given_shapes.keys()
        other = sorted(n for n in names if own_shapes.get(n) != given_shapes.get(n))
        differences = ", ".join(
            f"{n} is {given_shapes.get(n)}, not {own_shapes.get(n)}" for n in other[:SHOWN]
        )
        raise ValueError(
            f"these weights are another agent's: {len(other)} differ ({differences}); "
            f"load them with the task, observation and sizes that they were trained with"
        )
    for name, array in into.items():
        array[...] = tensors[name]
