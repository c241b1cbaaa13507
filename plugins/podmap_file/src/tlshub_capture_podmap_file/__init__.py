# SPDX-License-Identifier: Apache-2.0
"""Mapping source 'podmap_file': pods and nodes from a text file."""

from __future__ import annotations

from tlshub_core.api import MappingSourceSpec, hookimpl

__all__ = ["tlshub_mapping_sources"]


@hookimpl
def tlshub_mapping_sources() -> list[MappingSourceSpec]:
    """Describe 'podmap_file'."""
    from tlshub_capture_podmap_file.source import Options, PodmapFile  # only who asks pays for the import

    summary = "pods and nodes from a text file: pod_name node_name [node_ip] [pod_ip]"
    return [MappingSourceSpec(name="podmap_file", summary=summary, config=Options, factory=PodmapFile)]
