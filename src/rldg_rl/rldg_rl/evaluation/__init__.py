# SPDX-License-Identifier: Apache-2.0
"""How good a policy is: alone, beside another, and where its world is off."""
