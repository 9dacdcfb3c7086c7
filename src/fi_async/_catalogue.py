"""The system templates' facts, as the platform's registry lists them, shipped so that a known name costs no request.

Floor 0: read by the protocol and, on the other side of the wire, by the embedded backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


@cache
def rows() -> Mapping[str, Mapping[str, Any]]:
    """The 156 system templates by name, each a JSON object with at least name, required_keys and output.

    Read on first use: importing the package does not pay for it.
    """
    text = resources.files("fi_async").joinpath("catalogue.json").read_text(encoding="utf-8")
    return MappingProxyType({row["name"]: row for row in json.loads(text)})
