# SPDX-License-Identifier: Apache-2.0
"""HIL-SERL's own agent in JAX, timed on request: `bench/learner.py --hil-serl` starts this with the Python that has it.

Needs jax 0.4.35, flax, optax, distrax, chex, einops, tensorflow and github.com/rail-berkeley/hil-serl's
`serl_launcher` on its path. The weights of its ResNet-10 are random: the work is the same. Every line that it reads
names an observation (`state`, `image`) and an update (`critic`, `full`), every line that it writes is the seconds
that one took, with its batch in memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import types
from collections.abc import Callable
from functools import cache, partial

import numpy as np

# What its helpers import and no update needs.
for name in ("imageio", "matplotlib", "matplotlib.pyplot", "requests", "tqdm", "wandb"):
    sys.modules.setdefault(name, types.ModuleType(name))
sys.modules["tqdm"].tqdm = None

arguments = argparse.ArgumentParser()
arguments.add_argument("--batch", type=int, required=True)
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--observation-dim", type=int, required=True)
arguments.add_argument("--body-dim", type=int, required=True)
arguments.add_argument("--action-dim", type=int, required=True)
given = arguments.parse_args()
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])  # before XLA counts cores

import jax  # noqa: E402
from flax import linen as nn  # noqa: E402
from flax.core import freeze  # noqa: E402
from peer import answer  # noqa: E402
from serl_launcher.agents.continuous.sac import SACAgent  # noqa: E402
from serl_launcher.networks.actor_critic_nets import Critic, Policy, ensemblize  # noqa: E402
from serl_launcher.networks.lagrange import GeqLagrangeMultiplier  # noqa: E402
from serl_launcher.networks.mlp import MLP  # noqa: E402
from serl_launcher.utils import train_utils  # noqa: E402
from serl_launcher.vision.data_augmentations import batched_random_crop  # noqa: E402

train_utils.load_resnet10_params = lambda agent, _keys: agent  # they would be downloaded

# Its launcher's settings (utils/launcher.py).
NETWORK = {"activations": nn.tanh, "use_layer_norm": True, "hidden_dims": [256, 256]}
POLICY = {
    "tanh_squash_distribution": True,
    "std_parameterization": "exp",
    "std_min": 1e-5,
    "std_max": 5,
}
AGENT = {
    "discount": 0.97,
    "backup_entropy": False,
    "critic_ensemble_size": 2,
    "critic_subsample_size": None,
}
TEMPERATURE = 1e-2
NETWORKS = {
    "critic": frozenset({"critic"}),
    "full": frozenset({"actor", "critic", "temperature"}),
}


class Numbers(nn.Module):
    """What stands for the encoder where there is no image."""

    def __call__(self, observations: dict, **_: bool) -> jax.Array:
        """The state itself."""
        return observations["state"]


def shifted(batch: dict, key: jax.Array) -> dict:
    """Its random crop of the images, as its launcher has it."""
    for part, one in zip(("observations", "next_observations"), jax.random.split(key), strict=True):
        image = batched_random_crop(batch[part]["image"], one, padding=4, num_batch_dims=2)
        batch = batch.copy({part: batch[part].copy({"image": image})})
    return batch


def state_agent(observation: dict, action: np.ndarray) -> SACAgent:
    """Its classes, put together for a state as its launcher does for images."""
    network = {**NETWORK, "activate_final": True}
    critic = ensemblize(partial(MLP, **network), 2)(name="critic_ensemble")
    actor = Policy(
        encoder=Numbers(),
        network=MLP(**network),
        action_dim=given.action_dim,
        **POLICY,
        name="actor",
    )
    temperature = GeqLagrangeMultiplier(
        init_value=TEMPERATURE, constraint_shape=(), constraint_type="geq", name="temperature"
    )
    return SACAgent.create(
        jax.random.PRNGKey(0),
        observation,
        action,
        actor_def=actor,
        critic_def=Critic(encoder=Numbers(), network=critic, name="critic"),
        temperature_def=temperature,
        image_keys=("state",),
        **AGENT,
    )


def image_agent(observation: dict, action: np.ndarray) -> SACAgent:
    """Its agent of images, with the frozen ResNet-10."""
    return SACAgent.create_pixels(
        jax.random.PRNGKey(0),
        observation,
        action,
        encoder_type="resnet-pretrained",
        use_proprio=True,
        image_keys=("image",),
        policy_kwargs=POLICY,
        critic_network_kwargs=dict(NETWORK),
        policy_network_kwargs=dict(NETWORK),
        temperature_init=TEMPERATURE,
        augmentation_function=shifted,
        **AGENT,
    )


class Turn:
    """An agent and its batch of random transitions."""

    def __init__(self, what: str) -> None:
        rng, rows = np.random.default_rng(0), given.batch
        make = state_agent if what == "state" else image_agent

        def observation() -> dict:
            if what == "state":
                return {"state": rng.standard_normal((rows, given.observation_dim), np.float32)}
            return {
                "image": rng.integers(0, 255, (rows, 1, 128, 128, 3), np.uint8),
                "state": rng.standard_normal((rows, 1, given.body_dim), np.float32),
            }

        actions = rng.uniform(-1, 1, (rows, given.action_dim)).astype(np.float32)
        batch = {
            "observations": observation(),
            "next_observations": observation(),
            "actions": actions,
            "rewards": np.zeros(rows, np.float32),
            "masks": np.ones(rows, np.float32),
        }
        first = jax.tree_util.tree_map(lambda numbers: numbers[0], batch["observations"])
        self.agent = make(first, actions[0])
        self.batch = jax.device_put(freeze(batch))

    def update(self, networks: str) -> None:
        """One update of its own."""
        self.agent, _ = self.agent.update(self.batch, networks_to_update=NETWORKS[networks])
        jax.block_until_ready(self.agent.state.params)


def main() -> None:
    """Answer until the input ends."""
    turn = cache(Turn)

    def work(line: str) -> Callable[[], None]:
        what, networks = line.split()
        return partial(turn(what).update, networks)

    answer(work)


if __name__ == "__main__":
    main()
