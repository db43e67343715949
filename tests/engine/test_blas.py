"""OpenBLAS takes the reference BLAS's place before MLX is there, on Linux, where installed."""

import ctypes.util
import subprocess
import sys

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="macOS has Accelerate")
SAY = "from mlx_responses.engine.blas import blas_in_use; print(blas_in_use())"


def said_by(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode().strip()


@LINUX
def test_any_engine_module_interposes_openblas_where_it_is_installed():
    installed = ctypes.util.find_library("openblas") is not None
    said = said_by(f"import mlx_responses.engine.load; {SAY}")
    assert said.startswith("OpenBLAS" if installed else "reference BLAS")


@LINUX
def test_it_says_so_when_mlx_came_first():
    assert said_by(f"import mlx.core; {SAY}").startswith("reference BLAS")


def test_the_engines_values_import_without_mlx():
    loaded = said_by("import sys, mlx_responses.engine.job; print('mlx.core' in sys.modules)")
    assert loaded == "False"
