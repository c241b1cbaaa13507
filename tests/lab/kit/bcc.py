# SPDX-License-Identifier: Apache-2.0
"""Agents of the backend 'bcc', for which lab/bcc compiles the programs before the lab starts."""

from __future__ import annotations

import os

import pytest

BCC = {"capture.backend": '"bcc"'}
PERF = {**BCC, "plugin.bcc.events": '"perf"'}
STOP = {**BCC, "plugin.bcc.hold": '"stop"'}
needs_bcc = pytest.mark.skipif(not os.environ.get("LAB_BCC"), reason="'lab/bcc' compiled no programs: it says why")
