# SPDX-License-Identifier: Apache-2.0
"""From many bags to one dataset: which, where to, in what order."""
