# SPDX-License-Identifier: Apache-2.0
"""One episode after the other: who is in control, what comes next."""
