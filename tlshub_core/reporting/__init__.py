# SPDX-License-Identifier: Apache-2.0
"""How the agent has performed since it started: connections by their timelines, and what the agent itself used."""
