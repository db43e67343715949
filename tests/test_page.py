"""The page in a real, headless Chromium, over a real server with the pocket model: what a person
does there, by mouse and by keyboard, and that nothing lands in the console."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mlx_responses.app.keys import Keyring
from tests.app.scripted import ScriptedLive
from tests.serving import serving, serving_model

pytestmark = pytest.mark.web
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
)
WAIT_MS = 30_000
WEATHER = [{"type": "function", "name": "get_weather", "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                           "required": ["city"], "additionalProperties": False},
            "strict": True}]  # fmt: skip
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
          "additionalProperties": False}  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as running:
        channel = None if path else "chrome"
        yield running.chromium.launch(executable_path=path, channel=channel, args=QUIET.split())


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving_model(data_dir=tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture
def page(browser, url, tmp_path):
    """The page, opened; afterwards the console must be empty, and a picture is left behind."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#model option", state="attached")
    yield page
    page.screenshot(path=tmp_path / "page.png")
    context.close()
    assert said == []


def send(page, text):
    """Say something; when the answer is whole, its last turn."""
    page.fill("#input", text)
    page.press("#input", "Enter")  # at once, Stop stands in the place of Send
    page.wait_for_selector("#send", state="visible")
    return page.locator("#log > .turn").last


def until(page, happened):
    """Its content security policy lets no test look from within."""
    for _ in range(WAIT_MS // 50):
        if happened():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never happened")


def set_option(page, summary, field, value):
    page.click(f"summary:has-text('{summary}')")
    page.fill(field, value)


def test_an_answer_streams_and_the_chain_goes_on(page, url):
    first = send(page, "Hello!")
    assert first.locator(".text").inner_text().strip()
    chain = page.inner_text("#continues")
    assert re.fullmatch(r"Continues resp_\w+", chain)
    send(page, "My name is Anna.")
    assert page.inner_text("#continues") != chain
    made = httpx.get(f"{url}/v1/responses/{page.inner_text('#continues').split()[1]}").json()
    assert made["previous_response_id"] == chain.split()[1]


def test_stop_ends_it(page):
    set_option(page, "Sampling", "#max_output_tokens", "4000")
    page.fill("#input", "Count from 1 to 100.")
    page.click("#send")
    page.wait_for_selector("#log .text")
    page.click("#stop")
    page.wait_for_selector("#send", state="visible")
    assert "Stopped." in page.locator("#log").inner_text()


def test_a_call_is_answered_by_hand(page):
    set_option(page, "Tools and format", "#tools", json.dumps(WEATHER))
    turn = send(page, "What is the weather in Paris?")
    assert "get_weather" in turn.locator(".call strong").inner_text()
    assert "Paris" in turn.locator(".call pre").inner_text()
    turn.locator(".call textarea").fill("sunny, 21 degrees")
    turn.get_by_role("button", name="Answer the call").click()
    page.locator("#log > .turn").nth(1).wait_for()
    page.wait_for_selector("#send", state="visible")
    assert page.locator("#log > .turn").last.locator(".text").inner_text().strip()


def test_structured_output_is_set_out(page):
    set_option(page, "Tools and format", "#schema", json.dumps(PERSON))
    shown = send(page, "How old is Anna?").locator("pre").inner_text()
    assert set(json.loads(shown)) == {"age"}
    assert "\n" in shown


def test_wrong_json_is_told_and_nothing_is_lost(page):
    set_option(page, "Tools and format", "#tools", "[")
    page.fill("#input", "Hello!")
    page.click("#send")
    page.wait_for_selector("#log [role=alert]")
    assert "no JSON" in page.inner_text("#log [role=alert]")
    assert page.input_value("#input") == "Hello!"


def endless(route):
    body = json.loads(route.request.post_data) | {"logit_bias": {"65": 100}}
    route.continue_(post_data=json.dumps(body))


def start(page):
    """An answer without an end, begun by the keyboard alone."""
    page.route("**/v1/responses", endless)
    page.fill("#input", "Go on.")
    page.focus("#send")
    page.keyboard.press("Enter")
    page.wait_for_selector("#log .text")


def test_the_keyboard_is_never_left_nowhere_and_escape_stops(page):
    start(page)
    assert page.evaluate("document.activeElement.id") == "stop"
    assert page.get_attribute("#log", "aria-busy") == "true"
    page.keyboard.press("Enter")
    page.wait_for_selector("#send", state="visible")
    assert page.evaluate("document.activeElement.id") == "send"
    assert page.get_attribute("#log", "aria-busy") == "false"
    page.fill("#input", "Go on.")
    page.press("#input", "Enter")
    page.press("#input", "Escape")
    page.wait_for_selector("#log >> .turn:last-child >> text=Stopped.")


def test_a_new_chain_ends_what_runs_and_nothing_of_it_comes_back(page, url):
    start(page)
    page.click("#fresh")
    assert page.inner_text("#log") == ""
    assert page.locator("#send").is_visible()
    until(page, lambda: not httpx.get(f"{url}/api/turns").json()["data"])
    assert (page.inner_text("#log"), page.inner_text("#continues")) == ("", "Begins a new chain")


def test_who_has_scrolled_up_is_left_there(page):
    page.set_viewport_size({"width": 1200, "height": 260})
    start(page)
    log = "document.getElementById('log')"
    until(page, lambda: page.evaluate(f"{log}.scrollHeight > {log}.clientHeight + 200"))
    assert page.evaluate(f"{log}.scrollTop") > 0
    page.evaluate(f"{log}.scrollTop = 0")
    before = page.evaluate(f"{log}.scrollHeight")
    until(page, lambda: page.evaluate(f"{log}.scrollHeight") > before)
    assert page.evaluate(f"{log}.scrollTop") == 0
    page.click("#stop")


def test_the_request_can_be_copied_as_code_that_runs(page, url):
    page.fill("#input", "What's this?")
    page.click("[data-code=python]")
    page.wait_for_selector("#code[open]")
    code = page.input_value("#snippet")
    compile(code, "snippet", "exec")
    assert f'base_url="{url}/v1"' in code
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    page.click("#copy")
    page.wait_for_selector("#copy:has-text('Copied')")
    assert page.evaluate("window.copied") == code
    page.keyboard.press("Escape")
    page.click("[data-code=curl]")
    page.wait_for_selector("#code[open]")
    assert page.inner_text("#copy") == "Copy"
    assert "'\\''" in page.input_value("#snippet")


def test_a_chain_is_browsed_branched_exported_and_deleted(page, url):
    send(page, "Hello!")
    first = page.inner_text("#continues").split()[1]
    send(page, "What is your name?")
    page.click("#tab-history")
    page.locator("#stored button").first.click()
    root = page.locator(f"[data-node={first}]")
    turn = root.locator("> details")
    turn.locator("> summary").click()
    assert page.locator("#tree [data-node]").count() == 2
    with page.expect_download() as loaded:
        turn.get_by_text("Markdown").click()
    assert "Hello!" in Path(loaded.value.path()).read_text("utf-8")
    turn.get_by_role("button", name="Branch from here").click()
    assert first in page.inner_text("#continues")
    send(page, "And again: hello!")
    page.click("#tab-history")
    page.locator("#stored button").first.click()
    page.locator("#tree [data-node]").nth(2).wait_for()
    assert root.locator("[data-node]").count() == 1, "the branch stands inside what it leaves"
    turn.locator("> summary").click()
    turn.get_by_role("button", name="Delete").click()
    turn.get_by_role("button", name="Really delete?").click()
    page.wait_for_selector("#tree >> text=Deleted")
    assert httpx.get(f"{url}/v1/responses/{first}").status_code == 404


def test_history_tells_that_nothing_was_found_and_what_went_wrong(page):
    send(page, "Hello!")
    made = page.inner_text("#continues").split()[1]
    page.click("#tab-history")
    page.locator("#stored button").first.wait_for()
    page.fill("#words", "xyzzy")
    page.press("#words", "Enter")
    page.wait_for_selector("#stored >> text=No response has these words.")
    page.fill("#words", "")
    page.press("#words", "Enter")
    page.route("**/chain*", lambda one: one.fulfill(body="no JSON"))
    page.locator(f"#stored button[data-id={made}]").click()
    page.wait_for_selector("#tree [role=alert]")


def test_what_was_deleted_is_not_gone_on_from(page):
    send(page, "Hello!")
    page.click("#tab-history")
    page.locator("#stored button").first.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Really delete?").click()
    page.wait_for_selector("#tree >> text=Deleted")
    page.click("#tab-play")
    assert page.inner_text("#continues") == "Begins a new chain"


def test_a_large_tree_takes_one_request_and_each_turn_what_was_said_when_it_is_opened(page, url):
    with httpx.Client(base_url=url, timeout=60) as server:
        made = [None]
        for n in range(12):
            wanted = {"model": "pocket", "input": f"Number {n}", "max_output_tokens": 1}
            answer = server.post("/v1/responses", json={**wanted, "previous_response_id": made[-1]})
            made.append(answer.json()["id"])
    page.click("#tab-history")
    page.locator("#stored button").first.wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(url)))
    page.locator("#stored button").first.click()
    page.wait_for_selector("#tree details[open] .text")
    assert page.locator("#tree > div > ul > [data-node]").count() == 12
    assert sorted(asked) == [
        f"/api/responses/{made[-1]}/chain",
        f"/v1/responses/{made[-1]}",
        f"/v1/responses/{made[-1]}/input_items?order=desc&limit=1",
    ]
    row = page.locator(f"[data-node={made[3]}]")
    assert "Number 2" in row.inner_text()
    row.locator("summary").click()
    row.locator(".asked").wait_for()
    assert len(asked) == 5
    row.locator("summary").click()
    row.locator("summary").click()
    assert len(asked) == 5, "what was said is kept"
    page.route("**/chain*", lambda one: one.continue_(url=f"{one.request.url}{small(one)}"))
    page.locator("#stored button").first.click()
    more = page.get_by_role("button", name="More of this tree")
    more.wait_for()
    for count in (5, 10, 12):
        page.locator("#tree > div > ul > [data-node]").nth(count - 1).wait_for()
        assert page.locator("#tree [data-node]").count() == count
        if count < 12:
            more.click()
    assert more.is_hidden()


def small(route):
    return f"{'&' if '?' in route.request.url else '?'}limit=5"


def test_a_live_turn_is_cancelled_from_the_dashboard(page, url):
    endless = {"model": "pocket", "input": "Go on.", "logit_bias": {"65": 100}}
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(httpx.post, f"{url}/v1/responses", json=endless, timeout=60)
        page.click("#tab-server")
        button = page.get_by_role("button", name="Cancel")
        button.focus()
        page.wait_for_timeout(2500)  # it is looked at again, and the button keeps the focus
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.keyboard.press("Enter")
        page.wait_for_selector("#turns:has-text('Nothing is in flight.')")
        assert waiting.result(10).json()["status"] == "cancelled"


def test_the_playground_tells_that_its_turn_was_cancelled_elsewhere(page):
    set_option(page, "Sampling", "#max_output_tokens", "4000")
    page.fill("#input", "Count from 1 to 500.")
    page.click("#send")
    page.wait_for_selector("#log .text")
    page.click("#tab-server")
    page.get_by_role("button", name="Cancel").click()
    page.click("#tab-play")
    page.wait_for_selector("#log:has-text('Cancelled.')")
    assert page.locator("#send").is_visible()


def test_figures_and_plots_are_shown(page):
    send(page, "Hello!")
    page.click("#tab-server")
    page.wait_for_selector("#figures svg polyline", state="attached")
    assert "pocket" in page.inner_text("#loaded")
    assert "MiB" in page.inner_text("#figures")


def test_what_is_said_never_becomes_markup(page):
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"
    send(page, hostile)
    page.click("#tab-history")
    page.locator("#stored button").first.click()
    page.wait_for_selector("#tree .asked")
    assert page.locator("#log img, #log script, #tree img, #tree script").count() == 0
    assert page.title() == "mlx-responses"
    assert hostile in page.inner_text("#tree")


def test_dark_and_light_and_it_is_remembered(page):
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert dark != light
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_phone_needs_no_sideways_scrolling(page):
    page.set_viewport_size({"width": 360, "height": 740})
    send(page, "Hello!")
    for tab in ("#tab-play", "#tab-history", "#tab-server"):
        page.click(tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.click("#tab-history")
    page.locator("#stored button").first.click()
    page.wait_for_selector("#tree details[open] .text")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_reaches_everything(page):
    page.focus("#tab-play")
    page.keyboard.press("ArrowRight")
    assert page.locator("#history").is_visible()
    assert page.evaluate("document.activeElement.id") == "tab-history"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, textarea, select, button')].filter(e => "
        "!(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_the_api_is_shown_from_its_description(page, url):
    page.goto(f"{url}/docs")
    page.click("summary:has-text('POST /v1/responses')")
    assert "CreateResponse" in page.inner_text("#paths")


def test_a_server_that_asks_for_a_key_asks_here_once(browser, tmp_path):
    key = Keyring(tmp_path / "keys" / "api.json").add("anna")
    with (
        serving(ScriptedLive(), data_dir=tmp_path, loopback_key="required") as url,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(url)
        page.fill("#key", "sk-wrong")
        page.click("text=Sign in")
        page.wait_for_selector("#wrong:has-text('not known')")
        page.fill("#key", key)
        page.click("text=Sign in")
        page.wait_for_selector("#door", state="hidden")
        page.reload()
        page.click("[data-code=curl]")
        page.wait_for_selector("#code[open]")
        assert '"Authorization: Bearer $MLX_RESPONSES_KEY"' in page.input_value("#snippet")
        assert page.locator("#door").is_hidden()
