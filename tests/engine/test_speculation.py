"""Proposed tokens: what is said is what stepping says, in fewer steps."""

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_guided_rows import Script, packed
from test_jumps import PENALISED, steps_of
from watching import GREEDY

from mlx_responses.engine.job import Sampling, Token
from mlx_responses.engine.load import Model, assemble
from mlx_responses.engine.lookup import NGRAM, Lookup
from mlx_responses.engine.pace import LONGEST_REST, PLAIN, SIZES, STALE_STEPS, Costs, Pace

CIRCLE = 30
WARM = Sampling(temperature=0.9, top_p=0.95, seed=11)
SAMPLINGS = {"greedy": GREEDY, "seeded": WARM, "penalised": PENALISED}
every_sampling = pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
on = pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])


class Counting:
    """A network that likes to count up to `CIRCLE`, over and over; its own mind decides too."""

    def __init__(self, network):
        self.network = network

    def __call__(self, inputs, cache=None):
        logits = self.network(inputs, cache=cache)
        following = mx.arange(logits.shape[-1]) == (inputs[..., None] + 1) % CIRCLE
        return logits / 4 + mx.where(following, 10.0, 0.0)

    def __getattr__(self, name):
        return getattr(self.network, name)


def counting(files):
    model = yield from assemble(files)
    return Model(Counting(model.network), model.loaded, model.footprint)


@pytest.fixture
def pair(start, folder_of):
    """Engines with and without speculation: `pair(on_device, kind)`."""

    def make(on_device=False, kind="qwen3"):
        engines = [start(counting, on_device=on_device, speculation=with_it) for with_it in (1, 0)]
        for engine in engines:
            engine.load(folder_of(kind))
        return engines

    return make


@on
@every_sampling
def test_text_equals_plain_decoding_in_fewer_steps(pair, on_device, sampling):
    with_it, without = pair(on_device)
    for prompt in (list(range(CIRCLE)), "hello, hello, hello, hel", list(range(100)) * 3):
        job = with_it.submit(prompt, sampling=sampling, max_tokens=90)
        assert with_it.tokens(job) == without.say(prompt, sampling=sampling, max_tokens=90)
        assert sampling is PENALISED or max(steps_of(with_it, job)) > 1


@on
@pytest.mark.parametrize("kind", ["gpt_oss", "gemma3_text", "qwen3_next"])
def test_a_cache_that_cannot_be_rewound_is_left_alone(pair, kind, on_device):
    with_it, without = pair(on_device, kind)
    prompt = list(range(5))
    assert with_it.say(prompt, max_tokens=60) == without.say(prompt, max_tokens=60)


@on
@every_sampling
def test_masks_hold_and_the_guide_hears_only_what_was_said(pair, on_device, sampling):
    said = []
    for engine in pair(on_device):
        guide = Script(*[None if n % 7 else [n % CIRCLE, 100, 101] for n in range(80)])
        said.append(engine.say(list(range(CIRCLE)), sampling=sampling, guide=guide, max_tokens=80))
        assert guide.said == said[-1][:-1]
    assert said[0] == said[1]


class Spelled(Script):
    """Twelve letters that are certain, of which each may be said in two ways."""

    LETTERS = range(12)

    def mask(self):
        place = len(self.said)
        return packed(place, place + 100) if place < 12 else None

    def forced(self):
        return list(self.LETTERS[len(self.said) :])


@on
def test_a_forced_text_is_guessed_as_the_tokenizer_spells_it(pair, on_device):
    with_it, without = pair(on_device)
    job = with_it.submit([90, CIRCLE - 1], guide=Spelled(), max_tokens=12)
    assert with_it.tokens(job) == without.say([90, CIRCLE - 1], guide=Spelled(), max_tokens=12)
    assert max(steps_of(with_it, job)) > 1


@on
def test_an_end_in_an_accepted_run_is_the_end(pair, on_device):
    with_it, without = pair(on_device)
    whole = without.say(list(range(CIRCLE)), max_tokens=40)
    for max_tokens in range(20, 40):
        job = with_it.submit(list(range(CIRCLE)), max_tokens=max_tokens)
        last = with_it.ending(job)
        assert (last.reason, last.generated) == ("length", max_tokens)
        assert with_it.tokens(job) == whole[:max_tokens]


@on
def test_an_end_token_is_never_run_over(start, folder_of, on_device):
    watched = start(counting, on_device=on_device)
    [end] = watched.load(folder_of()).tokenizer.eos_ids
    prompt = [*range(10), end] * 3
    job = watched.submit(prompt[:-1], guide=Script(*[[n] for n in [*range(9), end, 5]]))
    assert watched.tokens(job) == list(range(9))


@on
def test_logprobs_come_with_every_token_of_a_run(pair, on_device):
    scored = []
    for engine in pair(on_device):
        job = engine.submit(list(range(CIRCLE)), sampling=WARM, max_tokens=40, top_logprobs=2)
        engine.ending(job)
        tokens = [o for o in engine.by_job[job] if isinstance(o, Token)]
        scored.append([token.logprob.chosen for token in tokens])
    assert scored[0] == pytest.approx(scored[1], abs=1e-4)


@on
def test_a_job_that_joins_and_one_that_is_cancelled_change_nothing(pair, on_device):
    with_it, without = pair(on_device)
    expected = [without.say([n, n + 1], sampling=WARM, max_tokens=60) for n in range(3)]
    first = with_it.submit([0, 1], sampling=WARM, max_tokens=60)
    with_it.wait_for(lambda: len(with_it.by_job[first]) > 20)
    second = with_it.submit([1, 2], sampling=WARM, max_tokens=60)
    lost = with_it.submit(list(range(CIRCLE)), max_tokens=400)
    with_it.wait_for(lambda: len(with_it.by_job[lost]) > 5)
    with_it.engine.cancel(lost)
    assert [with_it.tokens(job) for job in (first, second)] == expected[:2]
    assert with_it.say([2, 3], sampling=WARM, max_tokens=60) == expected[2]


@on
def test_a_cancelled_runs_cache_is_that_of_what_was_said(pair, on_device):
    with_it, without = pair(on_device)
    with_it.react = lambda o: (
        isinstance(o, Token) and o.id == 25 and with_it.engine.cancel(o.job_id)
    )
    job = with_it.submit(list(range(CIRCLE)), max_tokens=400)
    longer = [*range(CIRCLE), *with_it.tokens(job), 7, 3]
    with_it.react = lambda _: None
    again = with_it.submit(longer, max_tokens=30)
    assert with_it.tokens(again) == without.say(longer, max_tokens=30)
    assert with_it.ending(again).cached > CIRCLE


@given(st.lists(st.integers(0, 3), max_size=80), st.integers(1, 20))
def test_a_guess_is_what_followed_the_last_tokens_before(tokens, count):
    guess = Lookup(tokens).propose(count)
    last = tokens[-NGRAM:]
    places = [p for p in range(NGRAM, len(tokens)) if tokens[p - NGRAM : p] == last]
    assert (len(guess) == count) if places else (guess == [])
    whole = [*tokens, *guess]
    assert not guess or any(guess == whole[p : p + count] for p in places)


def test_the_longest_likeness_wins_and_then_the_latest():
    assert Lookup([9, 1, 2, 3, 4, 8, 1, 2, 3, 5, 9, 1, 2, 3]).propose(1) == [4]
    assert Lookup([1, 2, 3, 4, 1, 2, 3, 5, 6, 1, 2, 3]).propose(1) == [5]


def test_a_lookup_sees_its_tokens_grow():
    tokens = [1, 2, 3, 4, 1, 2]
    lookup = Lookup(tokens)
    assert lookup.propose(2) == []
    tokens.append(3)
    assert lookup.propose(2) == [4, 1]
    tokens += [*range(10, 4000), 1, 2, 3]
    assert lookup.propose(2) == [10, 11]


def test_proposals_that_are_accepted_grow_and_those_that_are_not_rest_longer_and_longer():
    costs = Costs()
    pace = Pace("any", costs)
    for _ in range(4):
        pace.note(pace.count, pace.count)
    assert pace.count == max(SIZES)
    rests = []
    while len(rests) < 9:
        pace.note(pace.count, 0)
        rest = 0
        while not pace.count:
            pace.step()
            rest += 1
        rests += [rest] if rest else []
    assert rests == sorted(rests)
    assert rests[-1] <= LONGEST_REST


def test_widths_between_measured_ones_are_taken_to_cost_in_proportion():
    costs = Costs()
    costs.note("any", 16, 99.0)
    for _ in range(3):
        costs.note(PLAIN, 1, 0.010)
        costs.note("any", 3, 0.014)
    assert costs.of("any", 2) == pytest.approx(1.2)
    assert costs.of("any", 3) == pytest.approx(1.4)
    assert 1.4 < costs.of("any", 12) < costs.of("any", 16) < 3  # one step tells nothing yet
    for _ in range(3):
        costs.note("any", 8, 0.024)
    assert costs.of("any", 5) == pytest.approx(1.8)
    assert costs.of("other", 5) < 1.4


def test_a_width_that_was_long_not_tried_is_measured_anew():
    costs = Costs()
    for _ in range(3):
        costs.note(PLAIN, 1, 0.010)
        costs.note("any", 8, 0.090)
    assert costs.of("any", 8) == pytest.approx(9)
    for _ in range(STALE_STEPS + 1):
        costs.note("other", 4, 0.010)
    assert costs.of("any", 8) < 2
    for _ in range(3):
        costs.note("any", 8, 0.020)
    assert costs.of("any", 8) == pytest.approx(2)


def test_what_is_measured_of_a_guess_that_is_not_tried_fades():
    wrong, right = Pace("any", Costs()), Pace("any", Costs())
    for _ in range(5):
        wrong.learn(4, 0)
        right.learn(4, 4)
    low, high = wrong.rate, right.rate
    for _ in range(40):
        wrong.fade()
        right.fade()
    assert low < 0.2 < 0.45 < wrong.rate <= 0.5
    assert right.rate == high


def test_what_a_wide_step_is_measured_to_take_decides():
    costs = Costs()
    for _ in range(5):
        costs.note(PLAIN, 1, 0.010)
        for width in (4, 8, 16):
            costs.note("dear", width, 0.010 * width)
            costs.note("cheap", width, 0.011)
    dear, cheap = Pace("dear", costs), Pace("cheap", costs)
    for pace in (dear, cheap):
        pace.note(3, 3)
        pace.note(3, 2)
    assert (dear.count, cheap.count) == (0, max(SIZES))
