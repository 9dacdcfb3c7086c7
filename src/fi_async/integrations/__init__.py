"""Doors that other tools open: a plugin of pytest."""
