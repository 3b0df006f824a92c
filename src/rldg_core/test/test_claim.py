# SPDX-License-Identifier: Apache-2.0
"""A claim is for one process at a time, and a kill lets it go."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rldg_core.files.claim import Claim, InUse
from rldg_core.user_error import UserError

HOLD = """
import sys, time
from pathlib import Path
from rldg_core.files.claim import Claim
claim = Claim(Path(sys.argv[1]), "taken")
print("held", flush=True)
time.sleep(60)
"""


def test_a_claim_is_for_one_process_and_dies_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(InUse, match="wait for it"):
            Claim(folder, "wait for it")
        other.send_signal(signal.SIGKILL)
        other.wait(10)
    Claim(folder, "nobody has it").release()
    assert issubclass(InUse, UserError)


def test_a_claim_is_let_go_however_its_block_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError), Claim(tmp_path, "taken"):
        with pytest.raises(InUse):
            Claim(tmp_path, "taken")  # in the same process, too
        raise ValueError
    with Claim(tmp_path, "taken"):
        pass


def test_a_folder_that_cannot_be_made_is_no_claim(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        Claim(tmp_path / "file" / "run", "taken")
