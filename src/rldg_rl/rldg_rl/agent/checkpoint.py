# SPDX-License-Identifier: Apache-2.0
"""Weights on disk and on the wire: safetensors that say what they are, never pickle.

A learner's checkpoint holds all that `Agent.state_dict` gives; a policy's holds `policy.<name>`
only, so that a policy can be read from either. The metadata says which contract version, task and
sizes the weights belong to, and loading checks it. Nothing here imports torch: an actor needs none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from rldg_core.contract import CONTRACT_VERSION
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import FormatError, parse_json, typed
from rldg_core.files.versioned import version_of
from rldg_core.space import Spaces
from rldg_core.user_error import UserError
from rldg_rl.agent.policy import ENCODER, GaussianPolicy

if TYPE_CHECKING:
    from rldg_rl.agent.agent import Agent

_POLICY = "policy."


class CheckpointError(UserError):
    """A checkpoint could not be written or read; the message names cause and fix."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a set of weights is."""

    task: str
    """task id, e.g. connector/vga"""
    observation_dim: int
    """length of the observation that the policy takes"""
    action_dim: int
    """length of the action that it gives"""
    updates: int
    """critic updates so far"""
    transitions: int = 0
    """steps received so far"""
    config: dict[str, Any] = field(default_factory=dict)
    """the agent's hyper-parameters; empty with a policy alone"""
    contract_version: str = CONTRACT_VERSION
    """CONTRACT_VERSION when they were written"""
    spaces: Spaces | None = None
    """of actions and observations; files of version 0.1.0 have none"""

    def __post_init__(self) -> None:
        if min(self.observation_dim, self.action_dim, self.updates, self.transitions) < 0:
            raise ValueError("a number below 0")


@dataclass(frozen=True)
class _Metadata:
    """Of the header."""

    info: str
    """a `CheckpointInfo` as JSON"""
    checksum: str


def save_learner(
    path: Path, agent: Agent, task: str, transitions: int = 0, spaces: Spaces | None = None
) -> None:
    """Writes all that the agent's next updates depend on.

    Atomic: after a crash the old or the new file is there, whole. Raises CheckpointError when the
    file cannot be written; the old one is then untouched.
    """
    sizes = (agent.observation_dim, agent.action_dim)
    config = asdict(agent.config)
    info = CheckpointInfo(task, *sizes, agent.updates, transitions, config, spaces=spaces)
    _write(Path(path), _pack(agent.state_dict(), info))


def load_learner(
    path: Path, agent: Agent, task: str | None, spaces: Spaces | None = None
) -> CheckpointInfo:
    """Puts what `save_learner` wrote into an agent of the same sizes, which goes on from there.

    `task`: the id it must have been trained for; None takes any. `spaces`: what its numbers must mean, where the
    file says it.

    Raises CheckpointError when the file is missing, damaged, of another contract version, task or
    size, or holds a policy only; the agent is then unchanged.
    """
    state, info = _unpack(open_weights(Path(path)), str(path), task)
    found = (info.observation_dim, info.action_dim)
    wanted = (agent.observation_dim, agent.action_dim)
    if found != wanted:
        raise CheckpointError(
            f"{path} has observations and actions of lengths {found}, this run has {wanted}: "
            "start it with the observation that it was trained with, or under another name"
        )
    check_spaces(info, spaces, str(path))
    if "generator" not in state:
        raise CheckpointError(
            f"{path} holds a policy but no critics: give a learner's checkpoint, "
            "or start a new run under another name"
        )
    try:
        agent.load_state_dict(state)
    except ValueError as error:
        raise CheckpointError(f"{path} does not fit this agent: {error}") from error
    return info


def check_spaces(info: CheckpointInfo, wanted: Spaces | None, source: str) -> None:
    """Compares what the numbers of weights mean with what they must. Raises CheckpointError where they differ.

    Files of version 0.1.0 do not say it, and pass.
    """
    if info.spaces and wanted and (differs := wanted.difference(info.spaces)):
        raise CheckpointError(
            f"{source} is of another space: {differs}: it was trained for another kind of task or observation"
        )


def save_policy(
    path: Path, policy: GaussianPolicy, task: str, updates: int, spaces: Spaces | None = None
) -> None:
    """Writes a policy alone, as atomically as `save_learner`. Raises CheckpointError."""
    _write(Path(path), policy_to_bytes(policy, task, updates, spaces=spaces))


def load_policy(
    path: Path, task: str | None = None, rng: np.random.Generator | None = None
) -> tuple[GaussianPolicy, int]:
    """The policy in a policy's or a learner's file, and the update count it is from.

    See `policy_from_bytes`.
    """
    return _policy(open_weights(Path(path)), str(path), task, rng)


def policy_to_bytes(
    policy: GaussianPolicy,
    task: str,
    updates: int,
    encoder: bool = True,
    spaces: Spaces | None = None,
) -> bytes:
    """A policy from update number `updates`; without its encoder as it is sent to an actor, which has that already."""
    sizes = (policy.observation_dim, policy.action_dim)
    info = CheckpointInfo(task, *sizes, updates, spaces=spaces)
    tensors = policy.tensors.items()
    return _pack({_POLICY + n: t for n, t in tensors if encoder or not n.startswith(ENCODER)}, info)


def encoder_to_bytes(policy: GaussianPolicy, task: str, updates: int) -> bytes:
    """A policy's encoder alone, as it is sent to an actor."""
    info = CheckpointInfo(task, policy.observation_dim, policy.action_dim, updates)
    return _pack(policy.encoder, info)


def encoder_from_bytes(data: bytes, task: str) -> dict[str, np.ndarray]:
    """Reads what `encoder_to_bytes` gave. Raises CheckpointError like `policy_from_bytes`."""
    weights, _ = _unpack(data, "the received encoder", task)
    return weights


def policy_from_bytes(
    data: bytes, task: str | None = None, rng: np.random.Generator | None = None
) -> tuple[GaussianPolicy, int]:
    """Reads what `policy_to_bytes` gave: the policy, and the update count it is from.

    `task`: the id it must have been trained for; None takes any. `rng`: draws the policy's noise.
    Raises CheckpointError when the data are damaged, of another contract version or task, or hold
    a number that is none.
    """
    return _policy(data, "the received policy", task, rng)


def describe_weights(data: bytes) -> CheckpointInfo:
    """What `policy_to_bytes` wrote beside the weights. Raises CheckpointError like `policy_from_bytes`."""
    return _unpack(data, "the received policy", None)[1]


def _policy(
    data: bytes, source: str, task: str | None, rng: np.random.Generator | None
) -> tuple[GaussianPolicy, int]:
    state, info = _unpack(data, source, task)
    tensors = {n.removeprefix(_POLICY): t for n, t in state.items() if n.startswith(_POLICY)}
    try:
        policy = GaussianPolicy(tensors, rng)
    except ValueError as error:
        raise CheckpointError(f"{source} holds no usable policy: {error}") from error
    sizes = (policy.observation_dim, policy.action_dim)
    if sizes != (info.observation_dim, info.action_dim):
        raise CheckpointError(
            f"{source} says it takes {info.observation_dim} numbers and gives {info.action_dim}, "
            f"its weights say {sizes}: it was not written by this program, use another file"
        )
    return policy, info.updates


def _pack(state: Mapping[str, np.ndarray], info: CheckpointInfo) -> bytes:
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in state.items()}
    # safetensors notices a file cut short, not one whose bytes changed
    metadata = {"info": json.dumps(asdict(info)), "checksum": _checksum(tensors)}
    return bytes(safetensors.numpy.save(tensors, metadata))


def _unpack(
    data: bytes, source: str, task: str | None
) -> tuple[dict[str, np.ndarray], CheckpointInfo]:
    try:
        state = safetensors.numpy.load(data)
        header = data[8 : 8 + int.from_bytes(data[:8], "little")]
        stored = parse_json(header, dict[str, Any], "its header").get("__metadata__")
        metadata = typed(stored, _Metadata, "its header")
        fields = parse_json(metadata.info, dict[str, Any], "its header")
        version = version_of(fields, "its header")
        info = typed(fields, CheckpointInfo, "its header") if version == CONTRACT_VERSION else None
    except (
        *(SafetensorError, FormatError, ValueError, LookupError),
        *(TypeError, AttributeError, OverflowError),
    ) as error:
        raise CheckpointError(
            f"{source} is cut short or not a checkpoint ({error}): take an older checkpoint, or "
            "delete it to start afresh"
        ) from error
    # the version first: another version may have other fields
    if info is None:
        raise CheckpointError(
            f"{source} was written under contract version {version!r}, this program uses "
            f"{CONTRACT_VERSION!r}: its actions and observations mean something else; train anew "
            "or run it with the program that wrote it"
        )
    if metadata.checksum != _checksum(state):
        raise CheckpointError(
            f"{source} is damaged, its checksum does not match: take an older checkpoint, or "
            "delete it to start afresh"
        )
    for name, tensor in state.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise CheckpointError(
                f"{source} holds NaN or infinite numbers, in {name}: its training had failed; take an older "
                "checkpoint, or train anew under another name"
            )
    if task is not None and info.task != task:
        raise CheckpointError(
            f"{source} was trained for task {info.task!r}, this run is {task!r}: start it with "
            f"task:={info.task}, or train a new one under another name"
        )
    return state, info


def _checksum(state: Mapping[str, np.ndarray]) -> str:
    checksum = 0
    for name in sorted(state):
        checksum = zlib.crc32(state[name].tobytes(), checksum)
    return f"{checksum:08x}"


def open_weights(path: Path) -> bytes:
    """What a file of weights holds, unread. Raises CheckpointError when it cannot be opened."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is no file: give a policy's or a learner's checkpoint")
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path} ({error.strerror}): check the path and its permissions"
        ) from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path} ({error.strerror}), {len(data) / 1e6:.1f} MB: free some space "
            "or make the folder writable; the run resumes when it is started again"
        ) from error
