# SPDX-License-Identifier: Apache-2.0
"""Jobs side by side: in processes, or on a Ray cluster."""
