"""LLM evaluations at scale."""
