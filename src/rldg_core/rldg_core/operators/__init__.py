# SPDX-License-Identifier: Apache-2.0
"""The traits of played persons, a YAML each: `rldg_robot.person` reads them, experiments depend on them."""

from pathlib import Path

OPERATORS = Path(__file__).parent
