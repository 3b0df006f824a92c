# SPDX-License-Identifier: Apache-2.0
"""Policies, encoders and classifiers from elsewhere: damaged, of another shape, full of NaN. One error comes out, and
none of them acts.
"""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from damaged import damage_json, damaged_bytes, damaged_json
from test_checkpoint import TASK, make_agent, train
from transformers import ResNetConfig, ResNetForImageClassification

from rldg_core.files.checked_file import parse_json
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_rl.agent import checkpoint
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    encoder_from_bytes,
    load_learner,
    load_policy,
    policy_from_bytes,
    policy_to_bytes,
    save_learner,
    save_policy,
)
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.policies.trained_policy import specialist
from rldg_rl.rewards import reward_classifier
from rldg_rl.rewards.false_firings import Review
from rldg_rl.rewards.reward_classifier import (
    Quality,
    RewardClassifier,
    load_classifier,
    save_classifier,
)
from rldg_rl.vision.backbones import BackboneError, Structure, read_backbone
from rldg_rl.vision.encoders import encoder_of, make_encoder

VGA = load_task(TASK)


def refused(read: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 1500
    return text


def packed(tensors: dict[str, np.ndarray], info: Any, checksum: object = None) -> bytes:
    metadata = info if isinstance(info, str) else json.dumps(info)
    sum_ = checkpoint._checksum(tensors) if checksum is None else checksum
    return bytes(safetensors.numpy.save(tensors, {"info": metadata, "checksum": str(sum_)}))


@pytest.fixture(scope="module")
def sound() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data = policy_to_bytes(make_agent().policy, TASK, 3)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return safetensors.numpy.load(data), json.loads(header["__metadata__"]["info"])


# --- specialists ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_policy_of_no_numbers_is_refused_by_name(number: float, sound: Any) -> None:
    tensors, info = sound
    bad = {name: tensor.copy() for name, tensor in tensors.items()}
    bad["policy.head.bias"][1] = number
    text = refused(lambda: policy_from_bytes(packed(bad, info)))
    assert "NaN or infinite numbers, in policy.head.bias" in text
    assert "train anew" in text


def test_an_encoder_of_no_numbers_is_refused(sound: Any) -> None:
    _, info = sound
    bad = {"a": np.array([1.0, np.nan], np.float32)}
    assert "in a" in refused(lambda: encoder_from_bytes(packed(bad, info), TASK))


def test_a_learner_of_no_numbers_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    agent = train(make_agent(), 2)
    path = tmp_path / "learner.safetensors"
    save_learner(path, agent, TASK)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors = {name: t.copy() for name, t in safetensors.numpy.load(data).items()}
    other = make_agent(seed=9)
    before = other.state_dict()
    for name, value in (
        ("critic.head.weight", np.full_like(tensors["critic.head.weight"], np.nan)),
        ("generator", np.zeros(3, np.uint8)),
        ("generator", np.zeros(len(tensors["generator"]), np.float32)),
        ("updates", np.array([1, 2])),
        ("updates", np.array(-1)),
    ):
        path.write_bytes(packed({**tensors, name: value}, header["info"]))
        refused(lambda: load_learner(path, other, TASK))
        after = other.state_dict()
        assert all((before[key] == tensor).all() for key, tensor in after.items())


def test_checkpoints_that_tell_another_shape(sound: Any) -> None:
    tensors, info = sound
    rng = random.Random(0)
    for _ in range(300):
        with suppress(CheckpointError):
            policy_from_bytes(packed(tensors, damaged_json(rng, info)))


def test_damaged_checkpoints(sound: Any) -> None:
    data = packed(*sound)
    head = int.from_bytes(data[:8], "little") + 8
    rng = random.Random(1)
    for number in range(400):
        part = data[:head] if number % 2 else data
        with suppress(CheckpointError):
            policy, _ = policy_from_bytes(damaged_bytes(rng, part) + data[len(part) :])
            assert np.isfinite(policy.act(np.ones(5), True)[0]).all()
    for size in (2**20, 2**62, 2**64 - 1):
        refused(lambda: policy_from_bytes(struct.pack("<Q", size) + data[8:]))  # noqa: B023


def test_policies_of_other_tensors(sound: Any) -> None:
    tensors = {n.removeprefix("policy."): t for n, t in sound[0].items()}
    for name, tensor in tensors.items():
        for other in (
            *(tensor.astype(np.float64), tensor.astype(np.int32), tensor[:0], tensor[..., :-1]),
            np.zeros((), np.float32),
            None,
        ):
            changed = {**tensors, name: other}
            with pytest.raises(ValueError, match="not a policy"):
                GaussianPolicy({n: t for n, t in changed.items() if t is not None})
    with pytest.raises(ValueError, match="does not use"):
        GaussianPolicy({**tensors, "more": np.zeros(3, np.float32)})


def test_a_policy_is_judged_before_anything_starts(tmp_path: Path) -> None:
    agent = make_agent(observation_dim=24, action_dim=6)
    agent.policy.tensors["head.bias"][...] = np.nan
    save_policy(tmp_path / "policy.safetensors", agent.policy, TASK, 1)
    assert "NaN or infinite numbers" in refused(
        lambda: specialist(tmp_path / "policy.safetensors", VGA)
    )
    os.mkfifo(tmp_path / "pipe")
    assert "no file" in refused(lambda: load_policy(tmp_path / "pipe"))


def test_another_agents_weights_are_reported_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "learner.safetensors"
    save_learner(path, make_agent(), TASK)
    assert "lengths (5, 2), this run has (9, 2)" in refused(
        lambda: load_learner(path, make_agent(observation_dim=9), None)
    )
    from test_checkpoint import Agent, AgentConfig

    wide = Agent(AgentConfig(hidden=(8, 16)), 5, 2, 1)
    assert "another agent's" in refused(lambda: load_learner(path, wide, None))


# --- what looks -----------------------------------------------------------------------------------------------------


def test_encoders_of_other_tensors() -> None:
    encoder = make_encoder("demos", VGA, 0)
    tensors = {name: tensor.copy() for name, tensor in encoder.tensors.items()}
    name = max(tensors, key=lambda name: tensors[name].size)
    for changed in (
        {name: tensors[name][:1]},
        {"more": np.zeros(2, np.float32)},
        {"backbone.structure": np.frombuffer(b"\xff\xfe{", np.uint8)},
        {"backbone.structure": np.frombuffer(b"[]", np.uint8)},
    ):
        refused(lambda: encoder_of({**tensors, **changed}, VGA))  # noqa: B023
        policy = LivePolicy(VGA)
        refused(lambda: policy.see({**tensors, **changed}))  # noqa: B023


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = ResNetConfig(
        depths=[1, 1], hidden_sizes=[8, 16], embedding_size=8, layer_type="basic", num_labels=2
    )
    folder = tmp_path_factory.mktemp("networks") / "resnet"
    ResNetForImageClassification(config).save_pretrained(folder)
    return folder


def test_backbones_of_another_shape(resnet: Path, tmp_path: Path) -> None:
    sound = json.loads((resnet / "config.json").read_text())
    (tmp_path / "model.safetensors").symlink_to(resnet / "model.safetensors")
    rng = random.Random(2)
    for _ in range(60):
        damage_json(rng, tmp_path / "config.json", sound)
        with suppress(BackboneError):
            read_backbone(str(tmp_path))


@pytest.mark.parametrize(
    "changed",
    [
        {"depths": [10**6, 1]},
        {"depths": [1]},
        {"hidden_sizes": [10**6, 16]},
        {"hidden_sizes": [8192, 8192], "depths": [200, 200]},
        {"hidden_act": "os.system"},
        {"layer_type": "x"},
        {"embedding_size": -1},
    ],
)
def test_networks_that_cannot_be(changed: dict[str, Any], resnet: Path, tmp_path: Path) -> None:
    sound = json.loads((resnet / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(sound | changed))
    (tmp_path / "model.safetensors").symlink_to(resnet / "model.safetensors")
    refused(lambda: read_backbone(str(tmp_path)))


def test_a_network_of_no_numbers_is_refused(resnet: Path, tmp_path: Path) -> None:
    weights = safetensors.torch.load_file(resnet / "model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    weights[name].view(-1)[0] = torch.nan
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((resnet / "config.json").read_text())
    assert f"NaN or infinite numbers, in {name}" in refused(lambda: read_backbone(str(tmp_path)))


def test_structures_of_another_shape() -> None:
    rng = random.Random(3)
    for sound in (
        Structure("timm", {"name": "resnet18", "stage": 3}),
        Structure("resnet", {"depths": [1], "hidden_sizes": [8], "layer_type": "basic"}),
    ):
        for _ in range(300):
            with suppress(BackboneError):
                assert isinstance(
                    Structure.of(damaged_json(rng, json.loads(str(sound)))), Structure
                )
    with pytest.raises(BackboneError, match="a network of timm cannot be"):
        Structure("timm", {"name": "hf-hub:somebody/network", "stage": 3})


# --- what says that it is done --------------------------------------------------------------------------------------

QUALITY = Quality(3, 4, 0, 0, 0.95, 1.0, 0.1)


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, RewardClassifier(), VGA, QUALITY)
    return path


def test_classifiers_of_another_shape(classifier: Path) -> None:
    data = classifier.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header["__metadata__"][reward_classifier.ABOUT])
    tensors = safetensors.torch.load(data)
    rng = random.Random(4)
    for _ in range(80):
        metadata = {reward_classifier.ABOUT: damaged_json(rng, about)}
        safetensors.torch.save_file(tensors, classifier, metadata)
        with suppress(UserError):
            load_classifier(classifier, VGA)
    for _ in range(80):
        classifier.write_bytes(damaged_bytes(rng, data))
        with suppress(UserError):
            load_classifier(classifier, VGA)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("network.0.weight", float("nan"), "NaN or infinite numbers, in network.0.weight"),
        ("threshold", float("nan"), "NaN or infinite numbers, in threshold"),
        ("threshold", -1.0, "fires at a probability of -1"),
        ("temperature", 0.0, "temperature 0"),
    ],
)
def test_a_classifier_that_would_never_or_always_fire(
    classifier: Path, name: str, value: float, reason: str
) -> None:
    network = RewardClassifier()
    network.state_dict()[name].fill_(value)
    save_classifier(classifier, network, VGA, QUALITY)
    assert reason in refused(lambda: load_classifier(classifier, VGA))


def test_a_review_names_episodes_alone() -> None:
    rng = random.Random(5)
    for _ in range(200):
        with suppress(UserError):
            parse_json(damaged_json(rng, {"false": ["policy_00001", "policy_00002"]}), Review, "x")
    refused(lambda: parse_json('{"false": ["../../x"]}', Review, "x"))
