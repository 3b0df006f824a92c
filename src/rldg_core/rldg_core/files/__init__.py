# SPDX-License-Identifier: Apache-2.0
"""Files that are read within limits, checked, and written whole or not at all."""
