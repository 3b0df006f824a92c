# SPDX-License-Identifier: Apache-2.0
"""Whether this machine is fit for the job: kernel, limits, disk, graphics card, clock, the way to the arm."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rldg_robot.doctor.finding import Finding, bad, good, skipped, warning

FCI_PORT = 1337
"""of the arm's control interface"""
FREE_LEAST, FREE_WANTED = 1.0, 20.0
"""[GB]; a run takes 20 MB, but students and pictures add up"""
MEMORY_WANTED = 2.0
"""[GB]"""
PINGS = 50
ROUND_TRIP = 1.0
"""[ms] that the slowest of the pings may take: the arm waits for a command every millisecond"""
REALTIME_PRIORITY = 98
"""that libfranka's control thread asks for"""
REALTIME_FIX = (
    "boot a PREEMPT_RT kernel (Ubuntu Pro: `pro enable realtime-kernel`); without one franky runs "
    "with RealtimeConfig.Ignore, and the arm may stop with communication_constraints_violation"
)
LIMITS_FIX = (
    "add `@realtime soft rtprio 99`, `@realtime hard rtprio 99` and the same two lines with `memlock unlimited` to "
    "/etc/security/limits.conf, then `sudo groupadd -f realtime && sudo usermod -aG realtime $USER`, and log in again"
)


def machine_findings(folder: Path, arm: str = "") -> Iterator[Finding]:
    """Look at this machine.

    Args:
        folder: of the runs.
        arm: address of the arm that this machine controls at 1 kHz; empty: it controls none.
    """
    yield from _realtime(bool(arm))
    yield _disk(folder)
    yield _memory()
    yield _graphics()
    yield _clock()
    if arm:
        yield from network_findings(arm)


def network_findings(arm: str) -> Iterator[Finding]:
    """Look at the way to the arm, an address or a name."""
    try:
        with socket.create_connection((arm, FCI_PORT), timeout=2.0):
            yield good("control interface", f"answers at {arm}:{FCI_PORT}")
    except OSError as error:
        yield bad(
            "control interface",
            f"{arm}:{FCI_PORT} does not answer ({error.strerror or error})",
            "check address and cable; in the arm's Desk unlock the joints and activate FCI",
        )
        return
    yield _round_trips(arm)


def _realtime(needed: bool) -> Iterator[Finding]:
    kernel = f"{platform.release()}, {platform.version()}"
    if not needed:
        yield skipped("real time", "no arm is controlled from here: no need for it")
        return
    marked = Path("/sys/kernel/realtime")
    if "PREEMPT_RT" in kernel or (marked.exists() and marked.read_text().strip() == "1"):
        yield good("real-time kernel", kernel)
    else:
        yield warning("real-time kernel", f"{kernel} is none", REALTIME_FIX)
    priority, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    unlimited = locked == resource.RLIM_INFINITY
    found = f"priority {priority}, locked memory {'unlimited' if unlimited else f'{locked} bytes'}"
    if os.geteuid() == 0 or (priority >= REALTIME_PRIORITY and unlimited):
        yield good("real-time limits", found if os.geteuid() else "root has none")
    else:
        yield warning("real-time limits", found, LIMITS_FIX)
    governors = {
        file.read_text().strip()
        for file in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    }
    if governors - {"performance"}:
        fix = "sudo cpupower frequency-set -g performance"
        yield warning("processor's frequency", f"governor {', '.join(sorted(governors))}", fix)


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    found = f"{free:.1f} GB free in {existing}"
    if not os.access(existing, os.W_OK):
        fix = "choose another folder with runs:=<folder>, or make this one writable"
        return bad("disk", f"{existing} cannot be written", fix)
    if free < FREE_LEAST:
        return bad("disk", found, "make room: a recorder that cannot write ends the run")
    if free < FREE_WANTED:
        return warning("disk", found, "make room before long runs and students")
    return good("disk", found)


def _memory() -> Finding:
    meminfo = Path("/proc/meminfo").read_text()
    match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo)
    free = int(match[1]) / 1e6 if match else 0.0
    found = f"{free:.1f} GB available, {os.cpu_count()} processor cores"
    if free < MEMORY_WANTED:
        return warning("memory", found, f"close something: a training takes {MEMORY_WANTED:g} GB")
    return good("memory", found)


def _graphics() -> Finding:
    command = shutil.which("nvidia-smi")
    if command is None:
        return skipped("graphics card", "none of NVIDIA; specialists and small students need none")
    query = [command, "--query-gpu=name,memory.free", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        fix = "install the driver that goes with this kernel, then start the machine again"
        return warning("graphics card", (done.stdout or done.stderr).strip(), fix)
    return good("graphics card", "; ".join(done.stdout.strip().splitlines()) + " free")


def _clock() -> Finding:
    command = shutil.which("chronyc")
    if command is None:
        return skipped(
            "clock", "chrony is not installed: only needed where two machines share the work"
        )
    done = subprocess.run(
        [command, "tracking"], capture_output=True, text=True, timeout=10, check=False
    )
    match = re.search(r"System time\s*:\s*([\d.]+) seconds (\w+)", done.stdout)
    if not match or "Not synchronised" in done.stdout:
        return warning(
            "clock",
            "chrony follows no server",
            "see `chronyc sources`: name the other machine in chrony.conf",
        )
    return good("clock", f"{1e3 * float(match[1]):.3f} ms {match[2]}, says chrony")


def _round_trips(arm: str) -> Finding:
    command = shutil.which("ping")
    if command is None:
        return skipped("network to the arm", "there is no `ping` to measure it with")
    done = subprocess.run(
        [command, "-q", "-n", "-i", "0.01" if os.geteuid() == 0 else "0.2", "-c", str(PINGS), arm],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lost = re.search(r"([\d.]+)% packet loss", done.stdout)
    times = re.search(r"= [\d.]+/([\d.]+)/([\d.]+)/", done.stdout)
    if not lost or not times:
        return skipped("network to the arm", "it answers no ping")
    mean, worst = float(times[1]), float(times[2])
    found = f"{mean:.2f} ms there and back, {worst:.2f} ms at worst, {lost[1]} % lost"
    if float(lost[1]) > 0.0 or worst > ROUND_TRIP:
        fix = "connect this machine's own network port to the arm's control unit by one cable: no switch, no Wi-Fi"
        return warning("network to the arm", found, fix)
    return good("network to the arm", found)
