# SPDX-License-Identifier: Apache-2.0
"""The state as it is sent: the same bytes as franky-sim packs, and not all of them anew."""

from __future__ import annotations

import numpy as np

from rldg_robot.fci.franky_sim_server import FrankaRobotState
from rldg_robot.fci.state import CHANGING, FciState


def test_it_is_packed_as_the_servers_own_state_is() -> None:
    rng = np.random.default_rng(0)
    state = FciState(FrankaRobotState(m_ee=0.7, F_x_Cee=(0.1, 0.2, 0.3)))
    for _ in range(2):
        values = {name: tuple(rng.normal(size=size).tolist()) for name, size in CHANGING.items()}
        for name, value in values.items():
            matrix = np.reshape(value, (4, 4)).T if len(value) == 16 else value
            state.write(name, matrix)
        state.write_success_rate(0.25)
        own = FrankaRobotState(
            m_ee=0.7, F_x_Cee=(0.1, 0.2, 0.3), control_command_success_rate=0.25, **values
        )
        mode = type(own.robot_mode)(2)
        assert (
            state.replace(robot_mode=mode).pack_state() == own.replace(robot_mode=mode).pack_state()
        )
        assert np.allclose(state.q, values["q"]) and np.allclose(state.O_T_EE, values["O_T_EE"])
