# SPDX-License-Identifier: Apache-2.0
"""The connectors: cross-section, depth and looks of every plug and its socket.

A profile is a convex polygon in the plane across the insertion axis; its corners are rounded. x
runs along the broad side, as the TCP's x does; the
fingers close along y. Sizes are the outside of the metal or plastic shell that enters the socket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rldg_robot.simulation.polygons import offset_polygon, round_polygon

Array = NDArray[np.float64]
Colour = tuple[float, float, float]
MM = 1e-3

STEEL, NICKEL, BRASS = (0.74, 0.76, 0.79), (0.66, 0.67, 0.69), (0.85, 0.68, 0.30)
SHOULDER = 0.018
"""[m] from the TCP to the end of the plug's grip: the fingertips reach 8 mm beyond the TCP, the
rest keeps them off the board"""


class UnknownConnector(ValueError):
    """No connector of that name; the message lists the names there are."""


@dataclass(frozen=True)
class Contacts:
    """Contact pins or blades as they look at the bottom of the socket."""

    positions: tuple[tuple[float, float], ...]
    """[m] centres in the profile's plane"""
    size: tuple[float, float]
    """[m] full size along x and y; equal: round"""


@dataclass(frozen=True)
class Connector:
    """A plug and its socket."""

    name: str
    polygon: tuple[tuple[float, float], ...]
    """[m] sharp corners of the plug's cross-section, convex, counter-clockwise, centred on the
    insertion axis"""
    corner_radius: float
    """[m] of the rounded corners and of the plug's rounded tip"""
    depth: float
    """[m] of plug inside the socket when fully inserted"""
    clearance: float
    """[m] between plug and socket on every side"""
    grip: tuple[float, float]
    """[m] x and y size of the part between the fingers; y is the gripper's width"""
    contacts: Contacts
    """what is seen in the socket"""
    shell: Colour = STEEL
    """of the part that enters"""
    body: Colour = (0.10, 0.10, 0.11)
    """of the part between the fingers"""
    insert: Colour = (0.05, 0.05, 0.06)
    """of the plastic that carries the contacts"""

    @property
    def profile(self) -> Array:
        """[m] (n, 2) the polygon as an array."""
        return np.array(self.polygon)

    @property
    def size(self) -> Array:
        """[m] (2,) extent of the plug's cross-section along x and y."""
        return np.ptp(round_polygon(self.profile, self.corner_radius, 16), axis=0)

    @property
    def hole(self) -> Array:
        """[m] (n, 2) corners of the socket's opening."""
        return offset_polygon(self.profile, self.clearance)

    @property
    def edges(self) -> Array:
        """[m] (n, 2) axes of the capsules of `corner_radius` whose hull is the plug."""
        return offset_polygon(self.profile, -self.corner_radius)

    @property
    def protrusion(self) -> float:
        """[m] from the TCP to the plug's tip."""
        return SHOULDER + self.depth


def _rectangle(width: float, height: float) -> tuple[tuple[float, float], ...]:
    """Counter-clockwise corners [m] of a rectangle of width x height mm."""
    x, y = 0.5 * width * MM, 0.5 * height * MM
    return ((-x, -y), (x, -y), (x, y), (-x, y))


def _d_shape(width: float, height: float, slant: float) -> tuple[tuple[float, float], ...]:
    """A trapezoid of width x height mm, broad side up, sides slanted by `slant` degrees."""
    x, y = 0.5 * width * MM, 0.5 * height * MM
    inset = height * MM * math.tan(math.radians(slant))
    return ((-x + inset, -y), (x - inset, -y), (x, y), (-x, y))


def _keyed_circle(diameter: float, flat: float, corners: int) -> tuple[tuple[float, float], ...]:
    """A circle of `diameter` mm cut off at y = -flat mm, the convex stand-in for the XLR's
    keyway.
    """
    radius, flat = 0.5 * diameter, -flat
    start = math.asin(flat / radius)
    angles = np.linspace(start, math.pi - start, corners)
    # The polygon's edges touch the circle from inside at the corners; the arc is short enough to
    # look round.
    return tuple((radius * MM * math.cos(a), radius * MM * math.sin(a)) for a in angles)


def _rows(*rows: tuple[int, float, float, float]) -> tuple[tuple[float, float], ...]:
    """Positions [m] of rows of contacts, each (count, pitch, y, shift along x) in mm."""
    return tuple(
        ((i - 0.5 * (count - 1)) * pitch * MM + shift * MM, y * MM)
        for count, pitch, y, shift in rows
        for i in range(count)
    )


def _bevelled(
    width: float, height: float, *bevels: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """A rectangle in mm with its lower left, then its lower right corner cut by (x, y) mm."""
    x, y = 0.5 * width, 0.5 * height
    corners: list[tuple[float, float]] = []
    left, right = bevels[0], bevels[1] if len(bevels) > 1 else (0.0, 0.0)
    corners += [(-x, -y + left[1]), (-x + left[0], -y)]
    corners += [(x - right[0], -y), (x, -y + right[1])] if any(right) else [(x, -y)]
    corners += [(x, y), (-x, y)]
    return tuple((a * MM, b * MM) for a, b in corners)


CONNECTORS = {
    connector.name: connector
    for connector in (
        Connector(
            "usb_a",
            _rectangle(12.0, 4.5),
            corner_radius=0.6 * MM,
            depth=11.75 * MM,
            clearance=0.35 * MM,
            grip=(16.0 * MM, 8.0 * MM),
            contacts=Contacts(_rows((4, 2.3, -0.6, 0.0)), (1.2 * MM, 0.5 * MM)),
            insert=(0.10, 0.22, 0.62),
        ),
        Connector(
            "vga",
            _d_shape(17.36, 8.3, 10.0),  # 16.9 wide once the acute corners are rounded
            corner_radius=1.2 * MM,
            depth=6.0 * MM,
            clearance=0.4 * MM,
            grip=(30.0 * MM, 14.0 * MM),
            contacts=Contacts(
                _rows((5, 2.29, 1.98, 0.0), (5, 2.29, 0.0, 0.57), (5, 2.29, -1.98, 0.0)),
                (0.9 * MM, 0.9 * MM),
            ),
            body=(0.09, 0.20, 0.55),
            insert=(0.06, 0.16, 0.48),
        ),
        Connector(
            "ethernet",
            _rectangle(11.7, 8.0),
            corner_radius=0.6 * MM,
            depth=11.0 * MM,
            clearance=0.4 * MM,
            grip=(14.0 * MM, 11.0 * MM),
            contacts=Contacts(_rows((8, 1.02, -2.6, 0.0)), (0.5 * MM, 1.6 * MM)),
            shell=(0.80, 0.84, 0.88),
            body=(0.93, 0.72, 0.10),
        ),
        Connector(
            "usb_c",
            _rectangle(8.34, 2.56),
            corner_radius=1.2 * MM,
            depth=6.2 * MM,
            clearance=0.3 * MM,
            grip=(12.0 * MM, 6.5 * MM),
            contacts=Contacts(_rows((12, 0.5, 0.0, 0.0)), (0.3 * MM, 0.5 * MM)),
            body=(0.85, 0.86, 0.88),
        ),
        Connector(
            "hdmi",
            _bevelled(13.9, 4.45, (1.6, 1.7), (1.6, 1.7)),
            corner_radius=0.5 * MM,
            depth=8.0 * MM,
            clearance=0.35 * MM,
            grip=(20.0 * MM, 9.5 * MM),
            contacts=Contacts(
                _rows((10, 1.0, 0.5, 0.0), (9, 1.0, -0.5, 0.0)), (0.4 * MM, 0.4 * MM)
            ),
            shell=BRASS,
        ),
        Connector(
            "displayport",
            _bevelled(16.1, 4.8, (2.2, 2.2)),
            corner_radius=0.5 * MM,
            depth=9.0 * MM,
            clearance=0.35 * MM,
            grip=(20.0 * MM, 10.0 * MM),
            contacts=Contacts(
                _rows((10, 1.0, 0.5, 0.5), (10, 1.0, -0.5, 0.5)), (0.4 * MM, 0.4 * MM)
            ),
            shell=NICKEL,
            body=(0.16, 0.45, 0.30),
        ),
        Connector(
            "xlr",
            _keyed_circle(16.0, 6.4, 12),
            corner_radius=1.2 * MM,
            depth=12.0 * MM,
            clearance=0.4 * MM,
            grip=(19.0 * MM, 19.0 * MM),
            contacts=Contacts(
                ((-3.2 * MM, 1.5 * MM), (3.2 * MM, 1.5 * MM), (0.0, -3.0 * MM)),
                (2.4 * MM, 2.4 * MM),
            ),
            shell=NICKEL,
            body=(0.60, 0.12, 0.12),
        ),
    )
}


def connector(name: str) -> Connector:
    """The connector of that name.

    Raises:
        UnknownConnector: there is none.
    """
    if name not in CONNECTORS:
        raise UnknownConnector(f"no connector '{name}'; there are: {', '.join(CONNECTORS)}")
    return CONNECTORS[name]
