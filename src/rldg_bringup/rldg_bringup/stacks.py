# SPDX-License-Identifier: Apache-2.0
"""Stacks: which arguments and nodes one launch has, described once for both ways to start them.

`launch/<stack>.launch.py` hands a stack's nodes to `launch_ros`; the stack runner starts the same
nodes where no `launch` is installed. This module is data and imports nothing of ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rldg_bringup import nodes
from rldg_bringup.arguments import (
    Argument,
    Resume,
    matching,
    several,
    something,
    whole,
)
from rldg_bringup.bodies import BODY, OWN_BODY
from rldg_bringup.cameras import CAMERA, CAMERAS
from rldg_bringup.common_arguments import (
    BAG,
    BUFFER,
    BY_STUDENT,
    CLASSIFIER,
    DEMOS,
    DETERMINISTIC,
    ENCODER,
    ENSEMBLE,
    EPISODES,
    EVALUATION,
    EXECUTE,
    EXECUTED,
    INIT,
    LOOP,
    NAME,
    OBSERVATION,
    OWN_TRANSPORT,
    PERTURB,
    POLICY,
    PRIOR,
    RANDOMIZE,
    RATE,
    RAY,
    REAL_TIME_FACTOR,
    REPLAN,
    RESETS,
    REWARD,
    REWARDING,
    RUNS,
    SEED,
    STEPS,
    TASK,
    TRANSPORT,
    VIDEO,
    VIEWER,
    WORKERS,
)
from rldg_bringup.leaders import leaders, located, named_policy, own_policy
from rldg_bringup.machines import MACHINE, STUDENTS_MACHINE
from rldg_bringup.operators import DEVICES, HANDS, OPERATOR, of_source
from rldg_bringup.recorded import recorded
from rldg_bringup.stack import Stack

STACKS: Mapping[str, Stack] = {
    stack.name: stack
    for stack in (
        Stack(
            "train_rl",
            "A specialist learns a task: demonstrations, training, evaluation.",
            (
                *(TASK, NAME, SEED, DEMOS, STEPS, OPERATOR, *DEVICES, *OWN_BODY, RESETS),
                OWN_TRANSPORT,
                *(OBSERVATION, ENCODER, BUFFER, *REWARDING, INIT, PRIOR),
                *(VIEWER, REAL_TIME_FACTOR, EPISODES, VIDEO, RUNS, RANDOMIZE, *CAMERAS, MACHINE),
            ),
            nodes.train_rl,
            makes_run=True,
        ),
        Stack(
            "evaluate",
            "A trained policy, specialist or student, is evaluated.",
            (
                replace(NAME, description="Name of the run whose policy is evaluated."),
                replace(
                    POLICY,
                    description="The same run, by its name or its folder: give this or name:=.",
                ),
                replace(
                    TASK,
                    default="",
                    description="Tasks: family/variant, family, family/seen or family/unseen; several with commas. "
                    "Empty: the run's own.",
                    parse=matching(
                        r"|\w+(/\w+)?(,\w+(/\w+)?)*",
                        "family/variant such as connector/vga, family, family/seen or family/unseen, with commas",
                    ),
                    resume=Resume.KEPT,
                ),
                replace(
                    EPISODES, description="Evaluation episodes of every task.", resume=Resume.NEW
                ),
                replace(SEED, description="Seed of the episodes.", resume=Resume.NEW),
                *(TRANSPORT, WORKERS, RAY, EVALUATION),
                *(DETERMINISTIC, REPLAN, ENSEMBLE, *BODY, VIEWER),
                *(REAL_TIME_FACTOR, RUNS, replace(RANDOMIZE, resume=Resume.NEW), PERTURB),
                *(
                    replace(argument, resume=Resume.NEW)
                    for argument in (*REWARDING, RESETS, VIDEO, CAMERA)
                ),
                *(replace(argument, resume=Resume.KEPT) for argument in CAMERAS[1:]),
                STUDENTS_MACHINE,
            ),
            nodes.evaluate,
            makes_run=False,
            complete=own_policy,
            locate=located,
        ),
        Stack(
            "policy",
            "A trained policy, specialist or student, controls the robot until it is stopped.",
            (
                replace(POLICY, default=None, parse=something),
                replace(
                    TASK,
                    default="",
                    description="Task, family/variant. Empty: the one that a specialist was trained on.",
                    parse=matching(r"|\w+/\w+", "family/variant, such as connector/vga"),
                ),
                Argument(
                    "instruction",
                    "",
                    "The student's instruction, in words. Empty: the task's own. Later: the topic policy/instruction.",
                    needs=(BY_STUDENT,),
                ),
                replace(
                    EPISODES,
                    default="0",
                    description="Episodes; 0: until it is stopped.",
                    parse=whole(0),
                ),
                *(SEED, DETERMINISTIC, REPLAN, ENSEMBLE, *BODY, VIEWER),
                replace(REAL_TIME_FACTOR, default="1"),
                *(VIDEO, RUNS, RANDOMIZE, RESETS, *CAMERAS, STUDENTS_MACHINE),
            ),
            nodes.policy,
            makes_run=False,
            complete=named_policy,
            label="rollouts/{student}",
        ),
        Stack(
            "collect",
            "Episodes are gathered for a dataset: of a policy, or of a person.",
            (
                replace(POLICY, resume=Resume.FIXED),
                Argument(
                    "policies",
                    "",
                    "For an even mix of tasks, each with its own specialist: family/variant=<run>,…",
                    parse=several,
                    resume=Resume.FIXED,
                ),
                replace(EPISODES, default="50", description="Episodes to gather."),
                Argument(
                    "status",
                    "success",
                    "Which episodes count; success: those that succeeded; all: of any outcome.",
                    choices=("success", "all"),
                    resume=Resume.FIXED,
                ),
                Argument(
                    "source",
                    "policy",
                    "Who acts: a trained policy, the script that plays a person, or a person with a device.",
                    choices=("policy", "operator", *HANDS),
                    resume=Resume.FIXED,
                ),
                replace(
                    TASK,
                    default="",
                    description="Task, family/variant; several with commas. Empty: the policy's own.",
                    parse=matching(r"|\w+/\w+(,\w+/\w+)*", "family/variant, such as connector/vga"),
                ),
                replace(
                    NAME,
                    description="Name of the collection. Empty: made from tasks and time. An earlier one's resumes it.",
                ),
                *(of_source(device) for device in DEVICES),
                *(OWN_TRANSPORT, WORKERS),
                *(SEED, DETERMINISTIC, REPLAN, ENSEMBLE, *OWN_BODY, VIEWER),
                *(REAL_TIME_FACTOR, VIDEO, RUNS, RANDOMIZE, RESETS, *REWARDING, *CAMERAS),
            ),
            nodes.collect,
            makes_run=True,
            complete=leaders,
            label="collect_{tasks}",
        ),
        Stack(
            "label",
            "A person does the task and says when it is done, for a reward classifier to learn from.",
            (
                *(TASK, NAME, SEED, replace(OPERATOR, choices=("scripted", *HANDS)), *DEVICES),
                replace(EPISODES, description="Episodes in which it was done."),
                *(*OWN_BODY, VIEWER, REAL_TIME_FACTOR, VIDEO, RUNS, RANDOMIZE, RESETS, *CAMERAS),
            ),
            nodes.label,
            makes_run=True,
            label="label_{task}",
        ),
        Stack(
            "teleop",
            "A person drives the robot, and records episodes when they want to.",
            (
                *(TASK, NAME, SEED),
                replace(
                    OPERATOR,
                    default="keyboard",
                    description="With what the person drives; keyboard: at ./rldg run rldg_robot keyboard_teleop.",
                    choices=HANDS,
                ),
                *DEVICES,
                replace(
                    EPISODES,
                    default="0",
                    description="Successful episodes to record, then it ends; 0: until it is stopped.",
                    parse=whole(0),
                ),
                *(REWARD, CLASSIFIER, *OWN_BODY, replace(VIEWER, default="true")),
                *(REAL_TIME_FACTOR, VIDEO, RUNS, RANDOMIZE, RESETS, *CAMERAS),
            ),
            nodes.teleop,
            makes_run=True,
            label="teleop_{task}",
        ),
        Stack(
            "camera",
            "A real wrist camera alone: to aim it, and to see whether its images arrive.",
            (replace(CAMERA, default="realsense", choices=CAMERA.choices[1:]), *CAMERAS[1:], RUNS),
            nodes.camera,
            makes_run=False,
            label="camera",
        ),
        Stack(
            "replay",
            "A bag is played, or executed on the robot again.",
            (
                *(BAG, RATE, LOOP, EXECUTE),
                *(replace(argument, needs=(EXECUTED, *argument.needs)) for argument in BODY),
                VIEWER,
                *(
                    replace(argument, needs=(EXECUTED, *argument.needs))
                    for argument in (REAL_TIME_FACTOR, RANDOMIZE)
                ),
                RUNS,
            ),
            nodes.replay,
            makes_run=False,
            complete=recorded,
            label="replays/{recording}",
        ),
        Stack(
            "doctor",
            "Machine, arm, camera and gate are examined before anything moves: what is wrong, and what to do.",
            (TASK, *BODY, *CAMERAS, RUNS),
            nodes.doctor,
            makes_run=False,
            label="checkups/{task}",
        ),
    )
}
