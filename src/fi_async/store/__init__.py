"""Runs that several machines share: kept in PostgreSQL, in chunks that workers hold for a while."""
