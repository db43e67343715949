"""What documents name is there: verbs, flags, variables, targets, modules, links, paths. Commands
that they show are run by test_shown.py."""

import argparse
import re
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest

from mlx_responses.app.__main__ import VERBS
from mlx_responses.app.build import build_app
from mlx_responses.app.cli.client import ENVIRONMENT_PREFIX
from mlx_responses.app.keys import Keyring
from mlx_responses.app.sessions import Sessions
from mlx_responses.app.settings import Settings, read_settings, setting_rows
from mlx_responses.app.websocket import Sockets
from mlx_responses.catalog import read_catalog
from tests.app.scripted import ScriptedLive
from tests.shown import TEXTS, fences
from tools.docs import PAGES, README, ROOT

VARIABLES = {row.variable for row in setting_rows()}
OTHER_VARIABLES = {f"{ENVIRONMENT_PREFIX}{name}" for name in ("CONFIG", "KEY", "URL")}


def parser_of(verb):
    parser = argparse.ArgumentParser(prog=verb, allow_abbrev=False)
    resolve_name(f"mlx_responses.app.cli.{verb}").add_arguments(parser)
    return parser


def test_every_verb_is_documented_beside_the_table():
    told = " ".join(re.sub(r"<!-- table.*?<!-- end -->", "", t, flags=re.S) for t in TEXTS.values())
    assert [verb for verb in VERBS if not re.search(rf"(`|mlx-responses ){verb}\b", told)] == []


def test_every_flag_and_variable_that_is_named_exists():
    text = " ".join(TEXTS.values())
    named = set(re.findall(rf"{ENVIRONMENT_PREFIX}[A-Z_]+", text))
    assert named - VARIABLES - OTHER_VARIABLES == {f"{ENVIRONMENT_PREFIX}"} & named
    flags = {option for verb in VERBS for option in flags_of(parser_of(verb))}
    for script in (ROOT / "bench").glob("*.py"):
        flags |= set(re.findall(r'"(--[a-z-]+)"', script.read_text("utf-8")))
    shown = re.findall(r"`(--[a-z][a-z-]+)", text)
    assert set(shown) - flags == set()


def flags_of(parser):
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from flags_of(child)


def test_every_target_of_make_and_module_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name, text in TEXTS.items():
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name}: make {target}"
        for module in re.findall(r"python -m ((?:app|bench|tools)[\w.]*)", text):
            assert find_spec(module), f"{name}: {module}"


def test_every_target_of_make_is_told_to_contributors():
    (targets,) = re.findall(
        r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    told = set(re.findall(r"make ([a-z-]+)", TEXTS["contributing.md"] + TEXTS[README.name]))
    assert set(targets.split()) - told == set()


def test_every_link_to_a_file_leads_to_one():
    for page in [*PAGES, ROOT / "SECURITY.md", ROOT / "ARCHITECTURE.md"]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        for path in re.findall(r"`((?:tests|bench|tools)/[\w/]+\.py)`", page.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_can_be_found_from_readme(page):
    assert page == README or f"docs/{page.name}" in TEXTS[README.name]


def test_what_is_shown_of_files_can_be_read(tmp_path):
    path = tmp_path / "shown.toml"
    shown = list(fences("toml"))
    assert {name for name, _, _ in shown} == {"configuration.md", "models.md"}
    for name, _, code in shown:
        path.write_text(code, "utf-8")
        if name == "configuration.md":
            assert read_settings({"config": str(path)}, {}).port == 9000
        else:
            assert read_catalog(Path(path)).resolve("gpt-5").name == "mine"


def test_every_message_and_code_of_troubleshooting_is_one_that_we_say():
    rooms = ("mlx_responses", "app", "tools")
    said = "\n".join(p.read_text("utf-8") for r in rooms for p in (ROOT / r).rglob("*.*[yh]"))
    symptoms = re.findall(r"^\| ([^|]*`[^|]*) \|", TEXTS["troubleshooting.md"], re.MULTILINE)
    told = {word for symptom in symptoms for word in re.findall(r"`([^`]+)`", symptom)}
    assert len(told) > 10
    assert {word for word in told if word not in said} == set()


def test_the_endpoints_of_readme_are_those_of_the_server(tmp_path):
    live, settings = ScriptedLive(), Settings()
    sessions = Sessions(Keyring(tmp_path / "keys.json"))
    app = build_app(live, settings, Sockets(live, settings), sessions)
    served = {
        (method, re.sub(r"\{\w+\}", "{}", route.path_format))
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    rows = re.findall(
        r"^\| ([^|]*) \| (?:native|adapted|ours) \|", TEXTS[README.name], re.MULTILINE
    )
    told = {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for row in rows
        for path in re.findall(r"/[\w/{}.]*", row)
        for method in re.findall(r"[A-Z]{3,}", row)
    }
    assert told == served
