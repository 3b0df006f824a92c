# SPDX-License-Identifier: Apache-2.0
"""One episode after the other: who has the wheel, what comes next."""
