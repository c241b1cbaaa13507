# SPDX-License-Identifier: Apache-2.0
"""'bench': an echo server and a client that compare ways to carry the same bytes; see docs/benchmarking.md."""
