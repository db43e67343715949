"""What fuzzers send: raw JSON of any kind that a field may get, right and wrong; and raw bytes."""

import json
import struct

from hypothesis import strategies as st

NUMBERS = (
    *(
        "0",
        "-0",
        "1",
        "-1",
        "2",
        "0.5",
        "-0.0",
        "2.0000001",
        "100",
        "-100",
        "101",
        "65536",
        "65537",
    ),
    "1e308",
    "1e999",
    "-1e999",
    "5e-324",
    "1e-999",
    "NaN",
    "Infinity",
    "-Infinity",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1" * 400,
)
WRONG = (
    "null",
    "true",
    '""',
    '"1"',
    "[]",
    "{}",
    "[1]",
    '{"a":1}',
    '"\\ud800"',
    '"\\u0000"',
    "[[[[]]]]",
)
ANY = st.sampled_from([*NUMBERS, *WRONG])
SHORT = st.text(max_size=3)
TEXTS = st.text(max_size=12).map(json.dumps)


def fits(low: float, high: float) -> st.SearchStrategy[str]:
    """Mostly a number in a range, so that several fields are right at once; sometimes anything."""
    good = st.floats(low, high, width=32).map(repr)
    return st.one_of(good, good, good, ANY)


def whole(low: int, high: int) -> st.SearchStrategy[str]:
    """The same for whole numbers."""
    good = st.integers(low, high).map(str)
    return st.one_of(good, good, good, ANY)


TOKENS = st.sampled_from(["0", "65", "511", "99999", "-1", "x", "65.0", "1" * 30])
BIASES = st.dictionaries(TOKENS, fits(-100, 100), max_size=3).map(
    lambda biases: "{" + ",".join(f'"{token}":{bias}' for token, bias in biases.items()) + "}"
)
STOPS = st.one_of(TEXTS, st.lists(TEXTS, max_size=5).map(lambda all_: f"[{','.join(all_)}]"), ANY)
EFFORTS = st.sampled_from(['"none"', '"low"', '"high"', '"max"', '"?"', "1"])
GRAMMARS = st.sampled_from(
    [
        '{"type":"regex","value":"[a-c]{1,5}"}',
        '{"type":"regex","value":"(a*)*b"}',
        '{"type":"regex","value":"("}',
        '{"type":"regex","value":""}',
        '{"type":"lark","value":"start: \\"a\\" start | \\"b\\""}',
        '{"type":"lark","value":"start: nothing"}',
        '{"type":"json_schema","value":{"enum":[1,"a"]}}',
        '{"type":"json_schema","value":{"enum":[]}}',
        '{"type":"llguidance","value":"?"}',
    ]
)
SAMPLING: dict[str, st.SearchStrategy[str]] = {
    "temperature": fits(0, 2),
    "top_p": fits(0, 1),
    "top_k": whole(0, 65_536),
    "min_p": fits(0, 1),
    "presence_penalty": fits(-2, 2),
    "frequency_penalty": fits(-2, 2),
    "repetition_penalty": fits(0, 10),
    "logit_bias": BIASES,
    "seed": whole(-(2**63), 2**63 - 1),
    "stop": STOPS,
    "top_logprobs": whole(0, 20),
    "logprobs": st.sampled_from(["true", "false", "1"]),
    "dry_multiplier": fits(0, 100),
    "dry_base": fits(1, 10),
    "dry_allowed_length": whole(0, 128),
    "dry_sequence_breakers": STOPS,
    "stream": st.sampled_from(["true", "false", "null", "1"]),
    "reasoning": EFFORTS.map(lambda effort: f'{{"effort":{effort}}}'),
    "grammar": GRAMMARS,
    "truncation": st.sampled_from(['"auto"', '"disabled"', "0"]),
    "generate": st.sampled_from(["true", "false"]),
    "store": st.sampled_from(["true", "false", "0"]),
    "prompt_cache_key": TEXTS,
    "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2).map(
        json.dumps
    ),
}
LENGTHS = st.sampled_from(["1", "2", "8", "8", "8", "0", "-1", '"8"', "1.5", "NaN"])


@st.composite
def sampling_bodies(draw: st.DrawFn) -> str:
    """A request with a random choice from the menu of sampling parameters, as raw JSON."""
    names = draw(st.lists(st.sampled_from(sorted(SAMPLING)), max_size=8, unique=True))
    fields = {"model": '"pocket"', "input": draw(TEXTS), "max_output_tokens": draw(LENGTHS)}
    fields |= {name: draw(SAMPLING[name]) for name in names}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


KEYWORDS = (
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "$ref",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "pattern",
    "minLength",
    "maxLength",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "multipleOf",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "$defs",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "unevaluatedProperties",
    "$anchor",
    "a",
)
WORDS = ("object", "array", "string", "integer", "number", "null", "boolean", "#", "#/$defs/a", "")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([*WORDS, "^a+$", "(", "[", "(?=a)", "\\d{3}", "\ud800", "date-time"]),
    st.text(max_size=4),
)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
    ),
    max_leaves=25,
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One WebSocket frame of a client's: mostly lawful, with anything inside."""
    first = draw(
        st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0x8A, 0x83, 0xC1, 0xFF])
    )
    messages = ['{"type":"response.create","model":"pocket","input":"Hi"}', "{}", "[", '{"type":7}']
    text = draw(st.one_of(st.sampled_from(messages).map(str.encode), st.binary(max_size=40)))
    length = draw(st.sampled_from([len(text)] * 6 + [0, 125, 126, 127]))
    masked = draw(st.sampled_from([0x80] * 6 + [0]))
    if length < 126:
        head = bytes([first, masked | length])
    else:
        head = bytes([first, masked | length]) + draw(st.binary(min_size=8, max_size=8))
    if not masked:
        return head + text
    key = struct.pack("!I", draw(st.integers(0, 2**32 - 1)))
    return head + key + bytes(byte ^ key[n % 4] for n, byte in enumerate(text))


LINES = (
    b"GET /health HTTP/1.1\r\n",
    b"POST /v1/responses HTTP/1.1\r\n",
    b"GET /%ff HTTP/1.1\r\n",
    b"host: localhost\r\n",
    b"content-type: application/json\r\n",
    b"content-length: 3\r\n",
    *(
        b"content-length: -1\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"content-length: 3\r\n",
    ),
    *(
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: x, chunked\r\n",
        b"expect: 100-continue\r\n",
    ),
    *(
        b"connection: upgrade\r\n",
        b"upgrade: websocket\r\n",
        b"connection: close\r\n",
        b"upgrade: h2c\r\n",
    ),
    *(
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"3\r\n{} \r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"{}",
        b"\x00",
    ),
    *(
        b"GET http://x/health HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(
        b"HEAD /health HTTP/1.0\r\n",
        b"GET /v1/responses?stream=%00 HTTP/1.1\r\n",
        b"\x16\x03\x01\x02",
    ),
)
REQUESTS = st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=12)), max_size=12).map(
    b"".join
)
