# SPDX-License-Identifier: Apache-2.0
"""Dead-band and release delay of the SpaceMouse."""

from __future__ import annotations

import numpy as np

from rldg_core.message_values import SECOND
from rldg_rl.acting.intervention import InterventionConfig, InterventionLatch

TENTH = SECOND // 10
PUSH, DRIFT, OFF = np.full(6, 0.3), np.full(6, 0.01), np.zeros(6)


def test_drift_is_no_intervention() -> None:
    latch = InterventionLatch()
    assert not any(latch.decide(i * TENTH, DRIFT) for i in range(20))


def test_a_short_release_does_not_end_an_intervention() -> None:
    latch = InterventionLatch(InterventionConfig(release_delay=0.3))
    hands = [PUSH, OFF, OFF, PUSH, OFF, OFF, OFF, OFF, OFF]
    decided = [latch.decide(i * TENTH, hand) for i, hand in enumerate(hands)]
    assert decided == [True] * 7 + [False] * 2


def test_a_hand_that_led_anyway_is_no_intervention_until_it_was_off() -> None:
    latch = InterventionLatch()
    latch.lead()
    hands = [PUSH, PUSH, OFF, OFF, PUSH, OFF]
    decided = [latch.decide(i * TENTH, hand) for i, hand in enumerate(hands)]
    assert decided == [False] * 4 + [True] * 2


def test_a_new_episode_begins_without_an_intervention() -> None:
    latch = InterventionLatch()
    latch.decide(0, PUSH)
    latch.begin()
    assert not latch.decide(TENTH, OFF)
