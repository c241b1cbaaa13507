# SPDX-License-Identifier: Apache-2.0
"""Conformance classes and fakes for tests of plugins; needs pytest."""
