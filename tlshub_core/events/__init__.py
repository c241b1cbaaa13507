# SPDX-License-Identifier: Apache-2.0
"""Events on their way: bounded queues in the agent, a process for each sink, and the sinks that come along."""
