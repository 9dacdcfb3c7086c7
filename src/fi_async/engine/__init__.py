"""The one engine: from cases to outcomes, whoever asks for them and whoever answers."""
