# SPDX-License-Identifier: Apache-2.0
"""How every node starts and ends: cleanly on Ctrl-C, with one line and exit code 2 where the user can mend it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from rldg_core.commands.command_line import print_anything
from rldg_core.commands.visible import tell_error
from rldg_core.ros_domain import domain_id
from rldg_core.task import UnknownTask
from rldg_core.user_error import UserError
from rldg_robot.ros import make_executor

USER_ERROR = 2
WAKE_SECONDS = 0.5


def run_node(make: Callable[[], Node], *, last_words: bool = False) -> None:
    """Make a node, spin it until shutdown, and exit the process.

    Args:
        make: makes it.
        last_words: its `destroy_node` has something to say: a signal leaves it the graph until then. Its callbacks
            may be coroutines.
    """
    if not last_words:
        run_main(lambda: spin(make_executor(), rclpy.ok, make()))
        return
    ended = Event()

    def live() -> None:
        # A KeyboardInterrupt may be raised, and lost, where Python is called from C.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        spin(SingleThreadedExecutor(), lambda: not ended.is_set(), make())

    run_main(live, signals=SignalHandlerOptions.NO)


def own_words() -> list[str]:
    """The words of the command line, behind the program's name, that are not ROS's."""
    return list(remove_ros_args(sys.argv)[1:])


def run_main(
    main: Callable[[], None],
    *,
    signals: SignalHandlerOptions = SignalHandlerOptions.ALL,
    takes_words: bool = False,
) -> None:
    """Run a node's main function inside rclpy, and exit the process.

    Args:
        main: to be run.
        signals: which ones rclpy answers with a shutdown.
        takes_words: it has read `own_words`; other nodes take none.
    """
    print_anything()
    if not takes_words and (words := own_words()):
        program = Path(sys.argv[0]).name
        tell_error(
            program,
            f"'{words[0]}' is unknown here: parameters are typed as --ros-args -p name:=value",
        )
        sys.exit(USER_ERROR)
    try:
        domain_id(
            os.environ.get("ROS_DOMAIN_ID", "")
        )  # rcl would meet others in 1 for 1e2, or none
    except UserError as error:
        tell_error("error", error)
        sys.exit(USER_ERROR)
    rclpy.init(signal_handler_options=signals)
    code = 0
    try:
        main()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (UserError, UnknownTask) as error:
        tell_error("error", error)
        code = USER_ERROR
    except Exception:
        if rclpy.ok():
            raise
        # After a Ctrl-C, whatever rclpy raises is its echo.
    finally:
        rclpy.try_shutdown()
    sys.exit(code)


def spin(executor: Executor, goes_on: Callable[[], bool], *nodes: Node) -> None:
    """Run the callbacks of nodes as long as it goes on, then destroy them in their order.

    Args:
        executor: with none of them in it yet.
        goes_on: asked twice a second or more often.
        nodes: to be spun.
    """
    for node in nodes:
        executor.add_node(node)
    try:
        # rclpy.spin waits without end, and a signal that comes just before it waits is lost on it.
        while goes_on():
            executor.spin_once(timeout_sec=WAKE_SECONDS)
    finally:
        for node in nodes:
            node.destroy_node()
