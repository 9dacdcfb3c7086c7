"""Datasets on the platform: rows go up, are evaluated there, and come back as a report."""
