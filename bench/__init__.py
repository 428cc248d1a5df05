"""Benchmarks that print ratios, and the kill test."""
