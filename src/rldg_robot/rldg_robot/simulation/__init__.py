# SPDX-License-Identifier: Apache-2.0
"""The twin: a simulated robot with the worlds of its tasks."""
