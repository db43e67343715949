"""The page's files: ours alone, self-contained, open without a key, closed to other scripts."""

import re

import httpx
import pytest

from mlx_responses.app.keys import Keyring
from mlx_responses.app.page import FOLDER, OPEN
from tests.app.scripted import ScriptedLive
from tests.serving import serving

TEXTS = {part.name: part.read_text("utf-8") for part in FOLDER.iterdir() if part.is_file()}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server that asks everybody for a key."""
    data = tmp_path_factory.mktemp("data")
    Keyring(data / "keys" / "api.json").add("anna")
    with serving(ScriptedLive(), data_dir=data, loopback_key="required") as url:
        yield url


@pytest.mark.parametrize("path", sorted(OPEN))
def test_it_needs_no_key_and_lets_no_other_script_run(url, path):
    got = httpx.get(url + path)
    assert got.status_code == 200
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert got.headers["x-content-type-options"] == "nosniff"


def test_a_browser_without_a_key_is_shown_where_to_give_it(url):
    got = httpx.get(f"{url}/openapi.json", headers={"accept": "text/html"})
    assert got.status_code == 401
    assert "This server asks for an API key" in got.text
    assert httpx.get(f"{url}/openapi.json").json()["error"]["code"] == "invalid_api_key"


def test_there_is_nothing_beside_its_files(url):
    for name in ("../page.py", "..%2fpage.py", "nothing.js"):
        assert httpx.get(f"{url}/web/{name}").status_code in (401, 404)


def test_nothing_comes_from_elsewhere_and_nothing_is_inline():
    for name, text in TEXTS.items():
        links = re.findall(r"""(?:src|href)="([^"]+)"|url\(([^)]+)\)""", text)
        for link in (one for pair in links for one in pair if one):
            assert link.startswith(("/", "#", "data:,")), (name, link)
        assert not re.search(r"<script>|\son\w+=\"|innerHTML|\beval\(|document\.write", text), name


def test_no_file_of_it_is_long():
    assert all(text.count("\n") <= 400 for text in TEXTS.values())


def colours(place):
    """The variables of the theme whose rule begins with `place`."""
    rule = TEXTS["style.css"].split(place, 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", rule))


def luminance(colour):
    """Relative, from 0 to 1 (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
@pytest.mark.parametrize(
    ("over", "under"),
    [
        *((text, ground) for text in ("text", "faint") for ground in ("back", "card", "thought")),
        *((text, ground) for text in ("mark", "bad") for ground in ("back", "card")),
        ("on-mark", "mark"),
    ],
)
def test_every_text_stands_out_from_its_ground(theme, over, under):
    light, dark = sorted((luminance(colours(theme)[name]) for name in (over, under)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # level AA of WCAG


def test_dark_is_the_same_by_choice_and_by_the_system():
    chosen = colours(':root[data-theme="dark"] {')
    assert colours(':root:not([data-theme="light"]) {') == chosen
    assert chosen.keys() == colours(":root {").keys()
