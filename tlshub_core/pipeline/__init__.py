# SPDX-License-Identifier: Apache-2.0
"""The way of a connection, one step a file."""
