# SPDX-License-Identifier: Apache-2.0
"""What is said of this machine, and of the way to an arm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rldg_robot.doctor import machine_check
from rldg_robot.doctor.finding import CheckStatus, Finding, healthy
from rldg_robot.doctor.machine_check import machine_findings, network_findings


def by_subject(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_this_machine_runs_the_twin(tmp_path: Path) -> None:
    found = by_subject(machine_findings(tmp_path / "runs"))
    assert healthy(found.values()), found
    assert found["real time"].status is CheckStatus.SKIPPED
    assert f"GB free in {tmp_path}" in found["disk"].found
    assert "control interface" not in found


def test_an_arm_wants_real_time(tmp_path: Path) -> None:
    found = by_subject(machine_findings(tmp_path, "127.0.0.1"))
    assert {"real-time kernel", "real-time limits", "control interface"} <= set(found)
    assert all(finding.fix for finding in found.values() if finding.status is CheckStatus.WARNING)


def test_little_room_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check, "FREE_WANTED", 1e6)
    assert by_subject(machine_findings(tmp_path))["disk"].status is CheckStatus.WARNING
    monkeypatch.setattr(machine_check, "FREE_LEAST", 1e6)
    finding = by_subject(machine_findings(tmp_path))["disk"]
    assert finding.status is CheckStatus.BAD and "make room" in finding.fix


def test_an_arm_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(machine_check, "FCI_PORT", server.getsockname()[1])
        first, *_ = network_findings("127.0.0.1")
        assert first.status is CheckStatus.GOOD
    (finding,) = network_findings("127.0.0.1")
    assert finding.status is CheckStatus.BAD and "refused" in finding.found
    assert "activate FCI" in finding.fix


def test_a_slow_way_to_the_arm_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "ping"
    monkeypatch.setenv("PATH", str(tmp_path))
    for worst, lost, status in (
        (0.31, 0, CheckStatus.GOOD),
        (7.1, 0, CheckStatus.WARNING),
        (0.3, 2, CheckStatus.WARNING),
    ):
        command.write_text(
            "#!/bin/sh\n"
            f"echo '50 packets transmitted, 50 received, {lost}% packet loss, time 499ms'\n"
            f"echo 'rtt min/avg/max/mdev = 0.101/0.200/{worst}/0.050 ms'\n"
        )
        command.chmod(0o755)
        finding = machine_check._round_trips("172.16.0.2")
        assert finding.status is status, finding
        assert f"{worst:.2f} ms at worst, {lost} % lost" in finding.found
