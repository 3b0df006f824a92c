# SPDX-License-Identifier: Apache-2.0
"""Trained policies at the wheel, specialists and students."""
