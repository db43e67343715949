"""Looking responses up, counting, compacting; conversations; /api/: as any HTTP client would."""

import time

import httpx
import pytest

from mlx_responses.catalog import PACKAGED_CATALOG
from tests.app.scripted import ScriptedLive
from tests.serving import serving, serving_model

USER = {"role": "user", "content": "x"}
ENDLESS = {"logit_bias": {"65": 100}, "temperature": 0}
"""One token for ever: only a budget or a cancel ends it."""


@pytest.fixture(scope="module")
def client(pocket_server):
    with httpx.Client(base_url=pocket_server, timeout=30) as one:
        yield one


def make(client, path="/v1/responses", **fields):
    body = {"model": "pocket", "input": "Hello!", "max_output_tokens": 8, **fields}
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def error_of(answer, status):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    return error


def events_of(answer):
    assert answer.headers["content-type"].startswith("text/event-stream")
    *frames, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [httpx.Response(200, text=f.split("\ndata: ")[1]).json() for f in frames]


def test_a_response_is_retrieved_as_it_ended_and_deleted_once(client):
    made = make(client)
    path = f"/v1/responses/{made['id']}"
    query = {"include": ["message.output_text.logprobs"], "include[]": "file_search_call.results"}
    assert client.get(path, params=query).json() == made
    headers = {"content-type": "application/json"}
    deleted = client.request("DELETE", path, headers=headers).json()
    assert deleted == {"id": made["id"], "object": "response", "deleted": True}
    for method, gone in [("GET", path), ("DELETE", path), ("GET", f"{path}/input_items")]:
        error_of(client.request(method, gone), 404)
    error_of(client.post(f"{path}/cancel"), 404)
    refused = client.post(
        "/v1/responses", json={"model": "pocket", "input": "x", "previous_response_id": made["id"]}
    )
    assert error_of(refused, 400)["code"] == "previous_response_not_found"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("include=nothing", "include[0]"),
        ("include[]=message.output_text.logprobs&include[]=x", "include[1]"),
        ("stream=maybe", "stream"),
        ("stream=true&starting_after=x", "starting_after"),
        ("stream=true&starting_after=-1", "starting_after"),
        ("include_obfuscation=2", "include_obfuscation"),
        ("stream=true", "stream"),
    ],
)
def test_a_wrong_query_is_refused_by_name(client, query, param):
    made = make(client)
    assert error_of(client.get(f"/v1/responses/{made['id']}?{query}"), 400)["param"] == param


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=msg_nobody", "after"),
    ],
)
def test_a_wrong_page_is_refused_by_name(client, query, param):
    made = make(client)
    path = f"/v1/responses/{made['id']}/input_items?{query}"
    assert error_of(client.get(path), 400)["param"] == param


def test_input_items_page_through_the_whole_prompt(client):
    first = make(client)
    second = make(client, input="And?", previous_response_id=first["id"])
    path = f"/v1/responses/{second['id']}/input_items"
    newest = client.get(path, params={"limit": 1}).json()
    assert newest["data"][0]["content"] == [{"type": "input_text", "text": "And?"}]
    assert newest["has_more"] is True
    rest = client.get(path, params={"after": newest["last_id"]}).json()
    assert [item["role"] for item in rest["data"]] == ["assistant", "user"]
    assert rest["object"] == "list"


def test_a_background_turn_is_polled_cancelled_and_streamed_again(client):
    made = make(client, background=True, max_output_tokens=3000, **ENDLESS)
    path = f"/v1/responses/{made['id']}"
    assert made["status"] == "queued"
    while client.get(path).json()["status"] == "queued":
        time.sleep(0.01)
    assert client.get("/api/turns").json()["data"][0]["id"] == made["id"]
    ended = client.post(f"{path}/cancel").json()
    assert ended["status"] == "cancelled"
    assert client.post(f"{path}/cancel").json() == ended == client.get(path).json()
    whole = events_of(client.get(path, params={"stream": "true"}))
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    rest = events_of(client.get(path, params={"stream": "true", "starting_after": 3}))
    assert rest == whole[4:]


def test_a_background_stream_survives_its_reader(client):
    body = {"model": "pocket", "input": "Hello!", "background": True, "stream": True}
    with client.stream("POST", "/v1/responses", json=body) as answer:
        lines = answer.iter_lines()
        first, made = next(lines), next(lines)
    assert first == "event: response.created"
    response_id = made.split('"id":"')[1].split('"')[0]
    path = f"/v1/responses/{response_id}"
    assert events_of(client.get(path, params={"stream": "true"}))[-1]["response"] == (
        client.get(path).json()
    )


def test_only_background_turns_can_be_cancelled(client):
    error = error_of(client.post(f"/v1/responses/{make(client)['id']}/cancel"), 400)
    assert error["message"] == "Cannot cancel a synchronous response."


def test_the_count_is_the_usage_of_the_same_request(client):
    body = {"model": "pocket", "input": "What is 2 + 2?", "instructions": "Be brief."}
    counted = client.post("/v1/responses/input_tokens", json=body).json()
    assert counted["object"] == "response.input_tokens"
    assert counted["input_tokens"] == make(client, **body)["usage"]["input_tokens"]


def test_a_compacted_window_is_good_as_input(client):
    first = make(client)
    window = make(client, "/v1/responses/compact", previous_response_id=first["id"])
    assert [item["type"] for item in window["output"]] == ["compaction"]
    make(client, input=[*window["output"], {"role": "user", "content": "Go on."}])


def test_a_session_comes_from_the_header_unless_the_body_names_one():
    live = ScriptedLive()
    headers = {"x-session-id": "header"}
    with serving(live) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        make(client)
        make(client, session_id="body")
        body = {"model": "pocket", "input": "x"}
        long = client.post("/v1/responses", json=body, headers={"x-session-id": "s" * 129})
    assert [request.session_id for request in live.asked] == ["header", "body"]
    assert error_of(long, 400)["param"] == "session_id"


def test_a_conversation_lives_and_dies(client):
    made = client.post(
        "/v1/conversations",
        json={"metadata": {"a": "b"}, "items": [{"role": "user", "content": "My name is Ada."}]},
    ).json()
    path = f"/v1/conversations/{made['id']}"
    assert client.get(path).json() == made
    turn = make(client, conversation=made["id"])
    assert turn["conversation"] == {"id": made["id"]}
    items = client.get(f"{path}/items", params={"order": "asc"}).json()["data"]
    assert [item["role"] for item in items] == ["user", "user", "assistant"]
    one = f"{path}/items/{items[0]['id']}"
    assert client.get(one).json() == items[0]
    assert client.delete(one).json() == made
    error_of(client.get(one), 404)
    added = client.post(f"{path}/items", json={"items": [{"role": "user", "content": "x"}]}).json()
    assert added["data"][0]["content"] == [{"type": "input_text", "text": "x"}]
    changed = client.post(path, json={"metadata": {"c": "d"}}).json()
    assert changed["metadata"] == {"c": "d"}
    assert client.delete(path).json() == {
        "id": made["id"],
        "object": "conversation.deleted",
        "deleted": True,
    }
    error_of(client.get(path), 404)
    assert client.get(f"/v1/responses/{turn['id']}").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/conversations", {"items": [USER] * 21}, 400, "items"),
        ("/v1/conversations", {"metadata": {"a": 1}}, 400, "metadata.a"),
        ("/v1/conversations/conv_x", {"metadata": {}}, 404, None),
        ("/v1/conversations/conv_x", {}, 400, "metadata"),
        ("/v1/conversations/conv_x/items", {"items": []}, 400, "items"),
        ("/v1/conversations/conv_x/items", {"items": [USER]}, 404, None),
    ],
)
def test_what_a_conversation_cannot_take_is_refused(client, path, body, status, param):
    assert error_of(client.post(path, json=body), status)["param"] == param


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"model": "pocket", "input": []}, "input"),
        ("/input_tokens", {"model": "pocket"}, "input"),
        ("/input_tokens", {"input": "x"}, "model"),
        ("/compact", {"model": "pocket"}, "input"),
        ("/compact", {"input": "x"}, "model"),
    ],
)
def test_a_request_that_says_nothing_is_refused(client, path, body, param):
    error = error_of(client.post(f"/v1/responses{path}", json=body), 400)
    assert (error["param"], error["code"]) == (param, "missing_required_parameter")


def test_an_unknown_conversation_is_refused_by_name(client):
    body = {"model": "pocket", "input": "x", "conversation": "conv_x"}
    for path in ("/v1/responses", "/v1/responses/input_tokens"):
        assert error_of(client.post(path, json=body), 404)["param"] == "conversation"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", "/v1/responses/resp_x", 405),
        ("GET", "/v1/responses/compact", 405),
        ("GET", "/v1/conversations", 405),
        ("POST", "/api/responses", 405),
        ("GET", "/api/nothing", 404),
    ],
)
def test_unknown_paths_and_wrong_verbs_get_the_envelope(client, method, path, status):
    assert error_of(client.request(method, path), status)["param"] is None


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("after=resp_x", "after"),
        ("status=done", "status"),
        ("metadata=x", "metadata"),
        ("metadata[]=x", "metadata"),
    ],
)
def test_a_wrong_search_is_refused_by_name(client, query, param):
    assert error_of(client.get(f"/api/responses?{query}"), 400)["param"] == param


def test_stored_responses_are_listed_searched_and_drawn_as_a_tree(client):
    root = make(client, input="Tell me about zebras.", metadata={"kind": "tree"})
    forks = [make(client, input=text, previous_response_id=root["id"]) for text in ("a", "b")]
    found = client.get("/api/responses", params={"q": "zebras"}).json()["data"]
    assert [one["id"] for one in found] == [root["id"]]
    tagged = client.get("/api/responses", params={"metadata[kind]": "tree"}).json()
    assert tagged["data"] == [root]
    query = {"limit": 1, "model": "pocket", "status": "incomplete"}
    newest = client.get("/api/responses", params=query).json()
    assert (newest["last_id"], newest["has_more"]) == (forks[1]["id"], True)
    tree = client.get(f"/api/responses/{forks[0]['id']}/chain").json()["data"]
    assert [(node["id"], node["parent"]) for node in tree] == [
        (root["id"], None),
        (forks[0]["id"], root["id"]),
        (forks[1]["id"], root["id"]),
    ]
    assert tree[0]["asked"] == "Tell me about zebras."
    page = client.get(f"/api/responses/{root['id']}/chain?limit=1&after={root['id']}").json()
    assert ([node["id"] for node in page["data"]], page["has_more"]) == ([forks[0]["id"]], True)
    for query, param in (("limit=1001", "limit"), ("order=desc", "order"), ("after=x", "after")):
        refused = error_of(client.get(f"/api/responses/{root['id']}/chain?{query}"), 400)
        assert refused["param"] == param
    error_of(client.get("/api/responses/resp_x/chain"), 404)


def test_after_a_restart_a_chain_goes_on_from_disk(tmp_path):
    """Through the true server, twice over one data directory; and the prompt that it names."""
    home = {"models": PACKAGED_CATALOG, "data_dir": tmp_path}
    question = "Please remember all of this. " * 20
    with serving_model(**home) as url, httpx.Client(base_url=url, timeout=30) as client:
        first = make(client, input=question)
    with serving_model(**home) as url, httpx.Client(base_url=url, timeout=30) as client:
        link = {"previous_response_id": first["id"], "input": "And?", "temperature": 0}
        usage, text = make(client, **link)["usage"], make(client, **link)["output_text"]
        assert usage["input_tokens_details"]["cached_tokens"] > 0.8 * usage["input_tokens"]
        history = [
            {"role": "user", "content": question},
            *first["output"],
            {"role": "user", "content": "And?"},
        ]
        plain = make(client, input=history, temperature=0, store=False)
        assert plain["output_text"] == text
        assert plain["usage"]["input_tokens"] == usage["input_tokens"]
