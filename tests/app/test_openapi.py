"""GET /openapi.json describes every path as it is, with the Structs that read and write it."""

import httpx
import jsonschema_rs
import msgspec
import pytest
from scripted import ScriptedLive

from mlx_responses.wire.parameters import parameter_table
from tests.serving import serving


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(ScriptedLive(), data_dir=tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="module")
def document(url):
    return httpx.get(f"{url}/openapi.json").json()


def valid(document, name):
    """A validator of one of its schemas, references resolved."""
    return jsonschema_rs.validator_for({**document, "$ref": f"#/components/schemas/{name}"})


def test_every_reference_leads_somewhere_and_every_name_is_used_once(document):
    text = msgspec.json.encode(document).decode()
    for kind, named in document["components"].items():
        for name in named if kind != "securitySchemes" else ():
            assert f'"#/components/{kind}/{name}"' in text, name
    names = [verb["operationId"] for path in document["paths"].values() for verb in path.values()]
    assert len(names) == len(set(names)) > 25
    assert document["openapi"] == "3.1.0"


def test_paths_have_their_verbs_bodies_and_refusals(document):
    create = document["paths"]["/v1/responses"]["post"]
    body = create["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/CreateResponse"}
    assert set(create["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {"400", "401", "403", "404", "413", "415", "429", "500", "503"} <= set(
        create["responses"]
    )
    listed = document["paths"]["/api/responses"]["get"]["parameters"]
    assert [one["name"] for one in listed] == [
        "limit", "order", "after", "model", "status", "q", "metadata",
    ]  # fmt: skip
    assert "get" not in document["paths"]["/v1/responses"], "it is a WebSocket there"
    assert "/web/{name}" not in document["paths"]


def test_a_body_has_every_parameter_with_its_bounds(document):
    fields = document["components"]["schemas"]["CreateResponse"]["properties"]
    assert {row.name.split(".")[0] for row in parameter_table()} == set(fields)
    assert fields["n"]["enum"] == [None, 1]


BODIES = [
    ({"model": "pocket", "input": "Hi"}, True),
    ({"model": "pocket", "input": None, "stop": "x", "stream": None}, True),
    ({"model": "pocket", "input": [{"role": "user", "content": "Hi"}]}, True),
    ({"model": "pocket", "input": "Hi", "tools": [{"type": "web_search"}]}, True),
    ({"model": "pocket", "input": "Hi", "temperature": 3}, False),
    ({"model": "pocket", "input": "Hi", "metadata": {"a": 1}}, False),
    ({"model": "pocket", "input": "Hi", "prompt": {"id": "p"}}, False),
    ({"input": "Hi"}, False),
]


@pytest.mark.parametrize(("body", "good"), BODIES, ids=str)
def test_a_schema_takes_what_the_server_takes(document, url, body, good):
    assert valid(document, "CreateResponse").is_valid(body) is good
    if body.get("input") is not None:
        answer = httpx.post(f"{url}/v1/responses", json=body)
        assert (answer.status_code == 200) is good, answer.text


def test_what_is_answered_is_what_is_described(document, url):
    body = {"model": "pocket", "input": "Hi"}
    answers = {
        "Response": httpx.post(f"{url}/v1/responses", json=body),
        "Models": httpx.get(f"{url}/v1/models"),
        "Health": httpx.get(f"{url}/health"),
        "ErrorEnvelope": httpx.post(f"{url}/v1/responses", json={}),
    }
    for name, answer in answers.items():
        valid(document, name).validate(answer.json())
