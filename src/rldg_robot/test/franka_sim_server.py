# SPDX-License-Identifier: Apache-2.0
"""franka-sim with its motion limits enforced: `<python with franka-sim> franka_sim_server.py <address> <F_T_EE>`.

It is not run by the project's Python: franka-sim needs an older MuJoCo and an older NumPy.
"""

from __future__ import annotations

import json
import sys

from franka_sim.franka_sim_server import FrankaSimServer


class HandedServer(FrankaSimServer):  # type: ignore[misc]
    """Says that Franka's hand is mounted, as Desk would; the model has none."""

    def __init__(self, host: str, flange_to_tcp: list[float]) -> None:
        self._flange_to_tcp = flange_to_tcp
        super().__init__(host=host, enable_gripper=False, enforce_motion_limits=True)

    def reset_state(self) -> None:
        """Before every connection."""
        super().reset_state()
        self.robot_state.state["F_T_NE"] = self._flange_to_tcp
        self._refresh_ee_transform()


if __name__ == "__main__":
    HandedServer(sys.argv[1], json.loads(sys.argv[2])).start()
