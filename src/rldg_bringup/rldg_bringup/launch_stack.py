# SPDX-License-Identifier: Apache-2.0
"""A stack for `ros2 launch`: the same nodes as the stack runner's, as launch_ros actions."""

from __future__ import annotations

import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessExited, ProcessIO
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from rldg_bringup.arguments import StackError, split
from rldg_bringup.domain_claim import claim_domain
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stack import NodeSpec, Stack, environment
from rldg_bringup.stacks import STACKS
from rldg_bringup.supervision import USER_ERROR, Supervisor, log_path

TIE = "setpriv --pdeathsig KILL" if shutil.which("setpriv") else ""
"""Nodes die with a launch that is killed (as with the runner, see there); part of util-linux."""


def launch_description(name: str) -> LaunchDescription:
    """The launch description of the stack of that name."""
    stack = STACKS[name]
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.help_text,
            choices=list(argument.choices) or None,
        )
        for argument in stack.arguments
    ]
    typed: dict[str, str] = {}
    return LaunchDescription(
        [
            OpaqueFunction(function=_remember, args=[stack, typed]),
            *declared,
            OpaqueFunction(function=_start, args=[stack, typed]),
        ]
    )


def _remember(context: LaunchContext, stack: Stack, typed: dict[str, str]) -> None:
    """What was typed, or given by a launch file that includes this one: later the defaults stand beside it."""
    names = {argument.name for argument in stack.arguments}
    typed |= {n: value for n, value in context.launch_configurations.items() if n in names}
    if any(Path(word).name == f"{stack.name}.launch.py" for word in sys.argv):
        typed |= split(
            [word for word in sys.argv if ":=" in word]
        )  # an unknown one is reported, too


def _start(context: LaunchContext, stack: Stack, typed: dict[str, str]) -> list[Action]:
    """Check the arguments, claim domain and run, and make the actions of all nodes."""
    plan = stack.plan(typed)
    if plan.speaks_ros:
        claim_domain(plan.parts)
    claim = RunClaim(plan)
    supervisor = Supervisor(claim.logs)
    actions: list[Action] = [LogInfo(msg=f"{stack.name}: {plan.run}; logs in {claim.logs}")]
    if plan.standing_stop:
        actions.append(LogInfo(msg=plan.standing_stop))
    for spec in plan.nodes:
        node = _node(spec, partial(_on_exit, spec, supervisor, claim))
        if spec.output == "log":
            actions.append(_copy_output(node, spec, claim))
        actions.append(node)
    return actions


def _node(spec: NodeSpec, on_exit: Any) -> ExecuteProcess:
    common = {
        "additional_env": {**environment(), **spec.variables},
        "prefix": TIE,
        "output": "screen" if spec.output == "screen" else {"both": "log"},
        "output_format": "{line}" if spec.output == "screen" else "[{this.name}] {line}",
        "emulate_tty": spec.on_terminal,
        "respawn": spec.respawn,
        "respawn_delay": spec.respawn_delay,
        "on_exit": on_exit,
    }
    if spec.arguments is not None:
        program = ExecutableInPackage(spec.executable, spec.package)
        return ExecuteProcess(cmd=[program, *spec.arguments], name=spec.name, **common)
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        exec_name=spec.name,
        arguments=list(spec.flags),
        parameters=[{name: _typed(value) for name, value in spec.parameters.items()}],
        remappings=list(spec.remappings),
        **common,
    )


def _typed(value: Any) -> Any:
    """Text stays text: launch_ros would read '1' as a number and 'a: b' as a mapping."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value


def _on_exit(
    spec: NodeSpec,
    supervisor: Supervisor,
    claim: RunClaim,
    event: ProcessExited,
    context: LaunchContext,
) -> list[Action]:
    """The supervisor's verdict; the respawn itself is the action's own.

    `launch` has no exit code to give but 0 and 1; a raised error is its way to 1.
    """
    if context.is_shutdown:
        return []
    verdict = supervisor.judge(spec, event.returncode, time.monotonic())
    if verdict.ends == USER_ERROR:
        claim.forget()
    if verdict.ends:
        raise StackError(verdict.message)
    if verdict.ends == 0:
        return [Shutdown(reason=f"{spec.name} is done")]
    return [LogInfo(msg=verdict.message)] if verdict.message else []


def _copy_output(node: ExecuteProcess, spec: NodeSpec, claim: RunClaim) -> RegisterEventHandler:
    """Write a node's output into the run folder."""
    log = log_path(claim.logs, spec).open("ab", buffering=0)

    def copy(event: ProcessIO) -> None:
        log.write(event.text)

    return RegisterEventHandler(OnProcessIO(target_action=node, on_stdout=copy, on_stderr=copy))
