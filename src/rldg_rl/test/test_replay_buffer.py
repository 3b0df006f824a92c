# SPDX-License-Identifier: Apache-2.0
"""Only transitions that happened come out of the replay buffer, each frame stored once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldg_core.vocabulary import ExecutedBy
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep

ACTION_DIM = 2


def frame(episode: int, index: int) -> np.ndarray:
    """A frame that says which one it is."""
    return np.array([episode, index], np.float32)


def author(episode: int, index: int) -> int:
    """Every third episode is a demonstration; the others have interventions in between."""
    if episode % 3 == 0:
        return ExecutedBy.DEMONSTRATION
    return ExecutedBy.INTERVENTION if (index // 3) % 2 else ExecutedBy.POLICY


def episode_steps(episode: int, length: int, terminated: bool) -> list[StoredStep]:
    """A whole episode; the reward is the index, the last step ends it."""
    return [
        StoredStep(
            episode_id=f"e{episode}",
            index=index,
            observation=frame(episode, index),
            action=np.full(ACTION_DIM, index, np.float32),
            executed_by=author(episode, index),
            reward=float(index),
            terminated=terminated and index == length - 1,
            truncated=not terminated and index == length - 1,
            next_observation=frame(episode, length) if index == length - 1 else None,
        )
        for index in range(length)
    ]


def fill(buffer: ReplayBuffer, steps: list[StoredStep]) -> None:
    """Adds steps that are all new."""
    for step in steps:
        assert buffer.add(step)


def everything(buffer: ReplayBuffer, demo_fraction: float) -> TransitionBatch:
    """So many draws that every transition is among them."""
    return buffer.sample(2000, np.random.default_rng(0), demo_fraction)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[StoredStep], dict[str, int], dict[str, bool]]:
    """Episodes with lost, repeated and late steps, and each one's length and end."""
    stream, lengths, ends = [], {}, {}
    for episode in range(draw(st.integers(1, 6))):
        length, terminated = draw(st.integers(1, 12)), draw(st.booleans())
        steps = episode_steps(episode, length, terminated)
        lengths[f"e{episode}"], ends[f"e{episode}"] = length, terminated
        kept = draw(st.lists(st.booleans(), min_size=length, max_size=length))
        stream += [step for step, keep in zip(steps, kept, strict=True) if keep]
    for _ in range(draw(st.integers(0, 8)) if stream else 0):
        again = stream[draw(st.integers(0, len(stream) - 1))]
        stream.insert(draw(st.integers(0, len(stream))), again)
    return stream, lengths, ends


@settings(max_examples=150, deadline=None)
@given(streams(), st.integers(2, 60), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_sampled_pair_happened(
    made: tuple[list[StoredStep], dict[str, int], dict[str, bool]],
    capacity: int,
    demo_fraction: float,
) -> None:
    stream, lengths, ends = made
    buffer = ReplayBuffer(capacity, 2, ACTION_DIM)
    for step in stream:
        buffer.add(step)
    stored = {tuple(buffer.observations[slot]) for slot in range(buffer.frames)}
    assert buffer.frames <= capacity
    assert len(stored) == buffer.frames, "a frame is stored twice"
    if not buffer.online_size + buffer.demo_size:
        return

    batch = everything(buffer, demo_fraction)
    for now, after, action, reward, mask in zip(
        *(batch.observation, batch.next_observation, batch.action, batch.reward, batch.mask),
        strict=True,
    ):
        (episode, index), name = now.astype(int), f"e{int(now[0])}"
        last = index == lengths[name] - 1
        assert mask == (0.0 if last and ends[name] else 1.0)
        assert tuple(after) == (episode, index + 1)
        assert reward == index
        assert (action == index).all()
    authors = [author(*now.astype(int)) for now in batch.observation]
    demos = round(len(authors) * demo_fraction) if buffer.demo_size else 0
    demos = demos if buffer.online_size else len(authors)
    assert all(who != ExecutedBy.POLICY for who in authors[:demos])
    assert all(who != ExecutedBy.DEMONSTRATION for who in authors[demos:])


@settings(max_examples=50, deadline=None)
@given(streams(), st.integers(2, 60))
def test_sizes_count_what_can_be_drawn(
    made: tuple[list[StoredStep], dict[str, int], dict[str, bool]], capacity: int
) -> None:
    buffer = ReplayBuffer(capacity, 2, ACTION_DIM)
    for step in made[0]:
        buffer.add(step)
    for fraction, size, other in (
        (1.0, buffer.demo_size, buffer.online_size),
        (0.0, buffer.online_size, buffer.demo_size),
    ):
        if size and other:
            drawn = {tuple(now) for now in everything(buffer, fraction).observation}
            assert len(drawn) == size


def test_without_loss_all_but_the_step_in_flight_is_there() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    fill(buffer, episode_steps(1, 10, True))
    fill(buffer, episode_steps(2, 10, True)[:4])
    assert buffer.online_size == 10 + 3
    assert buffer.frames == 11 + 4
    assert buffer.steps_received == 14


def test_the_old_makes_room() -> None:
    buffer = ReplayBuffer(25, 2, ACTION_DIM)
    for episode in range(1, 9):
        fill(buffer, episode_steps(3 * episode + 1, 10, True))
    assert buffer.frames == 25
    assert buffer.online_size == 22  # two episodes and a bit; three ends have no action
    assert set(everything(buffer, 0.0).observation[:, 0]) == {19, 22, 25}


def test_a_gap_divides_an_episode_until_it_is_filled() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    steps = episode_steps(1, 6, True)
    fill(buffer, steps[:2] + steps[3:])
    assert buffer.online_size == 1 + 3
    fill(buffer, [steps[2]])
    assert buffer.online_size == 6


def test_a_repeated_step_changes_nothing() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    steps = episode_steps(1, 6, True)
    fill(buffer, steps)
    assert not any(buffer.add(replace(step, reward=9.0)) for step in steps)
    assert (buffer.frames, buffer.steps_received) == (7, 6)
    assert everything(buffer, 0.0).reward.max() == 5


def test_an_interleaved_episode_is_kept_apart() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    for pair in zip(episode_steps(1, 5, True), episode_steps(2, 5, False), strict=True):
        fill(buffer, list(pair))
    batch = everything(buffer, 0.0)
    assert (batch.observation[:, 0] == batch.next_observation[:, 0]).all()
    assert buffer.online_size == 10


def test_a_terminated_step_needs_no_next_observation_and_a_truncated_one_does() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    fill(buffer, [replace(episode_steps(1, 1, True)[0], next_observation=None)])
    assert everything(buffer, 0.0).mask.max() == 0.0
    fill(buffer, [replace(episode_steps(2, 1, False)[0], next_observation=None)])
    assert buffer.online_size == 1


def test_one_empty_half_is_made_up_for_by_the_other() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    fill(buffer, episode_steps(0, 5, True))
    assert (everything(buffer, 0.5).observation[:, 0] == 0).all()
    fill(buffer, episode_steps(1, 3, True))  # too short for an intervention
    batch = everything(buffer, 0.5)
    assert (batch.observation[:1000, 0] == 0).all()
    assert (batch.observation[1000:, 0] == 1).all()


def test_sampling_is_seeded_float32_and_uniform() -> None:
    buffer = ReplayBuffer(100, 2, ACTION_DIM)
    fill(buffer, episode_steps(1, 20, True))
    first, second = (buffer.sample(64, np.random.default_rng(3)) for _ in range(2))
    for name, array in vars(first).items():
        if "image" in name:
            assert array is None, "it keeps none"
            continue
        assert array.dtype == np.float32
        assert (array == getattr(second, name)).all()
    drawn = buffer.sample(20_000, np.random.default_rng(0), 0.0).observation[:, 1].astype(int)
    assert abs(np.bincount(drawn) - 1000).max() < 200


def test_errors_name_cause_and_fix() -> None:
    buffer = ReplayBuffer(10, 2, ACTION_DIM)
    with pytest.raises(ValueError, match="nothing to draw: of 0 steps"):
        buffer.sample(4, np.random.default_rng(0))
    step = episode_steps(1, 1, True)[0]
    for broken in ({"observation": np.zeros(3)}, {"action": np.zeros(7)}):
        with pytest.raises(ValueError, match=f"{next(iter(broken))} of shape"):
            buffer.add(replace(step, **broken))
    with pytest.raises(ValueError, match="use 2 or more"):
        ReplayBuffer(1, 2, ACTION_DIM)
    assert buffer.frames == 0
