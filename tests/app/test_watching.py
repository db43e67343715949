"""What can be watched of a server: its log for programs, and what heads of answers say."""

import json
import logging
import re

import httpx
import pytest

from mlx_responses.app import serve
from mlx_responses.app.logs import Json, logged
from mlx_responses.app.settings import Settings
from mlx_responses.catalog import PACKAGED_CATALOG
from mlx_responses.errors import Overloaded
from tests.app.scripted import ScriptedLive
from tests.serving import in_thread, serving

ASKED = {"model": "pocket", "input": "The secret word is xylophone.", "max_output_tokens": 3}


def test_a_turn_is_one_json_line_with_the_clients_request_id_and_no_word_of_it(tmp_path):
    settings = Settings(
        port=0, models=PACKAGED_CATALOG, data_dir=tmp_path, log_format="json", log_stderr="off"
    )

    async def main(say, stop):
        with logged(settings):
            await serve.serve(settings, say, stop)

    with in_thread(main) as url:
        answer = httpx.post(
            f"{url}/v1/responses", json=ASKED, headers={"x-request-id": "trace-7"}, timeout=60
        )
    assert answer.headers["x-request-id"] == "trace-7"
    text = settings.log_path.read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    [turn] = [line for line in lines if "response" in line]
    assert (turn["request"], turn["response"]) == ("trace-7", answer.json()["id"])
    assert (turn["level"], turn["output"], turn["status"]) == ("info", 3, "incomplete")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", turn["time"])
    assert "xylophone" not in text


def test_a_traceback_stays_within_its_line():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    record = logging.LogRecord("some", logging.ERROR, "", 1, "%s broke", ("it",), found)
    line = Json().format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert said["message"] == "it broke"
    assert "ValueError: two\nlines" in said["traceback"]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
def test_answers_say_how_many_turns_are_still_taken_and_how_long_they_took(path):
    said = {"messages": [{"role": "user", "content": "Hi"}]} if "chat" in path else {"input": "Hi"}
    with serving(ScriptedLive(), max_turns=7) as url:
        headers = httpx.post(f"{url}{path}", json={"model": "pocket", **said}).headers
        others = httpx.get(f"{url}/v1/models").headers
    assert headers["x-ratelimit-limit-requests"] == "7"
    assert 0 <= int(headers["x-ratelimit-remaining-requests"]) <= 7
    assert int(headers["openai-processing-ms"]) >= 0
    assert "x-ratelimit-limit-requests" not in others


def test_a_refused_turn_says_when_to_come_back():
    full = Overloaded("Full.", retry_after_seconds=3)
    with serving(ScriptedLive(refusal=full), max_turns=1) as url:
        answer = httpx.post(f"{url}/v1/responses", json={"model": "pocket", "input": "Hi"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
