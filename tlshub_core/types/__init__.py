# SPDX-License-Identifier: Apache-2.0
"""The values and interfaces that cross a border; import them from `tlshub_core.api`."""
