# SPDX-License-Identifier: Apache-2.0
"""Bags of this project's recorder: steps name the very messages that the policy saw."""
