"""Two processes that share one model, over loopback: they say what one alone would say, and when
one is killed, turns end with a failure that says so."""

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import jsonschema_rs
import mlx.core as mx
import pytest

from tests.engine.tiny import write_model
from tests.serving import COMMAND, serving_model, serving_process

END_SECONDS = 20
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A models.toml with a tiny random model that mlx-lm can share in both ways."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "tiny", "qwen2")
    names = mx.load(str(folder / "tiny" / "model.safetensors"))
    index = {"weight_map": dict.fromkeys(names, "model.safetensors")}
    (folder / "tiny" / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "models.toml").write_text(f'[models.tiny]\npath = "{folder / "tiny"}"\n')
    return folder / "models.toml"


@pytest.fixture(scope="module")
def alone(models, tmp_path_factory):
    """A server of one process."""
    data = tmp_path_factory.mktemp("alone")
    with serving_model(models=models, model="tiny", data_dir=data) as url:
        yield url


def free_ports(count):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def hostfile(folder):
    """What mlx.launch tells each of two processes on this machine."""
    hosts = [[f"127.0.0.1:{port}"] for port in free_ports(2)]
    (folder / "hosts.json").write_text(json.dumps(hosts))
    return {"MLX_HOSTFILE": str(folder / "hosts.json")}


@pytest.fixture(params=["tensor"])
def pair(models, tmp_path, request):
    """A server of two processes, as mlx.launch starts them: both processes, and the URL."""
    launcher = hostfile(tmp_path)
    settings = {"sharding": request.param, "models": str(models), "model": "tiny"}
    told = {f"MLX_RESPONSES_{name.upper()}": value for name, value in settings.items()}
    environment = {**launcher, **told, "MLX_RANK": "1"}
    second = subprocess.Popen([*COMMAND, "serve"], env=environment)
    try:
        launched = {**launcher, "MLX_RANK": "0"}
        with serving_process(tmp_path, launcher=launched, **settings) as (first, url):
            yield first, second, url
    finally:
        second.kill()
        second.wait()


def said(url, prompt, **fields):
    body = {"model": "tiny", "input": prompt, "max_output_tokens": 24, "seed": 7, **fields}
    made = httpx.post(f"{url}/v1/responses", json=body, timeout=60)
    assert made.status_code == 200, made.text
    return made.json()


def texts(url):
    """Greedy and sampled, three at once; then a chain that goes on from one of them."""
    with ThreadPoolExecutor(3) as pool:
        prompts = [("Hello", 0.0), ("Some longer text than the others", 1.5), ("Why?", 1.5)]
        made = list(pool.map(lambda one: said(url, one[0], temperature=one[1]), prompts))
    more = said(url, "And then?", temperature=1.5, previous_response_id=made[1]["id"])
    return [one["output_text"] for one in (*made, more)], more["usage"]["input_tokens_details"]


@pytest.mark.parametrize("pair", ["tensor", "pipeline"], indirect=True)
def test_two_say_what_one_would_and_end_together(pair, alone):
    first, second, url = pair
    shared, cached = texts(url)
    assert shared == texts(alone)[0]
    assert cached["cached_tokens"] > 0
    format_ = {"type": "json_schema", "name": "person", "schema": SCHEMA}
    bounded = said(url, "How old?", temperature=1.5, text={"format": format_})
    jsonschema_rs.validate(SCHEMA, json.loads(bounded["output_text"]))
    first.terminate()
    assert first.wait(END_SECONDS) == 0
    assert second.wait(END_SECONDS) == 0


def test_a_killed_process_fails_the_turns_at_once_and_no_more_are_taken(pair):
    _, second, url = pair
    body = {"model": "tiny", "input": "Hi", "stream": True, "max_output_tokens": 2000}
    with httpx.stream("POST", f"{url}/v1/responses", json=body, timeout=END_SECONDS) as stream:
        lines = stream.iter_lines()
        while "output_text.delta" not in next(lines):
            pass
        second.kill()
        last = [line for line in lines if line.startswith("data: {")][-1]
    failed = json.loads(last.removeprefix("data: "))
    assert failed["type"] == "response.failed"
    assert "is gone" in failed["response"]["error"]["message"]
    refused = httpx.post(f"{url}/v1/responses", json={"model": "tiny", "input": "Hi"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "Start the group again" in refused.json()["error"]["message"]
    ready = httpx.get(f"{url}/ready")
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "engine_lost")


def test_sharing_alone_is_refused_with_how_to_start(tmp_path: Path):
    told = {"MLX_RESPONSES_SHARDING": "tensor", "MLX_RESPONSES_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "serve"], env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "mlx.launch --hostfile hosts.json" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a path that each process sees otherwise")
def test_a_model_that_only_one_of_them_has_is_refused_by_both(models, tmp_path):
    catalog = tmp_path / "models.toml"
    catalog.write_text('[models.tiny]\npath = "/proc/self/cwd/tiny"\n')
    told = {
        **hostfile(tmp_path),
        "MLX_RESPONSES_SHARDING": "tensor",
        "MLX_RESPONSES_MODELS": str(catalog),
        "MLX_RESPONSES_MODEL": "tiny",
        "MLX_RESPONSES_PORT": "0",
        "MLX_RESPONSES_DATA_DIR": str(tmp_path),
    }
    started = [
        subprocess.Popen(
            [*COMMAND, "serve"],
            env={**told, "MLX_RANK": rank},
            cwd=cwd,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, cwd in (("0", models.parent), ("1", tmp_path))
    ]
    try:
        (_, first), (_, second) = [one.communicate(timeout=60) for one in started]
        assert [one.returncode for one in started] == [1, 0]
        assert "another process could not load it" in first
        assert "there is no folder" in second
    finally:
        for one in started:
            one.kill()
            one.communicate()
