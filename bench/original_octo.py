# SPDX-License-Identifier: Apache-2.0
"""The original Octo-small in JAX, timed on request: `bench/students.py` starts this with the Python that has it.

Needs jax, flax, optax, transformers below 5 and github.com/octo-models/octo on its path; weights are random. Every
line that it reads names what to run (`inference`, `training`, each with or without ` t5`), every line that it writes
is the seconds that took.
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import transformers

# What JAX dropped since the version that Octo was written for.
_clip = jnp.clip
jax.random.KeyArray = jax.Array
jax.tree_map = jax.tree_util.tree_map
jnp.clip = lambda x, low=None, high=None, a_min=None, a_max=None: _clip(
    x, low if a_min is None else a_min, high if a_max is None else a_max
)
sys.modules.setdefault("distrax", types.ModuleType("distrax"))  # of other heads
# T5-base by its shapes, for the hub need not be reachable.
transformers.AutoConfig.from_pretrained = lambda _name: transformers.T5Config(
    vocab_size=32128, d_model=768, d_ff=3072, num_layers=12, num_heads=12
)

from octo.model.components.action_heads import DiffusionActionHead  # noqa: E402
from octo.model.components.tokenizers import ImageTokenizer, LanguageTokenizer  # noqa: E402
from octo.model.components.vit_encoders import SmallStem16  # noqa: E402
from octo.model.octo_module import OctoModule  # noqa: E402
from octo.utils.spec import ModuleSpec  # noqa: E402
from peer import answer  # noqa: E402


class Original:
    """Octo-small with the primary camera; inference of one moment and training steps."""

    def __init__(self, batch: int, encoder: str | None) -> None:
        key = "image_primary"
        tokenizer = ModuleSpec.create(
            ImageTokenizer,
            obs_stack_keys=[key],
            task_stack_keys=[key],
            encoder=ModuleSpec.create(SmallStem16),
        )
        head = ModuleSpec.create(
            DiffusionActionHead, readout_key="readout_action", action_horizon=4, dropout_rate=0.0
        )
        sizes = {"num_layers": 12, "mlp_dim": 1536, "num_attention_heads": 6}
        self.module = OctoModule.create(
            observation_tokenizers={"primary": tokenizer},
            task_tokenizers={"language": ModuleSpec.create(LanguageTokenizer, encoder=encoder)},
            heads={"action": head},
            readouts={"action": 1},
            transformer_kwargs={
                **sizes,
                "dropout_rate": 0.0,
                "attention_dropout_rate": 0.0,
                "add_position_embedding": False,
            },
            token_embedding_size=384,
            max_horizon=10,
            repeat_task_tokens=True,
            use_correct_attention=True,
        )
        self.one, self.many = self._example(1, encoder), self._example(batch, encoder)
        self.actions = jnp.zeros((batch, 1, 4, 7))
        self.params = self.module.init(jax.random.PRNGKey(0), *self.one, train=False)["params"]
        frozen = jax.tree_util.tree_map_with_path(
            lambda path, _: "frozen" if "hf_model" in jax.tree_util.keystr(path) else "trained",
            self.params,
        )
        transforms = {"trained": optax.adamw(3e-4), "frozen": optax.set_to_zero()}
        self.optimizer = optax.multi_transform(transforms, frozen)
        self.state = self.optimizer.init(self.params)
        self._sample, self._step = jax.jit(self._act), jax.jit(self._train)

    @staticmethod
    def _example(batch: int, encoder: str | None) -> tuple[dict, dict, jax.Array]:
        mask = jnp.ones((batch, 1), bool)
        words = jnp.ones((batch, 16), jnp.int32)
        language = (
            {"input_ids": words, "attention_mask": words}
            if encoder
            else jnp.zeros((batch, 16, 768))
        )
        image = jnp.zeros((batch, 1, 256, 256, 3), jnp.uint8)
        observation = {"image_primary": image, "pad_mask_dict": {"image_primary": mask}}
        task = {
            "language_instruction": language,
            "pad_mask_dict": {"language_instruction": jnp.ones(batch, bool)},
        }
        return observation, task, mask

    def _act(self, params: dict, example: tuple, key: jax.Array) -> jax.Array:
        bound = self.module.bind({"params": params})
        found = bound.octo_transformer(*example, train=False)
        return bound.heads["action"].predict_action(found, key, False, 7)

    def _train(self, params: dict, state: tuple, example: tuple, key: jax.Array) -> tuple:
        def loss(params: dict) -> jax.Array:
            bound = self.module.bind({"params": params}, rngs={"dropout": key})
            found = bound.octo_transformer(*example, train=True)
            mask = jnp.ones(self.actions.shape, bool)
            return bound.heads["action"].loss(found, self.actions, example[2], mask)[0]

        updates, state = self.optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    def inference(self) -> None:
        """Actions of one moment."""
        jax.block_until_ready(self._sample(self.params, self.one, jax.random.PRNGKey(1)))

    def training(self) -> None:
        """One step of the optimiser."""
        self.params, self.state = self._step(
            self.params, self.state, self.many, jax.random.PRNGKey(1)
        )
        jax.block_until_ready(self.params)


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, required=True)
    batch = parser.parse_args().batch
    models: dict[str, Original] = {}

    def work(line: str) -> Callable[[], None]:
        what, *encoder = line.split()
        name = "t5-base" if encoder else ""
        if name not in models:
            models[name] = Original(batch, name or None)
        found: Callable[[], None] = getattr(models[name], what)
        return found

    answer(work)


if __name__ == "__main__":
    np.random.seed(0)
    main()
