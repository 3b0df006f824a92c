# SPDX-License-Identifier: Apache-2.0
"""A step has one shape: what the actor made is what the record says and what the learner gets, field by field."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from rldg_core.poses import Pose
from rldg_core.vocabulary import ExecutedBy, Source
from rldg_msgs.msg import Step, Transition
from rldg_rl.episodes.step import (
    Belief,
    ControlStep,
    received_step,
    recorded_step,
    step_fields,
    step_message,
    stored_step,
    transition_fields,
    transition_message,
)
from rldg_rl.robot.observation import Observation

TRANSITION = (
    *("header", "run", "episode_id", "index", "observation", "action", "gripper_changed"),
    *("executed_by", "reward", "terminated", "truncated", "next_observation"),
    *("image_height", "image_width", "image", "next_image", "source"),
)
"""a field is only ever added at the end"""


def seen(stamp: int) -> Observation:
    rng = np.random.default_rng(stamp)
    image = rng.integers(0, 256, (4, 6, 3), np.uint8)
    return Observation(
        *(stamp, stamp + 1, Pose.identity(), rng.random(6), rng.random(6), 0.04),
        *(Pose.identity(), 0.0, 0.5, False, image),
    )


def step(last: bool) -> ControlStep:
    """Every value is another one than a message's default."""
    rng = np.random.default_rng(last)
    return ControlStep(
        episode_id="policy_00007",
        source=Source.POLICY,
        index=41,
        seen=seen(1_700_000_000_123_456_789),
        state=rng.random(31).astype(np.float32),
        action=rng.random(7).astype(np.float32),
        gripper_changed=True,
        handed_over=True,
        executed_by=ExecutedBy.INTERVENTION,
        belief=Belief(rng.random(6), rng.random(6), rng.random(6), 12),
        reward=1.0,
        terminated=last,
        truncated=False,
        after=seen(1_700_000_000_223_456_789),
        next_state=rng.random(31).astype(np.float32),
    )


def assert_same(found: object, wanted: object) -> None:
    for field in fields(wanted):  # type: ignore[arg-type]
        ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
        np.testing.assert_array_equal(ours, theirs, field.name)


@pytest.mark.parametrize("last", [False, True])
def test_the_record_gives_the_step_back(last: bool) -> None:
    original = step(last)
    wire = serialize_message(step_message(original, Step()))
    found = recorded_step(
        deserialize_message(wire, Step),
        original.source,
        (original.seen, original.after),
        (original.state, original.next_state),
        original.gripper_changed,
        original.handed_over,
    )
    assert_same(found, replace(original, belief=None))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("looks", [False, True])
def test_the_learner_gets_what_a_bag_gives(last: bool, looks: bool) -> None:
    original = step(last)
    wire = serialize_message(transition_message(original, Transition(), looks))
    found = received_step(deserialize_message(wire, Transition))
    assert_same(found, stored_step(original, looks))
    assert found.source == Source.POLICY
    assert (found.image is not None, found.next_image is not None) == (looks, looks and last)


def test_every_field_of_the_messages_is_filled() -> None:
    recorded = Step.get_fields_and_field_types()
    assert {*step_fields(step(False)), "header"} == {*recorded}
    sent = Transition.get_fields_and_field_types()
    assert {*transition_fields(stored_step(step(False))), "header", "run"} == {*sent}


def test_fields_are_only_added_at_the_end() -> None:
    assert tuple(Transition.get_fields_and_field_types())[: len(TRANSITION)] == TRANSITION


def test_a_step_without_a_policy_tells_of_no_belief() -> None:
    message = step_message(replace(step(False), belief=None), Step())
    assert not message.policy_mean and not message.policy_log_std and message.policy_version == 0
