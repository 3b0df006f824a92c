# SPDX-License-Identifier: Apache-2.0
"""What is written comes back, and what must not be loaded is refused with cause and fix."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rldg_rl.agent import checkpoint
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CONTRACT_VERSION,
    CheckpointError,
    load_learner,
    load_policy,
    policy_from_bytes,
    policy_to_bytes,
    save_learner,
    save_policy,
)
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import TransitionBatch

TASK = "connector/vga"
SMALL = AgentConfig(hidden=(8, 8), batch_size=16)


def make_agent(seed: int = 1, observation_dim: int = 5, action_dim: int = 2) -> Agent:
    """A small agent."""
    return Agent(SMALL, observation_dim, action_dim, seed)


def train(agent: Agent, updates: int) -> Agent:
    """On batches that depend on the update's number alone."""
    for _ in range(updates):
        rng = np.random.default_rng(agent.updates)
        size, action = (16, agent.observation_dim), rng.random((16, agent.action_dim), np.float32)
        now, after = (rng.standard_normal(size, np.float32) for _ in range(2))
        ones = np.ones(16, np.float32)
        agent.update(
            TransitionBatch(now, action, action[:, 0], after, ones, gripper_changed=0 * ones)
        )
    return agent


def same(first: Agent, second: Agent) -> bool:
    """Bit for bit."""
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def rewrite(path: Path, **changes: object) -> None:
    """Changes what a file says about itself."""
    data = path.read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    metadata["info"] = json.dumps(json.loads(metadata["info"]) | changes)
    path.write_bytes(safetensors.numpy.save(safetensors.numpy.load(data), metadata))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A learner's checkpoint after three updates."""
    path = tmp_path / "checkpoints" / "learner.safetensors"
    save_learner(path, train(make_agent(), 3), TASK, transitions=40)
    return path


def test_a_resumed_learner_goes_on_exactly(saved: Path) -> None:
    resumed = make_agent(seed=2)
    info = load_learner(saved, resumed, TASK)
    assert (info.updates, info.transitions, info.contract_version) == (3, 40, CONTRACT_VERSION)
    assert (info.task, info.observation_dim, info.action_dim) == (TASK, 5, 2)
    assert AgentConfig(**info.config) == SMALL
    assert same(train(resumed, 4), train(make_agent(), 7))


def test_a_policy_comes_back_from_bytes_and_both_files(saved: Path, tmp_path: Path) -> None:
    agent, observation = train(make_agent(), 3), np.ones(5, np.float32)
    save_policy(tmp_path / "policy.safetensors", agent.policy, TASK, 3)
    for policy, updates in (
        policy_from_bytes(policy_to_bytes(agent.policy, TASK, 3), TASK),
        load_policy(tmp_path / "policy.safetensors", TASK),
        load_policy(saved),
    ):
        assert updates == 3
        assert (policy.observation_dim, policy.action_dim) == (5, 2)
        assert (policy.act(observation, True)[0] == agent.act(observation, True)[0]).all()


def test_a_new_policy_goes_on_with_the_noise_it_is_given() -> None:
    data, rng = policy_to_bytes(make_agent().policy, TASK, 0), np.random.default_rng(0)
    first, second = (policy_from_bytes(data, TASK, rng)[0].act(np.ones(5))[0] for _ in range(2))
    assert (first != second).all()


def test_an_actor_needs_no_torch() -> None:
    code = "import sys, rldg_rl.agent.checkpoint, rldg_rl.agent_config; sys.exit('torch' in sys.modules)"
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True)


@pytest.mark.parametrize("kept", [0, 5, 100, -10])
def test_a_file_cut_short_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    for load in (lambda: load_policy(saved), lambda: load_learner(saved, make_agent(), TASK)):
        with pytest.raises(CheckpointError, match=r"cut short or not a checkpoint.*older"):
            load()


@pytest.mark.parametrize("content", [b"\x80\x04pickled", b"x" * 400, b"{}"])
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        policy_from_bytes(content)


def test_foreign_safetensors_are_refused() -> None:
    foreign = {"policy.head.weight": np.zeros((2, 4), np.float32)}
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        policy_from_bytes(safetensors.numpy.save(foreign))
    info = checkpoint.CheckpointInfo(TASK, 2, 2, 0)
    metadata = {"info": json.dumps(asdict(info)), "checksum": checkpoint._checksum(foreign)}
    with pytest.raises(CheckpointError, match=r"no usable policy.*head\.bias"):
        policy_from_bytes(safetensors.numpy.save(foreign, metadata))


def test_a_flipped_bit_is_noticed(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-3] ^= 1
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged, its checksum does not match"):
        load_policy(saved)


def test_another_contract_version_is_refused(saved: Path) -> None:
    rewrite(saved, contract_version="0", since_then="unknown")
    with pytest.raises(CheckpointError, match=r"contract version '0'.*uses '1'.*train anew"):
        load_policy(saved)


def test_another_task_is_refused(saved: Path) -> None:
    for load in (
        lambda: load_learner(saved, make_agent(), "connector/hdmi"),
        lambda: load_policy(saved, "connector/hdmi"),
    ):
        with pytest.raises(CheckpointError, match="task:=connector/vga"):
            load()


def test_other_sizes_are_refused_and_change_nothing(saved: Path) -> None:
    for agent in (
        make_agent(observation_dim=6),
        make_agent(action_dim=3),
        Agent(AgentConfig(hidden=(8, 9)), 5, 2, 1),
    ):
        before = agent.state_dict()
        with pytest.raises(CheckpointError, match=r"lengths|another agent's"):
            load_learner(saved, agent, TASK)
        assert all((before[name] == tensor).all() for name, tensor in agent.state_dict().items())


def test_sizes_that_the_weights_belie_are_refused(saved: Path) -> None:
    rewrite(saved, observation_dim=9)
    with pytest.raises(CheckpointError, match="takes 9 numbers"):
        load_policy(saved)


def test_a_policy_is_no_learner(tmp_path: Path) -> None:
    save_policy(tmp_path / "policy.safetensors", make_agent().policy, TASK, 3)
    with pytest.raises(CheckpointError, match="a policy but no critics"):
        load_learner(tmp_path / "policy.safetensors", make_agent(), TASK)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"No such file.*check the path"):
        load_policy(tmp_path / "none.safetensors")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    saved: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*free some space"):
        save_learner(saved, train(make_agent(), 5), TASK)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot write .*folder writable"):
        save_learner(tmp_path / "file" / "learner.safetensors", make_agent(), TASK)
