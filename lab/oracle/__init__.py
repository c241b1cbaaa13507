# SPDX-License-Identifier: Apache-2.0
"""The oracle of the lab: judges from a capture what crossed the wire, with no help from the agent."""
