# SPDX-License-Identifier: Apache-2.0
"""What crossed the wire, judged from the packets alone; the agent's own code is not asked."""
