# SPDX-License-Identifier: Apache-2.0
"""A conversion on a Ray cluster of two workers; where Ray is not installed, that it says so."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_bags import write_run

from rldg_distill.convert import main

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A token of its own, whatever this user's other clusters have.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    # Where Ray knows no clusters of several machines, it listens on this one alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a cluster with two workers."""
    port = free_port()
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: sockets lie in it
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--num-cpus=2", f"--port={port}", f"--temp-dir={folder}"]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    process = subprocess.Popen(command, env=os.environ | LOCAL, stdout=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        stop = time.monotonic() + 120
        while not answers(address):
            assert process.poll() is None and time.monotonic() < stop
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def convert(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rldg_distill.convert", *arguments],
        env=os.environ | LOCAL | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_ray
def test_a_cluster_gives_the_same_bytes(cluster: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", count=8, steps=6)
    (run / "bags" / "policy_00003" / "policy_00003.mcap").write_bytes(b"")
    options = [str(run), "--shard-episodes", "2"]
    here, there = tmp_path / "here" / "plugs", tmp_path / "there" / "plugs"
    assert main([*options, "--out", str(here), "--workers", "1"]) == 3
    done = convert(*options, "--out", str(there), "--ray", "auto", RAY_ADDRESS=cluster)
    assert done.returncode == 3, done.stderr
    assert "policy_00003: has no message of episode" in done.stderr
    ours = {p.relative_to(here): p.read_bytes() for p in here.rglob("*") if p.is_file()}
    theirs = {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()}
    assert ours == theirs and len(ours) == 5 + 4


@needs_ray
def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", count=2, steps=3)
    address = f"127.0.0.1:{free_port()}"
    done = convert(str(run), "--out", str(tmp_path / "plugs"), "--ray", address)
    assert done.returncode == 1
    assert f"no Ray cluster at '{address}'" in done.stderr and "ray start --head" in done.stderr


@pytest.mark.skipif(HAS_RAY, reason="ray is installed")
def test_ray_is_an_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "first", count=2, steps=3)
    assert main([str(run), "--out", str(tmp_path / "plugs"), "--ray", "auto"]) == 1
    assert "pip install 'ray==" in capsys.readouterr().err
