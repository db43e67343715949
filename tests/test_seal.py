"""What is sealed opens here, unchanged, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.errors import RequestError, StoreFailed
from mlx_responses.seal import Seal, read_key

SEAL = Seal(bytes(range(32)))


@given(st.text())
def test_what_is_sealed_opens_again(text):
    assert SEAL.open(SEAL.close(text, "reasoning"), "reasoning", param="p") == text


def test_two_seals_of_one_text_differ():
    assert SEAL.close("a", "reasoning") != SEAL.close("a", "reasoning")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "no base64 é",
        lambda sealed: sealed[:-8],
        lambda sealed: sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:],
        lambda _: Seal(bytes(32)).close("a", "reasoning"),
        lambda _: SEAL.close("a", "compaction"),
    ],
)
def test_anything_else_is_refused_by_name(spoil):
    with pytest.raises(RequestError) as refused:
        SEAL.open(spoil(SEAL.close("a", "reasoning")), "reasoning", param="input[0].x")
    assert refused.value.code == "invalid_encrypted_content"
    assert refused.value.param == "input[0].x"


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "seal.key"
    key = read_key(path)
    assert read_key(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [child.name for child in path.parent.iterdir()] == ["seal.key"]


def test_a_file_that_is_no_key_is_an_error_that_says_what_to_do(tmp_path):
    path = tmp_path / "seal.key"
    path.write_bytes(b"short")
    with pytest.raises(StoreFailed, match="Remove it"):
        read_key(path)
