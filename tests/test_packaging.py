"""What leaves the checkout: the wheel, the source archive, and the versions they ask for."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlx_responses import __version__
from tools.formula import formula

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONSTRAINTS = [
    line
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
UNTIDY = shutil.ignore_patterns("__pycache__", "*.egg-info")


def python(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    """Standard output of a fresh interpreter, which looks for packages in `path` first."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(path)} if path else {},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(kind: str, source: Path, out: Path) -> Path:
    """What pip does, in this environment: the PEP 517 hook `build_wheel` or `build_sdist`."""
    out.mkdir(exist_ok=True)
    program = f"import sys; from setuptools.build_meta import {kind}; {kind}(sys.argv[1])"
    python("-c", program, str(out), cwd=source)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, as git would give it: no left-over of an earlier build is in it."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "models.toml"):
        shutil.copy(ROOT / name, copy)
    for name in ("mlx_responses", "app", "tests"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=UNTIDY)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build("build_wheel", source, tmp_path_factory.mktemp("wheel") / "out")


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_both_packages_with_their_data_and_nothing_else(source, unpacked):
    expected = {f"mlx_responses/{name}" for name in files(source / "mlx_responses")}
    expected |= {f"mlx_responses/app/{name}" for name in files(source / "app")}
    carried = {name for name in files(unpacked) if ".dist-info/" not in name}
    assert carried == expected
    assert {"mlx_responses/py.typed", "mlx_responses/models.toml"} <= carried


def test_the_wheel_carries_the_catalog_itself_not_the_link(unpacked):
    carried = unpacked / "mlx_responses" / "models.toml"
    assert not carried.is_symlink()
    assert carried.read_bytes() == (ROOT / "models.toml").read_bytes()


def test_the_wheel_names_its_command_and_its_licence(unpacked):
    (info,) = unpacked.glob("*.dist-info")
    commands = (info / "entry_points.txt").read_text()
    assert "mlx-responses = mlx_responses.app.__main__:main" in commands
    assert (info / "licenses" / "LICENSE").is_file()
    assert "License-Expression: MIT" in (info / "METADATA").read_text()


def test_a_formula_can_be_written_for_the_wheel(wheel):
    text = formula(wheel, wheel.as_uri(), "https://example.org")
    assert f'version "{__version__}"' in text
    assert f'desc "{PROJECT["description"]}"' in text


def test_the_unpacked_wheel_runs_away_from_the_checkout(unpacked, tmp_path):
    program = (
        "from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog\n"
        "from mlx_responses.app.__main__ import main\n"
        "pocket = read_catalog(PACKAGED_CATALOG).resolve('pocket')\n"
        "print(PACKAGED_CATALOG, pocket.folder, sep='\\n', flush=True)\n"
        "main(['serve', '--help'])\n"
    )
    catalog, pocket, *usage = python("-c", program, cwd=tmp_path, path=unpacked).splitlines()
    assert Path(catalog).is_relative_to(unpacked)
    assert Path(pocket).is_relative_to(unpacked)
    assert files(Path(pocket)) == files(ROOT / "mlx_responses" / "pocket")
    assert "--data-dir" in " ".join(usage)


def test_the_source_archive_builds_the_same_wheel(source, wheel, tmp_path):
    sdist = build("build_sdist", source, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.glob("mlx_responses-*")
    assert not (folder / "mlx_responses" / "models.toml").is_symlink()
    again = build("build_wheel", folder, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())


def test_the_checkout_runs_as_python_dash_m_app():
    assert "--data-dir" in python("-m", "app", "serve", "--help", cwd=ROOT)


def test_every_package_imported_is_a_declared_dependency():
    imported = set()
    for path in [*(ROOT / "mlx_responses").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    theirs = imported - sys.stdlib_module_names - {"mlx_responses"}
    owners = metadata.packages_distributions()
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    undeclared = {
        name
        for name in theirs
        if not declared & {canonicalize_name(owner) for owner in owners.get(name, ())}
    }
    assert undeclared == set()


def test_constraints_are_exact_versions_without_addresses():
    assert CONSTRAINTS
    assert [line for line in CONSTRAINTS if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_constraints_agree_with_what_the_project_asks_for():
    exact = dict(line.split("==") for line in CONSTRAINTS)
    exact = {canonicalize_name(name): version for name, version in exact.items()}
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, asked):
        assert requirement.url is None
        assert requirement.specifier.contains(exact[canonicalize_name(requirement.name)])
