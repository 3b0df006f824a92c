# SPDX-License-Identifier: Apache-2.0
"""Many workers, kills, long bags: the same bytes, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic_bags import write_bag, write_run

from rldg_distill.conversion.options import parse
from rldg_distill.conversion.plan import make_conversion_plan, share_out
from rldg_distill.conversion.shard import write_shard
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.convert import main
from rldg_distill.recordings.spool import IN_MEMORY

SHARDS = 32  # so many that a conversion outlives the look at its first


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first", count=64, steps=10)


def arguments(run: Path, out: Path, *options: str) -> list[str]:
    """Shards of two bags."""
    return [str(run), "--out", str(out), "--shard-episodes", "2", *options]


@pytest.fixture(scope="module")
def whole(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "plugs"
    assert main(arguments(run, out, "--workers", "1")) == 0
    return out


def content(out: Path) -> dict[str, bytes]:
    """Every file of a dataset and beside it."""
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def start(*options: str) -> subprocess.Popen[str]:
    """`convert` in a process group of its own."""
    # A test that runs in the background is deaf to SIGINT, and what it starts would be, too.
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "rldg_distill.convert",
        *options,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def until(condition: Callable[[], object]) -> None:
    """Wait; after two minutes it hangs."""
    stop = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.001)


def finished(out: Path) -> set[str]:
    """Names of the shards that a conversion is done with."""
    return {path.stem for path in Workplace(out).progress.glob("*.npz")}


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes that write shards."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it waited for or not."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("workers", ["2", "5"])
def test_any_number_of_workers_gives_the_same_bytes(
    workers: str, run: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "plugs"
    assert main(arguments(run, out, "--workers", workers)) == 0
    assert len([name for name in content(out) if ".tfrecord-" in name]) == SHARDS
    assert content(out) == content(whole)


def test_a_killed_conversion_goes_on(run: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "plugs"
    first = start(*arguments(run, out, "--workers", "2"))
    until(lambda: finished(out))
    workers = workers_of(first)
    first.kill()
    first.wait()
    until(lambda: all(map(is_gone, workers)))
    assert len(workers) == 2
    assert not (out / "1.0.0").exists()
    done = {name: (Workplace(out).data / name).stat() for name in finished(out)}
    assert 0 < len(done) < SHARDS
    second = start(*arguments(run, out, "--workers", "2"))
    _, errors = second.communicate()
    assert second.returncode == 0, errors
    assert f"going on: {len(done)} of {SHARDS} shards are done" in errors
    for name, before in done.items():
        after = (out / "1.0.0" / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert content(out) == content(whole)


def test_ctrl_c_is_quiet_and_goes_on(run: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "plugs"
    process = start(*arguments(run, out, "--workers", "2"))
    until(lambda: finished(out))
    workers = workers_of(process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "the same command resumes" in errors.lower() and "Traceback" not in errors
    assert all(map(is_gone, workers))
    assert main(arguments(run, out)) == 0
    assert content(out) == content(whole)


def test_a_worker_that_dies_is_reported(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "plugs"
    process = start(*arguments(run, out, "--workers", "2"))
    until(lambda: finished(out))
    workers = workers_of(process)
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "was killed by SIGKILL while it was at plugs-" in errors and "resumes" in errors
    assert all(map(is_gone, workers))


def with_one_shard(run: Path, out: Path) -> None:
    """What a conversion leaves that was killed after its first shard."""
    options, paths = parse(arguments(run, out))
    plan, workplace = make_conversion_plan(paths, options), Workplace(out)
    with workplace.claimed():
        workplace.resume(plan.fingerprint())
        assert list(write_shard(plan.shards[0], plan.recipe, workplace)) == [*plan.shards[0].bags]


def test_only_the_same_plan_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "first", count=5, steps=3)
    with_one_shard(run, tmp_path / "same")
    assert main(arguments(run, tmp_path / "same")) == 0
    assert "going on: 1 of 3 shards are done" in capsys.readouterr().err
    with_one_shard(run, tmp_path / "jpeg")
    assert main(arguments(run, tmp_path / "jpeg", "--image-format", "jpeg")) == 0
    assert "going on" not in capsys.readouterr().err
    with_one_shard(run, tmp_path / "split")
    assert main(arguments(run, tmp_path / "split", "--val", "0.4")) == 0
    assert "going on" not in capsys.readouterr().err
    with_one_shard(run, tmp_path / "touched")
    os.utime(next((run / "bags").glob("*/*.mcap")))
    assert main(arguments(run, tmp_path / "touched")) == 0
    assert "going on" not in capsys.readouterr().err
    with_one_shard(run, tmp_path / "lost")
    next(Workplace(tmp_path / "lost").data.glob("*.tfrecord*")).unlink()
    assert main(arguments(run, tmp_path / "lost")) == 0
    assert "going on" not in capsys.readouterr().err
    assert content(tmp_path / "same").keys() == {
        name.replace("lost-", "same-") for name in content(tmp_path / "lost")
    }


def test_another_format_goes_on_and_clears_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "first", count=5, steps=3)
    out = tmp_path / "plugs"
    with_one_shard(run, out)
    Workplace(out).exported.mkdir()
    assert main(arguments(run, out, "--format", "lerobot")) == 0
    assert "going on: 1 of 3 shards are done" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["lerobot"]
    assert main(arguments(run, out)) == 0
    assert sorted(p.name for p in out.iterdir()) == ["1.0.0", "lerobot"]


def test_one_conversion_at_a_time(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workplace(tmp_path / "plugs").claimed():
        assert main(arguments(run, tmp_path / "plugs")) == 2
    assert "another conversion writes" in capsys.readouterr().err


def test_shards_are_of_equal_size() -> None:
    bags = [Path(str(i)) for i in range(11)]
    shards = share_out("x", "train", bags, 4)
    assert [len(shard.bags) for shard in shards] == [3, 4, 4]
    assert [bag for shard in shards for bag in shard.bags] == bags
    assert shards[0].name == "x-train.tfrecord-00000-of-00003"
    assert len(share_out("x", "train", bags, 100)) == 1


def noise(_: np.ndarray) -> np.ndarray:
    """A picture of 200 kB that cannot be compressed."""
    return np.random.default_rng().integers(0, 256, (256, 256, 3), np.uint8)


def peak_memory(bags: Path, out: Path) -> int:
    """Of a process that converts [bytes]."""
    # Not ru_maxrss: a child inherits that of the process that started it.
    code = (
        "import sys; from rldg_distill.convert import main; assert main(sys.argv[1:]) == 0;"
        "print([line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line][0])"
    )
    command = [sys.executable, "-c", code, str(bags), "--out", str(out), "--workers", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return 1024 * int(done.stdout)


@pytest.fixture(scope="module")
def memory_of_little(tmp_path_factory: pytest.TempPathFactory) -> int:
    folder = tmp_path_factory.mktemp("little")
    for seed in range(2):
        write_bag(folder / "bags" / f"bag_{seed}", seed, steps=25, camera=noise)
    return peak_memory(folder / "bags", folder / "little")


@pytest.mark.parametrize(("count", "steps"), [(2, 100), (8, 25)])
def test_memory_grows_neither_with_a_bag_nor_with_their_number(
    count: int, steps: int, memory_of_little: int, tmp_path: Path
) -> None:
    for seed in range(count):
        write_bag(tmp_path / "bags" / f"bag_{seed}", seed, steps=steps, camera=noise)
    peak = peak_memory(tmp_path / "bags", tmp_path / "much")
    assert sum(file.stat().st_size for file in (tmp_path / "much").rglob("*.tfrecord*")) > 39e6
    # Images that need not go to disk, and as much again of what an allocator keeps; the data is 30 MB more.
    assert peak - memory_of_little < 2 * IN_MEMORY
