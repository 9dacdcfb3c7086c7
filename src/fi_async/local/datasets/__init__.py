"""Datasets: rows that are uploaded, evaluated on the server by column, and read back."""
