"""Runs that are kept: the file, what can be resumed from it, and what it tells from outside."""
