# SPDX-License-Identifier: Apache-2.0
"""Tests of docker/: what compose hands in is what the code looks at, and what is built from source is pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rldg_bringup.machines import Machine, own_enclave

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
OF_ROS = {"ROS_DOMAIN_ID", "ROS_STATIC_PEERS", "ROS_SECURITY_STRATEGY", "ROS_SECURITY_KEYSTORE"}
"""variables that ROS itself reads"""


def test_there_is_a_service_for_each_machine() -> None:
    assert set(COMPOSE["services"]) == {machine.value for machine in Machine}
    for name, service in COMPOSE["services"].items():
        build = service["build"]
        assert build["dockerfile"] == f"docker/{name}.Dockerfile"
        assert (ROOT / "docker" / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
        assert service["network_mode"] == "host"
        assert "../runs:/rldg/runs" in service["volumes"]


def test_the_environment_is_that_of_ros_and_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in COMPOSE["services"].values():
        given = service["environment"]
        assert set(given) == OF_ROS | {"ROS_SECURITY_ENABLE"}
        where = given["ROS_SECURITY_KEYSTORE"]
        assert any(volume.endswith(f":{where}:ro") for volume in service["volumes"])
        assert given["ROS_STATIC_PEERS"] == "${ROS_STATIC_PEERS:-}"
    monkeypatch.delenv("ROS_SECURITY_ENABLE", raising=False)
    assert own_enclave("actor") == {}
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    assert own_enclave("actor") == {"ROS_SECURITY_ENCLAVE_OVERRIDE": "/rldg/actor"}


def test_whoever_names_no_other_machine_is_closed() -> None:
    closed = (ROOT / "src/rldg_bringup/config/fastdds_closed.xml").read_text()
    assert re.findall(r"<address>(.*?)</address>", closed) == ["127.0.0.1"]
    assert "fastdds_closed.xml" in (ROOT / "rldg").read_text()


def test_sources_are_pinned() -> None:
    repositories = yaml.safe_load((ROOT / "docker/franka.repos").read_text())["repositories"]
    for name, source in repositories.items():
        assert re.fullmatch(r"[0-9a-f]{40}|\d+\.\d+\.\d+", source["version"]), name
