# SPDX-License-Identifier: Apache-2.0
"""Networks trained elsewhere, as encoders: of small random ones that have the structure of the real."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_image_encoder import VGA, demonstrations
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import encoder_from_bytes, encoder_to_bytes, policy_to_bytes
from rldg_rl.agent_config import AgentConfig
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.vision import encoder_training
from rldg_rl.vision.backbones import IMAGENET, Backbone, BackboneError, Structure, read_backbone
from rldg_rl.vision.encoder_training import train_encoder
from rldg_rl.vision.encoders import encoder_of, make_encoder
from rldg_rl.vision.pixels import GRID, IMAGE_SIZE, VARIANTS

BODY = np.zeros(19, np.float32)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten layers, a classifier of thousand classes, and an eighth of the real one's width."""
    torch.manual_seed(0)
    config = ResNetConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 32, 64],
        embedding_size=8,
        layer_type="basic",
        num_labels=1000,
    )
    folder = tmp_path_factory.mktemp("networks") / "resnet-10"
    ResNetForImageClassification(config).save_pretrained(folder)
    return folder


def pixels(rows: int = 2) -> torch.Tensor:
    shape = (rows, 3, IMAGE_SIZE, IMAGE_SIZE)
    return 2.0 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1.0


def test_a_resnet_ends_where_its_map_still_tells_places(resnet: Path) -> None:
    backbone = read_backbone(str(resnet))
    seen = backbone(pixels())
    assert seen.shape == (2, 32, GRID, GRID) and backbone.channels == 32
    mean, std = (torch.tensor(part)[:, None, None] for part in IMAGENET)
    whole = ResNetModel.from_pretrained(resnet).eval()
    with torch.no_grad():
        theirs = whole(((pixels() + 1) / 2 - mean) / std, output_hidden_states=True)
    assert torch.allclose(seen, theirs.hidden_states[3], atol=1e-5)
    names = backbone.network.state_dict()
    assert not any("stages.3" in name for name in names), "deeper stages do not travel"


def test_it_learns_where_the_goal_is_and_the_network_stays_as_it_was(
    resnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_training, "UPDATES", 150)
    encoder = make_encoder(str(resnet), VGA, 0)
    before = {name: tensor.copy() for name, tensor in encoder.tensors.items()}
    updates: list[int] = []
    fit = train_encoder(encoder, VGA, demonstrations(20), 0, updates.append)
    assert updates[-1] == 150 and fit.near is not None
    mean = 0.015  # [m] the goal's distance on the way there, about
    assert fit.position < mean / 2 and fit.near < mean / 2
    moved = {name for name, tensor in encoder.tensors.items() if (tensor != before[name]).any()}
    assert "features.0.weight" in moved
    assert not any(name.startswith("backbone") for name in moved)
    assert not any(weight.requires_grad for weight in encoder.parameters()), "frozen"


def test_it_is_sent_once_and_sees_the_same_there(resnet: Path) -> None:
    encoder = make_encoder(str(resnet), VGA, 0)
    agent = Agent(AgentConfig(hidden=(16,)), encoder.output_dim, 6, 0, encoder=encoder.tensors)
    image = demonstrations(1)[0][3].seen.image
    variants = encoder.encode(image, BODY, torch.Generator().manual_seed(0))
    assert variants.shape == (VARIANTS, encoder.output_dim)
    (again,) = encoder_of(encoder.tensors, VGA).encode(image, BODY)
    assert np.array_equal(again, encoder.encode(image, BODY)[0])
    assert np.allclose(again, variants[0], atol=1e-5) and not np.allclose(again, variants[1])

    apart, whole = LivePolicy(VGA), LivePolicy(VGA)
    apart.see(encoder_from_bytes(encoder_to_bytes(agent.policy, VGA.id, 3), VGA.id))
    light = policy_to_bytes(agent.policy, VGA.id, 3, encoder=False)
    apart.load(light)
    whole.load(policy_to_bytes(agent.policy, VGA.id, 3))
    step = demonstrations(1)[0][3]
    acts = [policy.act(step.seen, step.state, True).action for policy in (apart, whole)]
    assert np.array_equal(*acts)
    assert len(light) < sum(tensor.nbytes for tensor in encoder.tensors.values()) / 10


def test_structures_travel_as_text() -> None:
    structure = Structure("timm", {"name": "resnet18", "stage": 3})
    again = Structure.of(str(structure))
    assert again.sizes == structure.sizes and str(again) == str(structure)


def test_what_is_no_network_is_refused(resnet: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"such as a copy of microsoft/resnet-18"):
        read_backbone(str(tmp_path / "nowhere"))
    config = json.loads((resnet / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    weights = load_file(resnet / "model.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match=r"type vit: .*timm"):
        read_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config))
    del weights["resnet.encoder.stages.2.layers.0.layer.0.convolution.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match=r"(?s)does not fit its config.json.*stages\.2"):
        read_backbone(str(tmp_path))


def test_timm_is_asked_for_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    save_file({"weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(BackboneError, match=r"needs timm .*pip install"):
        read_backbone(f"timm:resnet18:{tmp_path / 'w.safetensors'}")
    with pytest.raises(BackboneError, match=r"needs timm"):
        Backbone(Structure("timm", {"name": "resnet18", "stage": 3}))
    with pytest.raises(BackboneError, match=r"there is no file nowhere"):
        read_backbone("timm:resnet18:nowhere")
    with pytest.raises(BackboneError, match=r"is not timm:<name>:<file"):
        read_backbone("timm:resnet18")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "hacked",)

    file = tmp_path / "w.safetensors"  # its name alone proves nothing
    torch.save({"weight": Evil()}, file)
    with pytest.raises(BackboneError, match=r"w.safetensors is not in safetensors"):
        read_backbone(f"timm:resnet18:{file}")
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(("name", "channels"), [("resnet10t", 256), ("mobilenetv3_small_050", 24)])
def test_networks_of_timm(name: str, channels: int, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    file = tmp_path / "w.safetensors"
    whole = timm.create_model(name).eval()
    save_file(whole.state_dict(), file)
    encoder = make_encoder(f"timm:{name}:{file}", VGA, 0)
    assert encoder.backbone is not None and encoder.backbone.channels == channels
    mean, std = (torch.tensor(part)[:, None, None] for part in IMAGENET)
    with torch.no_grad():
        theirs = whole.forward_intermediates(
            ((pixels() + 1) / 2 - mean) / std, intermediates_only=True
        )
    assert any(
        map_.shape == (2, channels, GRID, GRID)
        and torch.allclose(encoder.view(pixels()), map_, atol=1e-4)
        for map_ in theirs
    )
    image = demonstrations(1)[0][0].seen.image
    again = encoder_of(encoder.tensors, VGA)
    assert np.array_equal(again.encode(image, BODY), encoder.encode(image, BODY))
    with pytest.raises(BackboneError, match=r"timm cannot make resnet18 of"):
        read_backbone(f"timm:resnet18:{file}")
