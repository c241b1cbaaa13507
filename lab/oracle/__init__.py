# SPDX-License-Identifier: Apache-2.0
"""The oracle of the lab: tcpdump's captures, searched for markers, and judged by 'tlshub_core.verifying'."""
