# SPDX-License-Identifier: Apache-2.0
"""How every node starts and ends: cleanly on Ctrl-C, with one line and exit code 2 where the user can mend it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from rldg_robot.task import UnknownTask
from rldg_robot.user_error import UserError

USER_ERROR = 2
WAKE_SECONDS = 0.5


def run_node(make: Callable[[], Node]) -> None:
    """Make a node, spin it until shutdown, and exit the process."""
    run_main(lambda: _spin(make()))


def run_main(main: Callable[[], None]) -> None:
    """Run a node's main function inside rclpy, and exit the process."""
    rclpy.init()
    code = 0
    try:
        main()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (UserError, UnknownTask) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = USER_ERROR
    except Exception:
        if rclpy.ok():
            raise
        # After a Ctrl-C, whatever rclpy raises is its echo.
    finally:
        rclpy.try_shutdown()
    sys.exit(code)


def _spin(node: Node) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        # rclpy.spin waits without end, and a signal that comes just before it waits is lost on it.
        while rclpy.ok():
            executor.spin_once(timeout_sec=WAKE_SECONDS)
    finally:
        node.destroy_node()
