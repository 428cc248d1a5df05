"""Log formats: each family one file; a format is data."""
