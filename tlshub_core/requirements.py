# SPDX-License-Identifier: Apache-2.0
"""Whether an installed distribution accepts the core that is running, before anything of it is imported."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

CORE = "tlshub-capture"

_ON_CORE = re.compile(r"\s*tlshub[-_.]+capture\s*(?![-_.\w])", re.IGNORECASE)


def unmet(distribution: Distribution, running: str) -> str:
    """The version range on the core that `running` does not meet, such as '<2,>=1'; empty where all is well.

    A requirement that cannot be parsed (PEP 508) is returned as it is written: nobody can tell whether it is met.
    Pre-releases of the core count as versions like any other.
    """
    for text in distribution.requires or ():
        if _ON_CORE.match(text) and (missed := _missed(text, running)):
            return missed
    return ""


def _missed(text: str, running: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement  # costs start-up time, so only when needed

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    if not applies or requirement.specifier.contains(running, prereleases=True):
        return ""
    return str(requirement.specifier)
