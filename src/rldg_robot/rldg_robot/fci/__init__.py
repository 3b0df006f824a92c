# SPDX-License-Identifier: Apache-2.0
"""A Franka arm through libfranka, and the arm that is simulated behind libfranka's protocol."""
