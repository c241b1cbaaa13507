# SPDX-License-Identifier: Apache-2.0
"""Everything at once for as long as asked: what becomes of connections, memory and the wire meanwhile."""
