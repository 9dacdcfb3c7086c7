"""Results of other tools as runs of ours: read row by row, and written by the journal's own writer."""
