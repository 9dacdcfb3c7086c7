"""Runs that are kept: the journal, what can be resumed, and what is made of it afterwards."""
