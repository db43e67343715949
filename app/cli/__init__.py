"""The verbs of the command line, a file each: `add_arguments(parser)` and `run(arguments, say)`.

A verb's file is imported only when it is called, so each may import what it needs.
"""
