# SPDX-License-Identifier: Apache-2.0
"""The network of OpenVLA: sizes, tokens, padding and cache, attention, adapters, checkpoints, the teacher's bins."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from openvla_network import TINY, inputs, network, padded
from peft import PeftModel
from safetensors.torch import save_file
from torch import nn

from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla import checkpoints, config, lora, quantization
from rldg_distill.students.openvla.config import OpenVLAConfig
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.oft import ChunkHead, hidden_states
from rldg_distill.students.openvla.pixels import pixel_values
from rldg_distill.students.openvla.targets import binned, divergence, hard
from rldg_distill.students.openvla.tokens import ActionTokens, PromptTokenizer, tiny_tokenizer

TOKENS = ActionTokens(32000)


@pytest.fixture(scope="module")
def model() -> OpenVLA:
    torch.set_num_threads(1)
    return network()


@pytest.fixture(scope="module")
def seven_billion() -> OpenVLA:
    with torch.device("meta"):
        return OpenVLA(OpenVLAConfig())


# --- sizes --------------------------------------------------------------------------------------------------------


def test_the_7b_has_the_official_tensors(seven_billion: OpenVLA) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for name, tensor in seven_billion.state_dict().items():
        pattern = re.sub(r"(blocks|layers)\.\d+\.", r"\1.*.", name)
        found[pattern, "x".join(map(str, tensor.shape))] += 1
    rows = (Path(__file__).parent / "data" / "openvla_tensors.txt").read_text().splitlines()[1:]
    official = {(name, shape): int(count) for name, count, shape in map(str.split, rows)}
    assert found == official
    assert sum(official.values()) == 982
    assert sum(parameter.numel() for parameter in seven_billion.parameters()) == 7_541_237_184


def test_positions_are_float32_numbers_though_the_rest_has_no_memory(
    seven_billion: OpenVLA,
) -> None:
    frequencies = seven_billion.language_model.model.rotary_emb.inv_freq
    assert frequencies.device.type == "cpu"
    assert frequencies.dtype == torch.float32


def test_adapters_of_the_7b(seven_billion: OpenVLA) -> None:
    """Of the 110,828,288 that OpenVLA's script trains, 2,966,272 are in layers that are left out here."""
    settings = lora.LoraSettings()
    with torch.device("meta"):
        adapted = lora.add(OpenVLA(OpenVLAConfig()), settings)
    trained = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    assert sum(trained.values()) == lora.count_adapted(OpenVLAConfig(), settings) == 107_862_016
    dead = ("backbone.featurizer.blocks.23.", ".fused_featurizer.blocks.26.", "attn_pool")
    for part in (*dead, "patch_embed", "lm_head"):
        assert not any(part in name for name in trained)
    assert lora.count_adapted(
        OpenVLAConfig(), lora.LoraSettings(output=True)
    ) == 107_862_016 + 32 * (4096 + 32064)


def test_the_head_of_oft_has_151_million_parameters() -> None:
    with torch.device("meta"):
        head = ChunkHead(4096, chunk=8, action_dim=7, state_dim=None)
    assert round(sum(parameter.numel() for parameter in head.parameters()) / 1e6, 1) == 151.1


# --- tokens -------------------------------------------------------------------------------------------------------


def test_action_tokens_are_those_of_openvla() -> None:
    assert TOKENS.encode(torch.tensor([-1.0, 0.0, 1.0, -7.0, 7.0])).tolist() == [
        31999,
        31872,
        31744,
        31999,
        31744,
    ]
    values = np.random.default_rng(0).uniform(-1.1, 1.1, 1000)
    wanted = 32000 - np.digitize(np.clip(values, -1, 1), np.linspace(-1, 1, 256))
    assert np.array_equal(TOKENS.encode(torch.from_numpy(values)).numpy(), wanted)
    edges = np.linspace(-1, 1, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    decoded = centres[np.clip(32000 - wanted - 1, 0, 254)]
    assert np.allclose(TOKENS.decode(torch.from_numpy(wanted)).numpy(), decoded, atol=1e-7)


def test_a_prompt_ends_with_the_empty_token_and_is_padded_in_front() -> None:
    tokenizer = PromptTokenizer(tiny_tokenizer(), TINY)
    prompts = tokenizer(["Insert the VGA plug", "go"])
    text = tokenizer.tokenizer.decode(prompts.ids[0, :-1].tolist())
    assert text == "In: What action should the robot take to insert the vga plug?\nOut:"
    assert prompts.ids[:, -1].tolist() == [tokenizer.empty] * 2
    assert prompts.mask.sum(1).tolist() == [67, 50]
    assert (prompts.ids[1, :17] == TINY.language.pad_token_id).all()
    assert not (prompts.ids == TINY.language.bos_token_id).any()


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    PromptTokenizer(tiny_tokenizer(), TINY).save(tmp_path)
    assert PromptTokenizer.load(tmp_path, TINY).encode("go")[-1] == 259
    with pytest.raises(StudentError, match="one checkpoint"):
        PromptTokenizer.load(tmp_path, OpenVLAConfig())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(StudentError, match="copy it"):
        PromptTokenizer.load(tmp_path, TINY)


# --- images -------------------------------------------------------------------------------------------------------


def test_pixel_values_are_those_of_openvlas_processor() -> None:
    """The numbers are from PrismaticImageProcessor itself, of pixels of one colour."""
    image = torch.tensor(
        [[[255, 255, 255], [0, 0, 0]], [[0, 0, 0], [10, 100, 200]]], dtype=torch.uint8
    )
    found = pixel_values(image)
    assert found.shape == (6, 2, 2)
    wanted = {
        (0, 0): [2.248908, 2.428571, 2.64, 1.0, 1.0, 1.0],
        (1, 0): [-2.117904, -2.035714, -1.804444, -1.0, -1.0, -1.0],
        (1, 1): [-1.946656, -0.285014, 1.681394, -0.921569, -0.215686, 0.568627],
    }
    for (row, column), values in wanted.items():
        assert torch.allclose(found[:, row, column], torch.tensor(values), atol=1e-5)


def test_another_image_gives_other_logits(model: OpenVLA) -> None:
    pixels, rows, actions = inputs()
    with torch.no_grad():
        first = model.logits(pixels[:, None], padded(rows), actions)
        other = model.logits(pixels.flip(0)[:, None], padded(rows), actions)
    assert ((first - other).abs().amax((1, 2)) > 0.1).all()
    assert not torch.equal(
        model.predict_tokens(pixels[:, None], padded(rows), 7),
        model.predict_tokens(pixels.flip(0)[:, None], padded(rows), 7),
    )


# --- sequence -----------------------------------------------------------------------------------------------------


def test_padding_is_invisible_and_the_cache_changes_nothing(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    together = model.predict_tokens(pixels[:, None], padded(rows), 7)
    for i, row in enumerate(rows):
        alone = model.predict_tokens(pixels[i : i + 1, None], padded([row]), 7)
        assert torch.equal(alone[0], together[i])
        with torch.no_grad():
            logits = model.logits(pixels[i : i + 1, None], padded([row]), alone)
        actions = logits[:, :-1, model.tokens.first : model.tokens.vocabulary]
        assert torch.equal(actions.argmax(-1) + model.tokens.first, alone)


def test_only_action_tokens_are_chosen(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    loud = network()
    with torch.no_grad():
        loud.language_model.lm_head.weight[: loud.tokens.first] *= 1000
    tokens = loud.predict_tokens(pixels[:, None], padded(rows), 7)
    assert (tokens >= loud.tokens.first).all()
    assert (tokens < loud.tokens.vocabulary).all()


def test_images_and_prompts_must_be_equally_many(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    with pytest.raises(ValueError, match="2 images with 1 prompts"):
        model.predict_tokens(pixels[:, None], padded(rows[:1]), 7)


def test_oft_attends_in_both_directions_and_never_to_padding(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    prompts = padded(rows)
    sequence = model.prefix(pixels[:, None], prompts)
    size = sequence.embeddings.shape[1]
    changed = sequence.embeddings.clone()
    changed[:, -1] += 1.0
    padding = ~sequence.mask
    noisy = torch.where(padding[..., None], sequence.embeddings + 5.0, sequence.embeddings)
    with torch.no_grad():
        before = hidden_states(model, sequence)
        after = hidden_states(model, replace(sequence, embeddings=changed))
        unseen = hidden_states(model, replace(sequence, embeddings=noisy))
        causal = [
            model.language_model.model(
                inputs_embeds=embeddings,
                attention_mask=sequence.mask,
                position_ids=sequence.positions,
            ).last_hidden_state
            for embeddings in (sequence.embeddings, changed)
        ]
    moved = (after - before).abs().amax(2) > 1e-4
    assert moved[:, : size - 1].all(), "the first token must see the last"
    assert torch.equal(causal[0][:, : size - 1], causal[1][:, : size - 1])
    assert padding.any()
    assert torch.allclose(unseen[sequence.mask], before[sequence.mask], atol=1e-5)


# --- adapters -----------------------------------------------------------------------------------------------------


def test_a_step_of_the_adapters_changes_them_alone_and_merging_keeps_the_outputs() -> None:
    torch.manual_seed(0)
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapted = lora.add(model, lora.LoraSettings(rank=4, alpha=4))
    assert isinstance(adapted, PeftModel)
    pixels, rows, actions = inputs()
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.5)
    losses = []
    for _ in range(3):
        logits = model.logits(pixels[:, None], padded(rows), actions)
        loss = divergence(logits[:, :-1], hard(model.tokens, actions), model.tokens).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name:
            assert torch.equal(tensor, before[name.replace(".base_layer", "")]), name
    with torch.no_grad():
        wanted = model.logits(pixels[:, None], padded(rows), actions)
        merged = lora.merge(adapted)
        found = merged.logits(pixels[:, None], padded(rows), actions)
    assert merged.state_dict().keys() == before.keys()
    assert torch.allclose(found, wanted, atol=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_few_bits_need_a_gpu_and_say_so(model: OpenVLA) -> None:
    with pytest.raises(StudentError, match="NVIDIA GPU"):
        quantization.quantize(model, 4)


@pytest.mark.parametrize(("bits", "worst"), [(8, 0.2), (4, 1.5)])
def test_few_bits_change_the_logits_little(bits: int, worst: float) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    model = network()
    pixels, rows, actions = inputs()
    with torch.no_grad():
        exact = model.logits(pixels[:, None], padded(rows), actions)
        quantization.replace_linear(model, bits, bitsandbytes, torch.device("cpu"))
        few = model.logits(pixels[:, None], padded(rows), actions)
    assert model.language_model.model.layers[0].mlp.up_proj.weight.dtype in (
        torch.int8,
        torch.uint8,
    )
    assert 0 < (few - exact).abs().mean() < worst


# --- checkpoints --------------------------------------------------------------------------------------------------


def shards(model: OpenVLA, folder: Path) -> dict[str, torch.Tensor]:
    """Three files and an index, as the official checkpoint has them, in bfloat16."""
    state = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    weight_map = {}
    for number in range(3):
        name = f"model-0000{number + 1}-of-00003.safetensors"
        part = {key: state[key] for key in list(state)[number::3]}
        save_file(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    (folder / checkpoints.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return state


def test_shards_are_read_tensor_by_tensor(tmp_path: Path, model: OpenVLA) -> None:
    state = shards(model, tmp_path)
    loaded = checkpoints.load(tmp_path, TINY)
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    assert loaded.language_model.model.rotary_emb.inv_freq.dtype == torch.float32
    frozen = {name for name, parameter in loaded.named_parameters() if not parameter.requires_grad}
    assert frozen == {
        name for name, parameter in model.named_parameters() if not parameter.requires_grad
    }
    exact = checkpoints.load(tmp_path, TINY, dtype=torch.float32)
    pixels, rows, actions = inputs()
    with torch.no_grad():
        found = exact.logits(pixels[:, None], padded(rows), actions)
        wanted = model.logits(pixels[:, None], padded(rows), actions)
    assert (found - wanted).abs().mean() < 0.05 * wanted.abs().mean()


def test_every_tensor_is_accounted_for(tmp_path: Path, model: OpenVLA) -> None:
    state = dict(model.state_dict())
    state["projector.fc4.weight"] = state.pop("projector.fc3.weight")
    state["language_model.lm_head.weight"] = torch.zeros(3, 4)
    save_file(state, tmp_path / checkpoints.SINGLE)
    with pytest.raises(StudentError) as error:
        checkpoints.load(tmp_path, TINY)
    text = str(error.value)
    assert "1 tensors are missing (projector.fc3.weight)" in text
    assert "1 are unexpected (projector.fc4.weight)" in text
    assert "language_model.lm_head.weight is [3, 4] and should be [580, 128]" in text


def test_a_broken_checkpoint_says_what_is_wrong(tmp_path: Path, model: OpenVLA) -> None:
    with pytest.raises(StudentError, match="has neither"):
        checkpoints.load(tmp_path, TINY)
    shards(model, tmp_path)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(StudentError, match=r"lacks model-00002-of-00003.safetensors"):
        checkpoints.load(tmp_path, TINY)
    shards(model, tmp_path)
    cut = tmp_path / "model-00003-of-00003.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(StudentError, match="copy it again"):
        checkpoints.load(tmp_path, TINY)
    (tmp_path / checkpoints.INDEX).write_text("[]")
    with pytest.raises(StudentError, match="damaged"):
        checkpoints.load(tmp_path, TINY)


OFFICIAL = {
    "model_type": "openvla",
    "vision_backbone_id": "dinosiglip-vit-so-224px",
    "llm_backbone_id": "llama2-7b-pure",
    "arch_specifier": "no-align+fused-gelu-mlp",
    "image_resize_strategy": "resize-naive",
    "text_config": {
        "model_type": "llama",
        "vocab_size": 32064,
        "rms_norm_eps": 1e-5,
        "torch_dtype": "bfloat16",
    },
    "pad_to_multiple_of": 64,
    "n_action_bins": 256,
    "norm_stats": {"bridge": {"action": {"q01": [0.0]}}},
}


def test_the_official_configuration_is_read(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"config\.json cannot be read"):
        config.read(tmp_path)
    (tmp_path / config.OFFICIAL).write_text(json.dumps(OFFICIAL))
    found = config.read(tmp_path)
    assert found.norm_stats == OFFICIAL["norm_stats"]
    assert asdict(found.language) == asdict(OpenVLAConfig().language) | {"rms_norm_eps": 1e-5}
    assert (found.vocabulary, found.dino, found.siglip) == (
        32000,
        OpenVLAConfig().dino,
        OpenVLAConfig().siglip,
    )
    config.write(found, tmp_path)
    assert config.read(tmp_path) == found
    (tmp_path / config.OURS).unlink()
    (tmp_path / config.OFFICIAL).write_text(json.dumps(OFFICIAL | {"llm_backbone_id": "phi-2-3b"}))
    with pytest.raises(StudentError, match=r"phi-2-3b.*llama2-7b-pure"):
        config.read(tmp_path)


# --- the teacher's bins -------------------------------------------------------------------------------------------


def test_the_mass_of_every_bin_is_that_of_a_million_samples() -> None:
    mean, log_std = torch.tensor([0.3, -2.0, 0.0]), torch.tensor([-1.0, 0.5, -6.0])
    scale, low, high = torch.tensor([0.015, 0.1, 0.1]), -0.01, 0.012
    edges = (TOKENS.edges() + 1) / 2 * (high - low) + low
    mass = binned(mean, log_std, scale, edges.expand(3, -1))
    torch.manual_seed(0)
    action = torch.tanh(mean + log_std.exp() * torch.randn(1_000_000, 3)) * scale
    tokens = TOKENS.encode(2 * (action.double() - low) / (high - low) - 1)
    for dimension in range(3):
        counted = torch.bincount(tokens[:, dimension] - TOKENS.first, minlength=256) / 1e6
        assert (mass[dimension] - counted).abs().max() < 0.002
    assert torch.allclose(mass.sum(-1), torch.ones(3), atol=1e-6)


def test_a_certain_teacher_is_a_hard_target_even_far_out() -> None:
    edges = TOKENS.edges().expand(4, -1) * 0.01
    mean = torch.tensor([0.25, -0.5, 9.0, -9.0])
    mass = binned(mean, torch.full((4,), -12.0), torch.full((4,), 0.02), edges)
    wanted = TOKENS.encode(torch.tanh(mean) * 2)
    assert torch.equal(mass.argmax(-1) + TOKENS.first, wanted)
    assert torch.allclose(mass, hard(TOKENS, wanted), atol=1e-3)
    assert torch.isfinite(mass).all()


def test_the_divergence_is_zero_for_the_teacher_itself_and_cross_entropy_for_a_hard_target() -> (
    None
):
    edges = TOKENS.edges().expand(7, -1) * 0.015
    target = binned(torch.zeros(2, 7), torch.full((2, 7), -1.0), torch.full((2, 7), 0.015), edges)
    logits = torch.full((2, 7, 32064), -100.0)
    logits[..., TOKENS.first : TOKENS.vocabulary] = target.clamp(min=1e-30).log()
    assert divergence(logits, target, TOKENS).abs().max() < 1e-4
    logits = torch.randn(2, 7, 32064)
    ids = torch.randint(TOKENS.first, TOKENS.vocabulary, (2, 7))
    wanted = nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
    assert torch.allclose(
        divergence(logits, hard(TOKENS, ids), TOKENS).flatten(), wanted, atol=1e-4
    )
