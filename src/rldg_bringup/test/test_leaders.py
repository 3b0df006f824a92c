# SPDX-License-Identifier: Apache-2.0
"""Who leads a collection follows from its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rldg_bringup.arguments import StackError
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stack import StackPlan
from rldg_bringup.stacks import STACKS

COLLECT = STACKS["collect"]


@pytest.fixture
def runs(tmp_path: Path) -> str:
    """Two trained runs and one that has no policy yet."""
    for name, task in (("a", "connector/vga"), ("b", "connector/usb_a"), ("new", "connector/xlr")):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        arguments = {"stack": "train_rl", "arguments": {"task": task}}
        (tmp_path / name / "arguments.yaml").write_text(yaml.safe_dump(arguments))
        if name != "new":
            (tmp_path / name / "checkpoints" / "policy.safetensors").write_bytes(b"")
    return str(tmp_path)


def parameters(plan: StackPlan, node: str) -> dict:
    (found,) = (spec.parameters for spec in plan.nodes if spec.name == node)
    return dict(found)


def policy(runs: str, name: str) -> str:
    return f"{runs}/{name}/checkpoints/policy.safetensors"


def test_a_policy_does_the_task_it_was_trained_on(runs: str) -> None:
    for given in ("b", f"{runs}/b"):
        plan = COLLECT.plan({"runs": runs, "policy": given})
        actor = parameters(plan, "actor")
        assert (actor["task"], actor["policy"]) == ("connector/usb_a", policy(runs, "b"))
        assert (actor["source"], actor["operator"], actor["mode"]) == ("policy", "none", "collect")
        assert actor["lockstep"] and not actor["deterministic"]
        assert "operator" not in [node.name for node in plan.nodes]
        assert plan.run.name.startswith("collect_connector_usb_a_2")


def test_a_policy_can_be_tried_on_other_tasks(runs: str) -> None:
    tasks = "connector/usb_c,connector/hdmi"
    actor = parameters(COLLECT.plan({"runs": runs, "policy": "a", "task": tasks}), "actor")
    assert actor["task"] == tasks
    assert actor["policy"] == ",".join([policy(runs, "a")] * 2)


def test_a_mix_gives_every_task_its_policy_and_the_gate_all_limits(runs: str) -> None:
    plan = COLLECT.plan({"runs": runs, "policies": "connector/vga=a,connector/usb_a=b"})
    actor = parameters(plan, "actor")
    assert actor["task"] == "connector/vga,connector/usb_a"
    assert actor["policy"] == f"{policy(runs, 'a')},{policy(runs, 'b')}"
    assert parameters(plan, "twin")["task"] == "connector/vga"
    assert parameters(plan, "safety_gate")["task"] == actor["task"]


def test_people_demonstrate(runs: str) -> None:
    plan = COLLECT.plan({"runs": runs, "source": "operator", "task": "connector/vga"})
    actor = parameters(plan, "actor")
    assert (actor["source"], actor["policy"]) == ("demonstration", "")
    assert parameters(plan, "operator")["task"] == "connector/vga"
    for source in ("spacemouse", "keyboard", "gamepad"):
        by_hand = COLLECT.plan({"runs": runs, "source": source, "task": "connector/vga"})
        assert parameters(by_hand, "actor")["operator"] == source
        assert parameters(by_hand, "twin")["real_time_factor"] == 1.0
        assert not parameters(by_hand, "actor")["lockstep"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give policy:=<run> for one, or policies:=.* Valid: a, b"),
        ({"policy": "aa"}, r"no run 'aa'\. Did you mean 'a'\? Valid: a, b"),
        ({"policy": "new"}, "has no trained policy yet"),
        ({"policy": "a", "policies": "connector/vga=a"}, "give policy:=<run> for one"),
        ({"policies": "connector/vga"}, "takes family/variant=<run>"),
        ({"policies": "connector/vga=a,connector/vga=b"}, "connector/vga is given more than once"),
        ({"policies": "connector/vga=a", "task": "connector/vga"}, "leave task:= out"),
        ({"source": "operator"}, "needs task:=family/variant"),
        ({"source": "operator", "policy": "a"}, "led by a person"),
        ({"policy": "a", "name": "b"}, "was made by train_rl: choose another name"),
    ],
)
def test_contradictions_are_refused(runs: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=message):
        COLLECT.plan({"runs": runs, **given})


def test_a_resumed_collection_keeps_its_leaders(runs: str) -> None:
    first = {"runs": runs, "name": "c", "policies": "connector/vga=a,connector/usb_a=b"}
    RunClaim(COLLECT.plan({**first, "episodes": "7"})).release()
    again = COLLECT.plan({"runs": runs, "name": "c"})
    assert parameters(again, "actor") == parameters(
        COLLECT.plan({**first, "episodes": "7"}), "actor"
    )
    with pytest.raises(StackError, match="this run was made with policies:="):
        COLLECT.plan({**first, "policies": "connector/vga=b"})
