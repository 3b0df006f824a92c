# SPDX-License-Identifier: Apache-2.0
"""A training whose files a power cut emptied: the same command says what to do, or goes on."""

from __future__ import annotations

from harness import Processes, expect_exit, said, wait_until
from test_bag import START, STEPS, encode, header, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary, read_summary
from rldg_rl.run_folder import RunFolder, is_whole

MINIATURE = {"task": "connector/vga", "name": "mini", "demos": 3, "steps": 300, "episodes": 1}


def test_a_run_goes_on_after_a_power_cut(processes: Processes) -> None:
    run = RunFolder(processes.folder / "runs" / "mini")
    run.prepare()
    logs = run.path / "logs"
    name = "demonstration_00000"
    summary = EpisodeSummary(name, "demonstration", "success", "connector/vga", 3, STEPS, 0, 0.5)
    writer = write_episode(run.bags / name, close=False)
    fields = {"episode_id": name, "source": "demonstration", "status": 1, "steps": STEPS}
    task = {"task": "connector", "variant": "vga", "seed": 3}
    place = {"embodiment": summary.embodiment, "region": summary.region, "domain": summary.domain}
    opened = encode(contract.EPISODE, header=header(START), **fields, **task, **place)
    writer.write("episode", START, opened)
    writer.close(summary)
    (run.bags / name / "metadata.yaml").write_bytes(bytes(4096))
    (run.bags / "demonstration_00001").mkdir()
    (run.bags / "demonstration_00001" / "demonstration_00001.mcap").write_bytes(bytes(4096))
    (run.bags / "notes").mkdir()
    (run.bags / "notes" / "monday.txt").write_text("the plug was bent")
    for file in ("config.yaml", "wall_seconds.json", "resets.json"):
        (run.path / file).write_bytes(bytes(40))
    run.records.write_bytes(b"")

    first = processes.stack("train_rl", **MINIATURE)
    expect_exit(first, 2)
    assert "config.yaml cannot be used" in said(first) and "delete it" in said(first)
    # The learner may be interrupted while it imports torch, which is none of this.
    assert "Traceback" not in first.log.read_text() + (logs / "actor.log").read_text()

    (run.path / "config.yaml").unlink()
    second = processes.stack("train_rl", **MINIATURE)
    wait_until(
        lambda: is_whole(run.bags / "demonstration_00001") or second.poll(), "an episode", 200
    )
    assert second.poll() is None, said(second)
    assert is_whole(run.bags / name) and read_summary(run.bags / name) == summary
    assert "Traceback" not in second.log.read_text() + (logs / "recorder.log").read_text()
    assert (run.bags / ".damaged/demonstration_00001/demonstration_00001.mcap").stat().st_size
    assert (run.bags / "notes" / "monday.txt").read_text() == "the plug was bent"
    log = (logs / "recorder.log").read_text()
    assert "left alone in" in log and "'notes'" in log
    assert (run.path / "wall_seconds.json.damaged").read_bytes() == bytes(40)
