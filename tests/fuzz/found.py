"""Inputs that a fuzzer found, each with the target that it was fed to: they stay tests."""

from __future__ import annotations

FOUND: list[tuple[str, bytes]] = [
    ("condition", b"v>07777777777777777"),
    ("condition", b"v>=\xc2\xb2%"),
    ("environment", b"FI_BASE_URL=https://{b\xc3\xbccher.example"),
    ("environment", b"FI_BASE_URL=https://xn--zzzzzzzz99999.x"),
]
