# SPDX-License-Identifier: Apache-2.0
"""The bench: what capture costs, beside plain TCP and beside other ways to TLS, by work that is done in turns."""
