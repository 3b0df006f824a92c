# SPDX-License-Identifier: Apache-2.0
"""The actor: runs episodes in the environment, with a policy or a person in control, and reports every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from rldg_core.message_values import SECOND
from rldg_core.task import Task
from rldg_core.twist_action import action_from_twist
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.inference import Health
from rldg_rl.acting.intervention import InterventionLatch
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import Belief, ControlStep
from rldg_rl.robot.observation import Observation
from rldg_robot.safety import excess


class Policy(ABC):
    """Whoever decides on actions."""

    instruction: str = ""
    """its instruction; empty: it needs none"""
    looks: bool = False
    """whether it looks at images"""
    led_in: bool = False
    """whether a person leads up to the task's hand-over; otherwise it does the whole task"""

    @property
    def health(self) -> Health | None:
        """How its model keeps up; None where it takes no time to speak of."""
        return None

    def begin(self, seen: Observation, seed: int) -> None:  # noqa: B027 - some remember and draw nothing
        """A new episode, its first observation, and the seed of all that is drawn in it."""

    @abstractmethod
    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """Decide, given what was measured, also as the task's state vector."""


class Hands(Protocol):
    """The SpaceMouse; see rldg_rl.acting.hands."""

    def begin(self, task: Task, seed: int) -> None:
        """A new episode."""

    def deflection(self, seen: Observation) -> np.ndarray:
        """(7,): six axes of base, then the buttons: -1 close the gripper, +1 open it, 0 neither."""


class HandsOff:
    """No person at the SpaceMouse."""

    def begin(self, task: Task, seed: int) -> None:
        """See `Hands`."""

    def deflection(self, seen: Observation) -> np.ndarray:
        """See `Hands`."""
        return np.zeros(7)


class Witness(Protocol):
    """Whoever must hear of every episode and step: recorder, learner, screen."""

    def opened(self, result: EpisodeResult) -> None:
        """An episode begins."""

    def before_step(self) -> None:
        """A step is about to begin; may wait, or raise to abort the episode."""

    def after_step(self, step: ControlStep) -> None:
        """A control step was executed."""

    def closed(self, result: EpisodeResult) -> None:
        """The episode is over."""


class EpisodeAborted(RuntimeError):
    """A part of the system failed or a person stopped it; the episode counts for nothing."""


class GateStop(RuntimeError):
    """The policy that is evaluated made the safety gate stop the arm; the episode counts as a failure."""


class Actor:
    """Runs one episode at a time."""

    def __init__(self, env: RobotEnv, hands: Hands, witness: Witness, helped: bool = True) -> None:
        """An actor for one task.

        Args:
            env: the robot at that task.
            hands: who demonstrates, leads in and helps.
            witness: who hears of it.
            helped: whether the hands may take over from a policy in episodes with the source `policy`.
        """
        self._env = env
        self._hands = hands
        self._witness = witness
        self._helped = helped
        self._latch = InterventionLatch()

    def run_episode(
        self,
        episode_id: str,
        source: str,
        seed: int,
        policy: Policy | None = None,
        deterministic: bool = False,
    ) -> EpisodeResult:
        """Live one episode. Without a policy a person leads throughout; with one that is led in, until the task's
        hand-over was reached once.

        Raises:
            EpisodeAborted or what the robot raised: the episode was closed as aborted first.
            ResetStalled: it never began.
        """
        result = EpisodeResult(episode_id, self._env.task, source, seed)
        view, reset = self._env.reset(seed=seed)
        result.reset_seconds = reset["seconds"]
        self._hands.begin(self._env.task, seed)
        self._latch.begin()
        if policy is not None:
            result.instruction = policy.instruction
            policy.begin(self._env.latest, seed)
        self._witness.opened(result)
        try:
            self._live(result, view["state"], policy, deterministic)
        except GateStop as stop:
            result.status, result.reason, result.stopped = EpisodeStatus.FAILURE, str(stop), True
        except Exception as error:
            result.status, result.reason = EpisodeStatus.ABORTED, str(error)
            raise
        finally:
            if result.status is EpisodeStatus.OPEN:  # not an Exception: Ctrl-C
                result.status, result.reason = EpisodeStatus.ABORTED, "interrupted"
            self._witness.closed(result)
        return result

    def _live(
        self,
        result: EpisodeResult,
        state: np.ndarray,
        policy: Policy | None,
        deterministic: bool,
    ) -> None:
        done = handed_over = False
        judged = result.source == Source.EVALUATION
        too_much = self._too_much(result)
        if judged and too_much:
            raise GateStop(too_much)
        while not done:
            seen = self._env.latest
            self._witness.before_step()
            handed_over = handed_over or seen.progress >= self._env.task.handover
            acts = policy is not None and (handed_over or not policy.led_in)
            belief = policy.act(seen, state, deterministic) if policy and acts else None
            action, executed_by = self._decide(result.source, seen, belief)
            view, reward, terminated, truncated, info = self._env.step(action)
            after = self._env.latest
            too_much = self._too_much(result)
            ends = judged and bool(too_much) and not terminated
            self._witness.after_step(
                ControlStep(
                    episode_id=result.episode_id,
                    source=result.source,
                    index=result.steps,
                    seen=seen,
                    state=state,
                    action=info["action"],
                    gripper_changed=info["gripper_changed"],
                    handed_over=handed_over,
                    executed_by=executed_by,
                    belief=belief,
                    reward=reward,
                    terminated=terminated,
                    truncated=truncated or ends,
                    after=after,
                    next_state=view["state"],
                )
            )
            result.steps += 1
            result.interventions += executed_by is ExecutedBy.INTERVENTION
            result.lead_in += policy is not None and belief is None
            result.seconds += (after.state_stamp - seen.state_stamp) / SECOND
            if ends:
                raise GateStop(too_much)
            done = terminated or truncated
            state = (self._env.look_again() if info["stood_still"] and not done else view)["state"]
        result.status = EpisodeStatus.SUCCESS if terminated else EpisodeStatus.FAILURE
        led_throughout = 0 < result.lead_in == result.steps
        in_time = " before the hand-over" if led_throughout else ""
        over = "a person gave it up" if info["given_up"] else "the time ran out"
        result.reason = "solved" if terminated else f"{over}{in_time}"

    def _too_much(self, result: EpisodeResult) -> str:
        """Why the gate stops the arm; judged here too, lest the outcome depend on when its message arrives."""
        too_much = excess(self._env.latest.wrench, self._env.task.wrench_limit)
        result.stopped = result.stopped or bool(too_much)
        return too_much

    def _decide(
        self, source: str, seen: Observation, belief: Belief | None
    ) -> tuple[np.ndarray, ExecutedBy]:
        """The action (7,) and its author: decided once per step."""
        if belief is not None and (source != Source.POLICY or not self._helped):
            return _with_gripper(belief.action), belief.author
        # where the task holds the gripper, its buttons take no control
        deflection = self._hands.deflection(seen)[: self._env.task.action_dim]
        if belief is None:
            self._latch.lead()
            return action_by_hand(deflection, seen), ExecutedBy.DEMONSTRATION
        if self._latch.decide(seen.state_stamp, deflection):
            return action_by_hand(deflection, seen), ExecutedBy.INTERVENTION
        return _with_gripper(belief.action), ExecutedBy.POLICY


def action_by_hand(deflection: np.ndarray, seen: Observation) -> np.ndarray:
    """The action (7,) float32 that a hand's deflection (6,) or (7,) asks for, see `Hands`."""
    motion = action_from_twist(deflection[:6], seen.pose.quaternion)
    return _with_gripper(np.append(motion, deflection[6:]))


def _with_gripper(action: np.ndarray) -> np.ndarray:
    """(7,) float32; a policy that does not learn the gripper leaves it to the environment."""
    full = np.zeros(7, np.float32)
    full[: len(action)] = action
    return full
