# SPDX-License-Identifier: Apache-2.0
"""The checksum of TFRecord files, which data sets and TensorBoard's event files are."""

from __future__ import annotations

import google_crc32c


def masked_crc(data: bytes) -> int:
    """crc32c of some bytes, masked."""
    return masked(google_crc32c.value(data))


def masked(crc: int) -> int:
    """A crc32c rotated and shifted, so that a crc of a crc is no weak one."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
