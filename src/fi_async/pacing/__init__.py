"""When, how many, how often. Decisions only: each returns what to do, and nothing here waits."""
