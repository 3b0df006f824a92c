# SPDX-License-Identifier: Apache-2.0
"""How a command reads what was typed, and what it shows."""
