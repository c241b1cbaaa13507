# SPDX-License-Identifier: Apache-2.0
"""Agents agree on keys over mutual TLS sessions between their nodes; a plugin supplies only the TLS engine."""
