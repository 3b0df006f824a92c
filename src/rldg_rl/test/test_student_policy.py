# SPDX-License-Identifier: Apache-2.0
"""What a student is shown and asked, and what becomes of its answers."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from rldg_core.arm_spaces import ARM
from rldg_core.message_values import SECOND
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.messages import health_message
from rldg_rl.policies import student_policy
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.student_policy import StudentPolicy, check_cameras
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

TASK = load_task("connector/vga")
PATIENCE = 60.0
"""[s] of wall time for what takes none"""


class Model:
    """Answers with the number of its question in the first action of a chunk, in m, and counts up from there."""

    def __init__(self, window: int = 1, chunk: int = 3) -> None:
        self.config = SimpleNamespace(window=window, chunk=chunk)
        self.data = SimpleNamespace(control_rate=10.0, spaces=ARM)
        self.asked: list[tuple[object, str]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def act(self, sight: object, instruction: str) -> np.ndarray:
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        self.asked.append((sight, instruction))
        actions = np.zeros((self.config.chunk, 7), np.float32)
        actions[:, 0] = 0.001 * (len(self.asked) + np.arange(self.config.chunk) / 10)
        actions[:, 6] = 1.0
        return actions


@pytest.fixture
def seen() -> Observation:
    env = RobotEnv(DirectRobot(TASK), TASK)
    env.reset(seed=1)
    return env.latest


def later(seen: Observation, steps: int) -> Observation:
    return replace(seen, state_stamp=seen.state_stamp + steps * SECOND // 10)


def student(
    model: Model, execution: Execution | None = None, beside: bool = False
) -> StudentPolicy:
    return StudentPolicy(model, TASK, execution or Execution(), beside)  # type: ignore[arg-type]


def moved(policy: StudentPolicy, seen: Observation) -> float:
    """The first dimension of the action, in mm."""
    return float(policy.act(seen, np.zeros(28), False).action[0]) * 15.0


def test_actions_come_in_the_units_of_the_contract(seen: Observation) -> None:
    policy = student(Model())
    policy.begin(seen, 0)
    belief = policy.act(seen, np.zeros(28), False)
    assert belief.action == pytest.approx([1 / 15, 0, 0, 0, 0, 0, 1.0])
    assert belief.action.dtype == np.float32
    assert len(belief.mean) == len(belief.log_std) == 0, "it has no distribution to tell of"


def test_a_student_sees_its_history_and_hears_the_instruction(seen: Observation) -> None:
    model = Model(window=2)
    policy = student(model)
    policy.begin(seen, 0)
    for step in range(3):
        if step == 2:
            policy.instruction = "plug it in"
        moved(policy, replace(later(seen, step), image=np.full((128, 128, 3), step, np.uint8)))
    shown = [sight.images["image"][:, 0, 0, 0].tolist() for sight, _ in model.asked]
    assert shown == [[0], [0, 1], [1, 2]]
    assert [words for _, words in model.asked] == [TASK.instruction] * 2 + ["plug it in"]
    own = model.asked[0][0].state
    assert own.shape == (1, 19) and np.allclose(own[0, :6], 0), "relative to the reset pose"


def test_a_chunk_is_carried_out_as_far_as_asked_and_forgotten_with_its_episode(
    seen: Observation,
) -> None:
    model = Model()
    policy = student(model, Execution(horizon=3))
    policy.begin(seen, 0)
    assert [moved(policy, later(seen, step)) for step in range(4)] == pytest.approx(
        [1.0, 1.1, 1.2, 2.0]
    )
    policy.begin(seen, 0)
    assert moved(policy, seen) == pytest.approx(3.0)


def test_a_slow_model_blocks_no_step(seen: Observation, monkeypatch: pytest.MonkeyPatch) -> None:
    # However busy this machine is, an answer takes 0.1 s.
    clock = SimpleNamespace(monotonic=itertools.count(step=0.1).__next__)
    monkeypatch.setattr(student_policy, "time", clock)
    model = Model()
    model.go_on.clear()
    policy = student(model, beside=True)
    policy.begin(seen, 0)
    assert moved(policy, seen) == 0.0, "nothing is foreseen yet: the arm stays where it is"
    assert model.begun.wait(PATIENCE)
    model.go_on.set()
    end = time.monotonic() + PATIENCE
    while (found := moved(policy, later(seen, 2))) == 0.0:
        assert time.monotonic() < end
    assert min(abs(found - 1.2), abs(found - 2.0)) < 1e-5, (
        "step 2 of the chunk of step 0, or of a newer"
    )
    health = policy.health
    assert health.held >= 1 and health.reach == pytest.approx(0.3)
    assert health.latency is not None and health.latency.worst == pytest.approx(0.1)
    (status,) = health_message(health, stamp=0).status
    assert status.message == "the model keeps up"
    model.go_on.clear()
    policy.begin(seen, 0)
    assert moved(policy, seen) == 0.0, "what an earlier episode foresaw is not carried out"
    model.go_on.set()


def test_a_student_of_another_robot_is_refused() -> None:
    model = Model()
    model.data.control_rate = 5.0
    with pytest.raises(UserError, match=r"5 Hz, connector/vga at 10 Hz"):
        student(model)
    two_cameras = SimpleNamespace(image_sizes={"image": (128, 128), "front": (64, 64)})
    with pytest.raises(UserError, match="front"):
        check_cameras(two_cameras)  # type: ignore[arg-type]
