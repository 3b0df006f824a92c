# SPDX-License-Identifier: Apache-2.0
"""Trained policies in control, specialists and students."""
