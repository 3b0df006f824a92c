# SPDX-License-Identifier: Apache-2.0
"""LeRobot's SAC, timed on request: `bench/learner.py --lerobot` starts this with the Python that has it.

Needs lerobot 0.4.4. Its defaults, but for what must be equal: two critics of 256 x 256, no compilation. Of images it
has its own small convolutions, frozen, as they come (its ResNet-10 would have to be downloaded). Every line that it
reads names an observation (`state`, `image`) and an update (`critic`, `full`), every line that it writes is the seconds
that one took, with its batch in memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.sac.configuration_sac import SACConfig
from lerobot.policies.sac.modeling_sac import SACPolicy
from peer import answer

STATE, IMAGE, ACTION = "observation.state", "observation.image", "action"
CLIP = 40.0
"""of its gradients, its default"""


class Turn:
    """A policy, its optimisers and its batch of random transitions; the order of its learner (rl/learner.py)."""

    def __init__(self, what: str, given: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.rows, dim = given.batch, given.observation_dim if what == "state" else given.body_dim
        self.inputs = {STATE: PolicyFeature(FeatureType.STATE, (dim,))}
        if what == "image":
            self.inputs[IMAGE] = PolicyFeature(FeatureType.VISUAL, (3, 128, 128))
        config = SACConfig(
            input_features=self.inputs,
            output_features={ACTION: PolicyFeature(FeatureType.ACTION, (given.action_dim,))},
            dataset_stats=None,
            use_torch_compile=False,
            device="cpu",
        )
        self.policy = policy = SACPolicy(config)
        policy.train()
        actor = [
            parameter
            for name, parameter in policy.actor.named_parameters()
            if not name.startswith("encoder")  # shared with the critics
        ]
        self.adams = {
            "critic": torch.optim.Adam(policy.critic_ensemble.parameters(), config.critic_lr),
            "actor": torch.optim.Adam(actor, config.actor_lr),
            "temperature": torch.optim.Adam([policy.log_alpha], config.temperature_lr),
        }
        self.batch = {
            ACTION: torch.rand(self.rows, given.action_dim) * 2 - 1,
            "reward": torch.zeros(self.rows),
            "state": self._observation(),
            "next_state": self._observation(),
            "done": torch.zeros(self.rows),
            "observation_feature": None,
            "next_observation_feature": None,
            "complementary_info": None,
        }

    def _observation(self) -> dict[str, torch.Tensor]:
        return {
            name: torch.rand(self.rows, *feature.shape) for name, feature in self.inputs.items()
        }

    def update(self, networks: str) -> None:
        """One update of its own."""
        self._step("critic", self.policy.critic_ensemble.parameters())
        if networks == "full":
            self._step("actor", self.policy.actor.parameters())
            self._step("temperature", [self.policy.log_alpha])
        self.policy.update_target_networks()

    def _step(self, network: str, parameters) -> None:  # type: ignore[no-untyped-def]
        loss = self.policy.forward(self.batch, model=network)[f"loss_{network}"]
        self.adams[network].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        self.adams[network].step()


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    for name in ("batch", "threads", "observation-dim", "body-dim", "action-dim"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    turn = cache(lambda what: Turn(what, given))

    def work(line: str) -> Callable[[], None]:
        what, networks = line.split()
        return partial(turn(what).update, networks)

    answer(work)


if __name__ == "__main__":
    main()
