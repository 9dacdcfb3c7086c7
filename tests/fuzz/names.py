"""The names of the targets, known without making their seeds."""

from __future__ import annotations

NAMES = (
    *("jsonl", "json", "csv", "directory", "parquet", "stream"),  # readers
    *("condition", "settings", "project", "environment", "command_line"),  # what a user writes
    *("reply", "chat", "headers", "raw_reply", "raw_reply_over_aiohttp"),  # what a server says
    *("lines", "journal", "spool", "budget"),  # our own files
)
