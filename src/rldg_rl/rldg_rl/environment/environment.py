# SPDX-License-Identifier: Apache-2.0
"""A Gymnasium environment over the robot contract: any body that offers the contract is driven by the same code."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rldg_core.gripper_command import CLOSE, LEAVE, command_after, command_at_start
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_rl.environment.reset_motion import bring_to_start
from rldg_rl.rewards.judge import Judge, TwinJudge, Verdict
from rldg_rl.robot.observation import LIMIT, Observation, state_dim, state_vector
from rldg_rl.robot.robot import Robot

GRIPPER_SECONDS = 0.6
"""[s] that a gripper has for what it was asked before it listens to anything else (HIL-SERL waits as long): a hand
cannot turn round at every step, and a policy that hesitates would never grasp"""


class RobotEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """One task on one robot.

    Action: (7,) in [-1, 1], see `Task.action_scale`. The seventh is the gripper: ignored where the task holds it
    closed, else rounded to -1 close, 0 leave it, +1 open; within GRIPPER_SECONDS after a change it is left.
    Observation: `state` (state_dim(task),) float32 and `image` (H, W, 3) uint8 RGB.
    Reward: 1 on success, which terminates; the task's horizon truncates.
    `info["action"]` holds the action as executed, `info["gripper_changed"]` whether it asked the gripper for something
    else than what held, `info["given_up"]` whether the judge ended the episode before its time was out,
    `info["stood_still"]` whether the robot then waited for the judge, so that one has to `look_again` before the next
    step; `latest` is what was measured last, with its stamps. Of a reset `info["seconds"]` is the robot time that the
    arm needed.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(
        self,
        robot: Robot,
        task: Task,
        image_size: int = 128,
        judge: Judge | None = None,
        moves: bool = False,
    ) -> None:
        """`judge` says when the task is done; by default the twin does. Where a reset `moves` the arm it is a motion
        through the gate, otherwise the driver puts the arm at its start.
        """
        self.robot = robot
        self.task = task
        self._moves = moves
        self._judge = judge or TwinJudge()
        self.action_space = spaces.Box(-1.0, 1.0, (7,), np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {
                "state": spaces.Box(-LIMIT, LIMIT, (state_dim(task),), np.float32),
                "image": spaces.Box(0, 255, (image_size, image_size, 3), np.uint8),
            }
        )
        self._steps = 0
        self._latest: Observation | None = None
        self._reset_pose: Pose | None = None
        self._gripper_command = CLOSE
        self._gripper_busy = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode; the same seed gives the same start.

        Raises:
            ResetStalled: the arm does not get there.
        """
        super().reset(seed=seed)
        start, seconds = int(self.np_random.integers(2**63)), 0.0
        if self._moves:
            began = self.robot.measure().state_stamp
            self._latest = bring_to_start(self.robot, self.task, start)
            seconds = (self._latest.state_stamp - began) / SECOND
        else:
            self._latest = self.robot.reset(start, self.task.id)
        self._reset_pose = self._latest.pose
        self._gripper_command = command_at_start(self._latest.gripper_width)
        self._steps = self._gripper_busy = 0
        self._judge.begin(self._latest)
        return self._view(), {"seconds": seconds}

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Carry out one control step."""
        executed = self.executable(action)
        changed = self._carry_out(executed)
        self._steps += 1
        last = self._steps >= self.task.horizon
        verdict = self._judge.verdict(self.latest, last)
        terminated, given_up = verdict is Verdict.DONE, verdict is Verdict.FAILED
        truncated = given_up or (last and not terminated)
        info = {
            "action": executed,
            "gripper_changed": changed,
            "given_up": given_up and not last,
            "stood_still": verdict is Verdict.RESUMES,
        }
        return self._view(), float(terminated), terminated, truncated, info

    def drive_on(self) -> None:
        """Be ready to `drive` from where the arm is, outside of any episode."""
        self._latest = self.robot.measure()
        self._gripper_command = command_at_start(self._latest.gripper_width)
        self._gripper_busy = 0

    def drive(self, action: np.ndarray) -> None:
        """Carry out one control step that belongs to no episode: it is not judged, and no time runs out."""
        self._carry_out(self.executable(action))

    def look_again(self) -> dict[str, np.ndarray]:
        """The observation of now: the last one is old after the robot stood still, unless time did, too."""
        judged = self.latest.state_stamp
        self._latest = self.robot.observe(after=judged - int(SECOND * self.task.period))
        return self._view()

    @property
    def latest(self) -> Observation:
        """What was measured last."""
        assert self._latest is not None, "call reset first"
        return self._latest

    def executable(self, action: np.ndarray) -> np.ndarray:
        """The action (7,) float32 as it will be executed: clipped, and the gripper as the task wants it and can."""
        executed = np.clip(np.asarray(action, np.float32), -1.0, 1.0)
        free = LEAVE if self._gripper_busy else np.round(executed[6])
        executed[6] = free if self.task.learns_gripper else CLOSE
        return executed

    def target(self, action: np.ndarray) -> Pose:
        """TCP pose in base that an action (7,) asks for: the measured pose moved by the scaled action, in its frame."""
        scale = self.task.action_scale
        return self.latest.pose @ Pose.from_rotvec(
            action[:3].astype(float) * scale.translation, action[3:6].astype(float) * scale.rotation
        )

    def _carry_out(self, executed: np.ndarray) -> bool:
        """Act, and see what comes of it; whether the gripper was asked for something else than what held."""
        before, command_before = self.latest, self._gripper_command
        self._gripper_command = command_after(command_before, float(executed[6]))
        self.robot.act(self.target(executed), float(executed[6]), before.state_stamp)
        self._latest = self.robot.observe(after=before.state_stamp)
        changed = self._gripper_command != command_before
        pause = round(GRIPPER_SECONDS * self.task.control_rate)
        self._gripper_busy = pause - 1 if changed else max(self._gripper_busy - 1, 0)
        return changed

    def render(self) -> np.ndarray:
        """The wrist image (H, W, 3) uint8."""
        return self.latest.image

    def _view(self) -> dict[str, np.ndarray]:
        assert self._reset_pose is not None
        return {
            "state": state_vector(self.latest, self._reset_pose, self.task, self._gripper_command),
            "image": self.latest.image,
        }
