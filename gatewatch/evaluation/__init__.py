"""Judges findings against the labels of a world: recall, precision, delay, false alarms, culprits, luck.

Pure functions over documents: `labels.read_labels` and `claims.read_claims` take parsed JSON, `match.judge` says what
became of each incident and each finding, `figures.figures` counts, `luck.at_shuffled_times` shows what chance gives.
The rules, and why they are so, stand in docs/evaluation.md. Times inside are seconds since the epoch.
"""
