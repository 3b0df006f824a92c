# SPDX-License-Identifier: Apache-2.0
"""`./rldg run rldg_robot arm recover` exits as the driver answers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import rclpy
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_robot.arm.recovery import Recovery, not_recovered, recovered_from

PROGRAM = "import sys; sys.argv[0] = 'arm'; from rldg_robot.arm.command import main; main()"


@pytest.mark.usefixtures("domain")
@pytest.mark.parametrize(
    ("recovery", "code"),
    [
        (recovered_from("a reflex"), 0),
        (recovered_from(""), 0),
        (not_recovered("the emergency stop is pressed"), 1),
    ],
)
def test_the_exit_code_says_whether_the_arm_was_recovered(recovery: Recovery, code: int) -> None:
    rclpy.init()
    driver = rclpy.create_node("driver")

    def answer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = recovery.done, recovery.text
        return response

    driver.create_service(Trigger, contract.ARM_RECOVER, answer)
    command = [sys.executable, "-c", PROGRAM, "recover"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            rclpy.spin_once(driver, timeout_sec=0.05)
        assert process.stdout and process.stdout.read() == f"{recovery.text}\n"
        assert process.returncode == code
