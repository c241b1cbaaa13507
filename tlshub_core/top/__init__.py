# SPDX-License-Identifier: Apache-2.0
"""The live view of a running agent: 'tlshub-capture top'."""
