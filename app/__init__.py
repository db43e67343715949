"""The runnable server: sockets, settings, signals.

What still means something in a notebook is elsewhere, in `mlx_responses`.
"""
