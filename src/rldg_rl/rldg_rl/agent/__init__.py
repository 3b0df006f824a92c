# SPDX-License-Identifier: Apache-2.0
"""RLPD: networks, updates, and the weights that come of them."""
