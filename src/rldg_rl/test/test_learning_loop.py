# SPDX-License-Identifier: Apache-2.0
"""When a learner updates, publishes, saves and logs."""

from __future__ import annotations

import numpy as np
from logged import Clock, Logged
from test_beginning import VGA, new_learner

from rldg_core.vocabulary import Source
from rldg_rl.agent.learner import PATIENCE, Arrivals
from rldg_rl.agent.learning_loop import SAVE_AFTER, LearningLoop
from rldg_rl.episodes.step import StoredStep
from rldg_rl.robot.observation import state_dim


class Heard:
    """Implements `learning_loop.Outlet`; no message takes any time."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def publish_weights(self) -> None:
        self.did.append("weights")

    def save(self) -> None:
        self.did.append("saved")

    def log_metrics(self) -> None:
        self.did.append("logged")

    def take_in_missing(self) -> None:
        self.did.append("fetched")

    def handle_message(self, seconds: float) -> None:
        pass

    def since(self) -> list[str]:
        did, self.did = self.did, []
        return did


class Bench:
    """A learner at work, and what comes of it."""

    def __init__(self) -> None:
        self.clock, self.outlet, self.learner = Clock(), Heard(), new_learner()
        arrivals = Arrivals(self.learner, None, VGA, Logged(), print, self.clock)
        arrivals.begin()
        self.loop = LearningLoop(self.learner, arrivals, self.outlet, self.clock)
        self.loop.publish()
        assert self.outlet.since() == ["weights"]

    def live(self, steps: int) -> None:
        state, action = np.zeros(state_dim(VGA), np.float32), np.zeros(VGA.action_dim, np.float32)
        for index in range(self.learner.policy_steps, self.learner.policy_steps + steps):
            self.learner.take_in(
                StoredStep("policy_00000", index, state, action, 0, 0.0, source=Source.POLICY)
            )

    def round(self, executed: int = 0) -> list[str]:
        self.loop.round(executed)
        return self.outlet.since()


def test_a_round_does_the_updates_of_one_step_and_the_last_one_hands_out_the_weights() -> None:
    bench = Bench()
    bench.live(5)
    for done in range(1, 6):
        assert bench.round() == [] and bench.learner.updates == 2 * done
    assert bench.round() == ["weights"] and bench.learner.updates == 10
    assert bench.round() == []


def test_it_saves_once_it_has_been_idle_for_a_moment() -> None:
    bench = Bench()
    bench.live(3)
    did = [bench.round() for _ in range(4)]
    assert did == [[], [], [], ["weights"]]
    bench.clock.wait(SAVE_AFTER / 2)
    assert bench.round() == []
    bench.clock.wait(SAVE_AFTER)
    assert bench.round() == ["saved"] and bench.round() == []
    bench.loop.save_if_new()
    assert bench.outlet.since() == [], "nothing is new"


def test_in_the_midst_of_work_weights_and_metrics_go_out_every_so_often() -> None:
    bench = Bench()
    bench.live(200)
    did = {2 * done: what for done in range(1, 76) if (what := bench.round())}
    assert did == {50: ["weights"], 100: ["weights", "logged"], 150: ["weights"]}


def test_steps_that_never_arrived_are_looked_for_once() -> None:
    bench = Bench()
    bench.clock.wait(PATIENCE + 1)
    assert bench.round(executed=0)[-1:] != ["fetched"]
    assert bench.round(executed=1) == ["fetched"]
    assert bench.round(executed=1) == [], "it waits before it looks again"
