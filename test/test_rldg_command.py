# SPDX-License-Identifier: Apache-2.0
"""The `rldg` command on an imaginary machine: real shell, stand-ins for Python, pip, colcon, apt and ros2."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = (
    "awk basename bash cat chmod cp cut dirname env find flock grep mkdir nice printf readlink rm sed sha256sum "
    "sleep sort tail touch uname xargs"
)

# Answers what rldg asks a Python; `-m venv` makes an environment out of itself and a colcon.
PYTHON = r"""#!/usr/bin/env bash
echo "python $*" >>"$MACHINE/calls"
case "$*" in
  *version_info*realpath*) echo "$0" ;;
  *version_info*) echo 3.12 ;;
  *get_path*) echo /nowhere ;;
  *get_include*) echo /nowhere ;;
  "-V") echo "Python 3.12.0" ;;
  *"-m venv"*) mkdir -p "${!#}/bin" && cp "$0" "${!#}/bin/python" && cp "$MACHINE/colcon" "${!#}/bin/colcon" ;;
  *"-m pip"*)
    if [[ -e $MACHINE/slow ]]; then touch "$MACHINE/in_pip"; sleep 60; fi
    for word in "$@"; do if [[ $word == /dev/fd/* ]]; then cat "$word" >>"$MACHINE/wanted"; fi; done
    if [[ -e $MACHINE/no_network ]]; then echo "ERROR: no route to the index"; exit 1; fi ;;
esac
"""

COLCON = r"""#!/usr/bin/env bash
echo "colcon $*" >>"$MACHINE/calls"
for package in src/*/package.xml; do
  package=$(basename "$(dirname "$package")")
  mkdir -p "build/$package" "install/$package/share/$package" "install/$package/lib/$package"
  cp "src/$package/package.xml" "install/$package/share/$package/"
done
for program in rldg_bringup/stack rldg_experiments/experiment; do
  file=install/${program%/*}/lib/$program
  mkdir -p "${file%/*}"
  printf '#!/usr/bin/env bash\necho "%s $* in $ROS_AUTOMATIC_DISCOVERY_RANGE"\n' "${program#*/}" >"$file"
  chmod +x "$file"
done
touch install/local_setup.sh
"""

OLD_PYTHON = """#!/usr/bin/env bash
case "$*" in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac
"""


class Machine:
    """A folder with a clone, a PATH of its own and a record of who was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clone = folder / "clone"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS.split():
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        for name in ("cc", "c++"):
            self.program(name, "#!/usr/bin/env bash\n")
        self.program("python3.12", PYTHON)
        self.program("../colcon", COLCON)
        launch = self.clone / "src/rldg_bringup/launch"
        launch.mkdir(parents=True)
        (launch / "train_rl.launch.py").touch()
        (self.clone / "src/rldg_bringup/package.xml").write_text("<package/>")
        (self.clone / "src/rldg_core").mkdir()
        shutil.copy(ROOT / "src/rldg_core/package.xml", self.clone / "src/rldg_core")
        for name in ("rldg", "requirements.txt", "colcon.meta"):
            shutil.copy(ROOT / name, self.clone / name)
        self.environment = {
            "PATH": str(self.bin),
            "HOME": str(folder),
            "MACHINE": str(folder),
        }

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def rldg(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.clone / "rldg", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def steps(self, *words: str) -> list[int]:
        """Numbers of the steps that a call shows."""
        done = self.rldg(*(words or ("setup",)))
        assert done.returncode == 0, done.stdout + done.stderr
        return [int(number) for number in re.findall(r"^\[(\d)/4\]", done.stdout, re.MULTILINE)]

    def calls(self) -> str:
        path = self.folder / "calls"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("words", [(), ("help",), ("-h",), ("--help",)])
def test_help_lists_every_verb_and_sets_nothing_up(
    machine: Machine, words: tuple[str, ...]
) -> None:
    done = machine.rldg(*words)
    assert done.returncode == 0
    for verb in ("setup", "launch <stack>", "run <package>", "test", "help"):
        assert f"./rldg {verb}" in done.stdout
    assert not machine.calls()


def test_the_version_is_printed_before_anything_is_set_up(machine: Machine) -> None:
    done = machine.rldg("--version")
    assert (done.returncode, done.stdout) == (0, f"rldg {released()}\n")
    assert machine.rldg("--version", "now").returncode == 2
    assert "./rldg --version" in machine.rldg("help").stdout
    assert not machine.calls()


def test_every_package_has_the_version_of_the_release() -> None:
    manifests = sorted(ROOT.glob("src/*/package.xml"))
    assert len(manifests) >= 7
    for path in manifests:
        assert ElementTree.parse(path).findtext("version") == released(), path
    for path in sorted(ROOT.glob("src/*/setup.py")):
        assert re.findall(r'^ +version="(.*)",$', path.read_text(), re.M) == [released()], path
    heading = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heading[:1] in ([], [released()]), "the newest release of the changelog"


def released() -> str:
    """The version that rldg_core states."""
    version = ElementTree.parse(ROOT / "src/rldg_core/package.xml").findtext("version")
    assert version is not None and re.fullmatch(r"\d+\.\d+\.\d+", version)
    return version


def test_unknown_names_are_answered_with_the_valid_ones(machine: Machine) -> None:
    verb = machine.rldg("lunch")
    assert verb.returncode == 2
    assert (
        "setup doctor launch classifier convert dataset distill compare sweep experiment demo keys run "
        "test help" in verb.stderr
    )
    stack = machine.rldg("launch", "train")
    assert stack.returncode == 2
    assert "train_rl" in stack.stderr
    for words in (("setup", "--foo"), ("help", "me"), ("launch",), ("--foo",), ("\x1b[2J",)):
        wrong = machine.rldg(*words)
        assert wrong.returncode == 2 and "\x1b" not in wrong.stderr
    assert not machine.calls(), "a typing error is answered before anything is set up"
    executable = machine.rldg("run", "rldg_bringup", "stak")
    assert executable.returncode == 2
    assert "rldg_bringup stack" in executable.stderr


def test_every_step_runs_once(machine: Machine) -> None:
    assert machine.steps() == [1, 2, 3, 4]
    assert machine.steps() == []
    done = machine.rldg("launch", "train_rl", "task:=connector/vga")
    assert done.stdout == "stack train_rl task:=connector/vga in LOCALHOST\n"
    wanted = (machine.folder / "wanted").read_text()
    for line in ("torch==", "ros-rclpy==", "colcon-core==", "pytest=="):
        assert line in wanted


def test_demo_is_the_experiment_of_that_name(machine: Machine) -> None:
    machine.steps()
    for words in (("demo",), ("experiment", "demo")):
        assert machine.rldg(*words, "--plan").stdout == "experiment demo --plan in LOCALHOST\n"


def test_only_what_changed_is_done_again(machine: Machine) -> None:
    machine.steps()
    message = machine.clone / "src/rldg_bringup/New.msg"
    message.write_text("float64 x\n")
    assert machine.steps() == [4]
    (machine.clone / "src/rldg_bringup/launch/another.launch.py").touch()
    assert machine.steps() == [4]
    with (machine.clone / "requirements.txt").open("a") as file:
        file.write("more==1\n")
    assert machine.steps() == [3, 4]
    assert "more==1" in (machine.folder / "wanted").read_text()


def test_what_was_deleted_is_repaired(machine: Machine) -> None:
    machine.steps()
    shutil.rmtree(machine.clone / "install")
    assert machine.steps() == [4]
    (machine.clone / ".venv/bin/python").unlink()
    assert machine.steps() == [2, 3, 4]
    shutil.rmtree(machine.clone / ".venv")
    assert machine.steps() == [2, 3, 4]
    machine.clone = machine.clone.rename(machine.folder / "moved")
    assert machine.steps() == [2, 3, 4], "a virtual environment cannot be moved"


def test_a_killed_installation_starts_afresh(machine: Machine) -> None:
    (machine.folder / "slow").touch()
    setup = subprocess.Popen(
        [machine.clone / "rldg", "setup"],
        env=machine.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 30
    while not (machine.folder / "in_pip").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    (machine.clone / ".venv/half_a_package").touch()
    os.killpg(setup.pid, signal.SIGKILL)
    setup.wait()
    (machine.folder / "slow").unlink()
    assert machine.steps() == [2, 3, 4]
    assert not (machine.clone / ".venv/half_a_package").exists()


def test_a_failing_step_shows_its_log_and_is_tried_again(machine: Machine) -> None:
    (machine.folder / "no_network").touch()
    failed = machine.rldg("setup")
    assert failed.returncode == 1
    assert "no route to the index" in failed.stderr
    assert str(machine.clone / ".rldg/log/install_dependencies.log") in failed.stderr
    (machine.folder / "no_network").unlink()
    assert machine.steps()[-2:] == [3, 4]


def test_a_wrong_python_names_the_command_to_type(machine: Machine) -> None:
    (machine.bin / "python3.12").unlink()
    machine.program("python3", OLD_PYTHON)
    failed = machine.rldg("setup")
    assert failed.returncode == 1
    assert "Python 3.11 or 3.12 (python3 is Python 3.9.2)" in failed.stderr
    assert "apt-get install python3.12 python3.12-venv" in failed.stderr


@pytest.mark.parametrize("allowed", [True, False])
def test_system_packages_come_through_apt_where_that_is_allowed(
    machine: Machine, allowed: bool
) -> None:
    (machine.bin / "c++").unlink()
    compiler = machine.bin / "c++"
    machine.program(
        "apt-get",
        '#!/usr/bin/env bash\necho "apt-get $*" >>"$MACHINE/calls"\n'
        f"[[ $1 == update ]] || cp {machine.bin}/cc {compiler}\n",
    )
    if allowed and os.geteuid():
        machine.program("sudo", '#!/usr/bin/env bash\nshift\nif [[ $1 != true ]]; then "$@"; fi\n')
    if not allowed and not os.geteuid():
        pytest.skip("root is always allowed")
    done = machine.rldg("setup")
    if allowed:
        assert done.returncode == 0, done.stderr
        assert "Missing: a C++ compiler. Installing with apt: g++" in done.stdout
        assert "apt-get install -y --no-install-recommends g++" in machine.calls()
    else:
        assert done.returncode == 1
        assert "sudo apt-get install g++" in done.stderr
        assert "apt-get" not in machine.calls()


def test_a_sourced_jazzy_is_used(machine: Machine) -> None:
    (machine.bin / "python3.12").rename(machine.bin / "python3")
    machine.program("colcon", COLCON)
    machine.program("ros2", '#!/usr/bin/env bash\necho "ros2 $*"\n')
    machine.environment["ROS_DISTRO"] = "jazzy"
    done = machine.rldg("launch", "train_rl", "seed:=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("ros2 launch rldg_bringup train_rl.launch.py seed:=1\n")
    assert "--system-site-packages" in machine.calls()
    wanted = (machine.folder / "wanted").read_text()
    assert "torch==" in wanted
    assert "ros-rclpy" not in wanted
    assert "colcon-core" not in wanted
