"""Inputs that a fuzzer found, each with the target that it was fed to: they stay tests.

Long ones, and those of a binary format, are files: `found_files/TARGET/what_it_is`.
"""

from __future__ import annotations

from pathlib import Path

_PASTED: list[tuple[str, bytes]] = [
    ("condition", b"v>07777777777777777"),
    ("condition", b"v>=\xc2\xb2%"),
    ("environment", b"FI_BASE_URL=https://{b\xc3\xbccher.example"),
    ("environment", b"FI_BASE_URL=https://xn--zzzzzzzz99999.x"),
    ("command_line", b"run\nin.jsonl\n--eval\nis_json\n--limits\n" + b"9" * 5000 + b"/min"),
    ("command_line", b"serve\n--requests\n" + b"9" * 5000 + b"/min"),
    ("environment", "FI_BASE_URL=https://bü_x.example".encode()),
    ("environment", b"SSL_CERT_FILE=" + b"9" * 5000),
    ("environment", b"HTTPS_PROXY=http://p:1\nNO_PROXY=[::1]:" + b"9" * 5000),
    ("environment", b"FI_BASE_URL=https://_BASE_URexam[::0]:8"),
]
_FILES = sorted(Path(__file__).with_name("found_files").glob("*/*"))
FOUND = [*_PASTED, *((path.parent.name, path.read_bytes()) for path in _FILES)]
