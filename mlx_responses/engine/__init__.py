"""The engine: jobs in, tokens out, on one MLX thread. Knows token ids and nothing of any API.

Importing the package interposes OpenBLAS (Linux only): it must come before `import mlx`.
"""

from mlx_responses.engine import blas as blas
