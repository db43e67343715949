"""Benchmarks: one script a question. Each prints machine, model and ratios taken in the same run."""
