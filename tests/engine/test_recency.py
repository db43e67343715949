"""The order in which things go from RAM."""

from mlx_responses.engine.recency import Recency


def order(recent):
    """All entries, as they would go."""
    gone = []
    while (entry := recent.oldest()) is not None:
        recent.remove(entry)
        gone.append(entry)
    assert recent.nbytes == 0
    return "".join(gone)


def filled(plain="", favoured=""):
    recent = Recency()
    for entry in plain + favoured:
        recent.add(entry, 10, favoured=entry in favoured)
    return recent


def test_the_longest_unused_goes_first():
    recent = filled("abc")
    recent.touch("a")
    assert recent.nbytes == 30
    assert order(recent) == "bca"


def test_what_is_favoured_goes_last_and_is_favoured_by_whoever_uses_it():
    recent = filled("abc", favoured="xy")
    recent.touch("b", favoured=True)
    recent.touch("x")
    assert order(recent) == "acybx"
    recent.remove("a")


def test_too_many_favours_are_taken_back_from_the_oldest():
    recent = filled("ab", favoured="xyz")
    recent.demote(20)
    assert not recent.favours("x")
    assert order(recent) == "abxyz"
