# SPDX-License-Identifier: Apache-2.0
"""The pipeline of the agent on any Linux: connections replayed as the ring buffer would tell of them."""
