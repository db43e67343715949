"""Random JSON Schemas as hypothesis strategies: small, mostly satisfiable."""

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", 'q"', "name"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-30, 30), st.sampled_from(["", "a", "ab", 'x"y', "é"])
)
BOUNDS = st.integers(-40, 40)
SMALL = st.integers(0, 3)


def some(**keywords):
    return st.fixed_dictionaries({}, optional=keywords)


STRINGS = some(
    minLength=SMALL,
    maxLength=st.integers(3, 5),
    pattern=st.sampled_from(["^a", "b$", "[0-9]{2}", "^(x|yz)*$", '"', "^[^a]*$"]),
).map(lambda schema: {"type": "string", **schema})
NUMBERS = some(
    minimum=BOUNDS, exclusiveMaximum=BOUNDS, multipleOf=st.sampled_from([1, 2, 5, 0.5, 3])
).flatmap(
    lambda schema: st.sampled_from(["integer", "number"]).map(lambda t: {"type": t, **schema})
)
LEAVES = st.one_of(
    STRINGS,
    NUMBERS,
    st.lists(SCALARS, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"format": "date", "type": "string"}]),
)


def objects(inner):
    return some(
        properties=st.dictionaries(NAMES, inner, max_size=3),
        required=st.lists(NAMES, max_size=2, unique=True),
        additionalProperties=st.one_of(st.just(False), inner),
        patternProperties=st.dictionaries(st.sampled_from(["^a", "e$"]), inner, max_size=1),
        maxProperties=st.integers(1, 3),
        propertyNames=st.sampled_from([{"pattern": "a"}, {"maxLength": 2}]),
    ).map(lambda schema: {"type": "object", **schema})


def arrays(inner):
    return some(
        items=inner,
        prefixItems=st.lists(inner, min_size=1, max_size=2),
        minItems=SMALL,
        maxItems=SMALL,
        contains=inner,
        uniqueItems=st.booleans(),
    ).map(lambda schema: {"type": "array", "maxItems": 3, **schema})


def grown(inner):
    branches = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects(inner),
        arrays(inner),
        branches.map(lambda parts: {"anyOf": parts}),
        branches.map(lambda parts: {"oneOf": parts}),
        st.tuples(inner, inner).map(lambda pair: {**pair[0], "not": pair[1]}),
        st.tuples(inner, inner, inner).map(
            lambda three: {"if": three[0], "then": three[1], "else": three[2]}
        ),
        st.lists(inner, min_size=2, max_size=2).map(lambda parts: {"allOf": parts}),
    )


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=5)
