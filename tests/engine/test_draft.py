"""Draft models: a smaller one guesses, and the text is the larger one's own."""

import msgspec
import pytest
import tiny
from test_jumps import PENALISED, steps_of
from watching import GREEDY

from mlx_responses.engine import draft
from mlx_responses.engine.job import Sampling
from mlx_responses.engine.load import Model, assemble, read_model
from mlx_responses.engine.pace import SIZES
from mlx_responses.errors import LoadFailed

WARM = Sampling(temperature=0.9, top_p=0.95, seed=11)
SAMPLINGS = {"greedy": GREEDY, "seeded": WARM, "penalised": PENALISED}
every_sampling = pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
on = pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
PROMPT = list(range(5, 205, 7))


@pytest.fixture
def drafting(start, folder_of):
    """Engines with a draft and without: the draft is the model itself, or another."""

    def make(on_device, *, same):
        def load(files):
            model = yield from assemble(files)
            other = folder_of("qwen3", "smaller", num_hidden_layers=1)
            draft = model.network if same else read_model(other).network
            return Model(model.network, model.loaded, model.footprint, draft)

        engines = [start(load, on_device=on_device), start(on_device=on_device, speculation=False)]
        for engine in engines:
            engine.load(folder_of())
        return engines

    return make


@on
@every_sampling
@pytest.mark.parametrize("same", [True, False], ids=["itself", "another"])
def test_text_equals_plain_decoding(drafting, on_device, sampling, same):
    with_it, without = drafting(on_device, same=same)
    job = with_it.submit(PROMPT, sampling=sampling, max_tokens=70)
    assert with_it.tokens(job) == without.say(PROMPT, sampling=sampling, max_tokens=70)


@on
@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "seeded"])
def test_a_draft_that_guesses_right_is_confirmed_whole(drafting, on_device, sampling):
    with_it, _ = drafting(on_device, same=True)
    job = with_it.submit(PROMPT, sampling=sampling, max_tokens=50)
    with_it.ending(job)
    first_guess = next(count for count in steps_of(with_it, job) if count > 1)
    assert first_guess > SIZES[0]


@on
def test_a_long_prompt_is_read_by_and_by_while_the_row_goes_on(drafting, on_device):
    with_it, without = drafting(on_device, same=True)
    prompt = [n * n % 250 for n in range(3 * draft.CHUNK_TOKENS)]
    job = with_it.submit(prompt, max_tokens=40)
    assert with_it.tokens(job) == without.say(prompt, max_tokens=40)
    steps = steps_of(with_it, job)
    assert steps[:2] == [1, 1]
    assert max(steps) > 1


@on
def test_rows_that_come_and_go_do_not_confuse_it(drafting, on_device):
    with_it, without = drafting(on_device, same=False)
    first = with_it.submit(PROMPT, sampling=WARM, max_tokens=80)
    with_it.wait_for(lambda: len(with_it.by_job[first]) > 10)
    second = with_it.submit([1, 2, 3], sampling=WARM, max_tokens=20)
    said = [with_it.tokens(job) for job in (first, second)]
    assert said[0] == without.say(PROMPT, sampling=WARM, max_tokens=80)
    assert said[1] == without.say([1, 2, 3], sampling=WARM, max_tokens=20)


def test_an_entry_names_its_draft_and_memory_counts_both(start, folder_of):
    watched = start()
    alone = watched.load(folder_of()).weights_bytes
    small = folder_of("qwen3", "smaller", num_hidden_layers=1)
    spec = msgspec.structs.replace(folder_of("qwen3", "larger"), draft=small.path)
    both = watched.load(spec)
    assert both.weights_bytes > alone
    job = watched.submit(PROMPT, loaded=both, max_tokens=40)
    assert watched.tokens(job) == watched.say(
        PROMPT, loaded=watched.load(folder_of()), max_tokens=40
    )


@pytest.mark.parametrize(
    ("kind", "why"), [("gpt_oss", "cannot be rewound"), ("qwen3", "has other tokens")]
)
def test_a_draft_that_cannot_guess_is_refused_by_name(start, folder_of, tmp_path, kind, why):
    other = tiny.write_model(tmp_path, kind)
    if why == "has other tokens":
        vocabulary = tmp_path / "tokenizer.json"
        vocabulary.write_text(vocabulary.read_text().replace('"!":', '"\\u0394":'))
    spec = msgspec.structs.replace(folder_of("qwen3", "refusing"), draft=other.path)
    with pytest.raises(LoadFailed, match=why):
        start().load(spec)
