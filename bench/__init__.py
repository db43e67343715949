"""Benchmarks: one script a question. Each prints machine, model and ratios of the same run."""
