"""What makes two evaluations the same work: the template, who judges and by what, the parameters and the inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from fi_async.wire.requests import Parameters

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=repr)
_BYTES: Final = 12  # a million cases share a key by chance once in 10^17 runs


class Keys:
    """Names work by a hash of all that it is asked with, the same in every run and on every machine.

    Args:
        parameters: Of the template whose rows are named.
    """

    def __init__(self, parameters: Parameters) -> None:
        asked: list[Any] = [
            parameters.template,
            parameters.model,
            parameters.config,
            parameters.custom_eval_name,
            parameters.error_localizer,
        ]
        if parameters.fingerprint is not None:
            asked.append(parameters.fingerprint)
        if parameters.juror is not None:  # a vote is kept as such, and is no verdict
            asked.append({"juror": parameters.juror})
        if parameters.sample:  # the first is what it is without repeats: so a file of one goes on with several
            asked.append({"sample": parameters.sample})
        self._begun = blake2b(_ENCODER.encode(asked).encode(), digest_size=_BYTES)

    def of(self, inputs: Mapping[str, Any]) -> str:
        """Return the key of one set of inputs, as they are sent: 24 hex digits."""
        digest = self._begun.copy()
        digest.update(_ENCODER.encode(inputs).encode())
        return digest.hexdigest()
