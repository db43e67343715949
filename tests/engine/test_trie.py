"""Token runs: shared beginnings are there once, and cutting changes no name."""

from mlx_responses.engine.trie import Node, as_tokens, root, walk


def test_walking_ends_where_the_tokens_part():
    tree = root()
    upper = Node(tree, as_tokens([1, 2, 3]))
    lower = Node(upper, as_tokens([4, 5]))
    assert walk(tree, as_tokens([1, 2, 3, 4, 9])) == [(upper, 3), (lower, 1)]
    assert walk(tree, as_tokens([1, 2])) == [(upper, 2)]
    assert walk(tree, as_tokens([1, 2, 3, 7])) == [(upper, 3)]
    assert walk(tree, as_tokens([2])) == walk(tree, as_tokens([])) == []


def test_a_run_cut_in_two_keeps_its_name_and_what_is_below():
    tree = root()
    node = Node(tree, as_tokens([1, 2, 3]))
    below = Node(node, as_tokens([4]))
    name = node.digest
    upper = node.split(2)
    assert node.digest == name
    assert below.path() == [upper, node, below]
    assert [n.run.tolist() for n in below.path()] == [[1, 2], [3], [4]]
    assert upper.digest == Node(root(), as_tokens([1, 2])).digest
    assert list(tree.subtree())[-1] is tree


def test_what_is_detached_is_not_found_any_more():
    tree = root()
    node = Node(tree, as_tokens([1, 2, 3]))
    node.detach()
    assert walk(tree, as_tokens([1, 2, 3])) == []
