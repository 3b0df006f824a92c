# SPDX-License-Identifier: Apache-2.0
"""The robot's state as FCI sends it, 1,000 times a second: packed once, then only what changes is written into it.

Packing all of it anew in Python takes a third of a millisecond. Places are not listed here but found, by packing states
that differ in one field.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rldg_robot.fci.franky_sim_server import FrankaRobotState

Array = NDArray[np.float64]

CHANGING = {
    "q": 7, "q_d": 7, "dq": 7, "dq_d": 7, "tau_J": 7, "tau_J_d": 7,
    "O_T_EE": 16, "O_T_EE_d": 16, "O_T_EE_c": 16, "K_F_ext_hat_K": 6, "O_F_ext_hat_K": 6,
}  # fmt: skip
"""fields of single floats that are written, and their sizes"""
MODES = ("motion_generator_mode", "controller_mode", "robot_mode")
FLOAT = 4


class FciState:
    """What the server asks a state for, and `write` for who fills it. Matrices are (4, 4)."""

    def __init__(self, constant: FrankaRobotState) -> None:
        """`constant` has what stays."""
        empty = FrankaRobotState().pack_state()
        places = {
            name: _differing(empty, FrankaRobotState(**{name: (7.0,) * size})) // FLOAT
            for name, size in CHANGING.items()
        }
        self._modes = {name: _differing(empty, FrankaRobotState(**{name: 255})) for name in MODES}
        self._bytes = bytearray(constant.pack_state())
        floats = np.frombuffer(self._bytes, "<f4", len(self._bytes) // FLOAT)
        self._fields = {
            name: floats[place : place + CHANGING[name]] for name, place in places.items()
        }
        # The last field of all, after bytes that leave it unaligned.
        self._success_rate = np.frombuffer(self._bytes, "<f4", 1, len(self._bytes) - FLOAT)

    def write(self, name: str, values: ArrayLike) -> None:
        """A field's new values; a matrix goes column by column."""
        self._fields[name][:] = np.asarray(values).T.ravel()

    def write_success_rate(self, rate: float) -> None:
        """`control_command_success_rate`."""
        self._success_rate[0] = rate

    @property
    def q(self) -> list[float]:
        """[rad] (7,)."""
        return self._read("q")

    @property
    def q_d(self) -> list[float]:
        """[rad] (7,) that are held."""
        return self._read("q_d")

    @property
    def O_T_EE(self) -> list[float]:  # noqa: N802 - as libfranka calls it
        """(16,) column by column."""
        return self._read("O_T_EE")

    def replace(self, **modes: Any) -> FciState:
        """The same state with other modes."""
        for name, mode in modes.items():
            self._bytes[self._modes[name]] = mode.value
        return self

    def pack_state(self) -> bytes:
        """As it is sent."""
        return bytes(self._bytes)

    def _read(self, name: str) -> list[float]:
        values: list[float] = self._fields[name].tolist()
        return values


def _differing(empty: bytes, marked: FrankaRobotState) -> int:
    """Index of the first byte in which a state differs from an empty one."""
    pairs = zip(empty, marked.pack_state(), strict=True)
    return next(i for i, (a, b) in enumerate(pairs) if a != b)
