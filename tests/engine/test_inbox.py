"""The mailbox: order, bound, waking."""

import threading

import pytest

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.inbox import Cancel, Inbox
from mlx_responses.engine.job import Job
from mlx_responses.errors import Overloaded, Unavailable


def job(name):
    spec = ModelSpec(name="m", path="m")
    return Job(id=name, model=spec, vocab_size=9, prompt=[1], max_tokens=1)


def test_orders_come_out_in_the_order_given():
    inbox = Inbox(9)
    orders = [job("a"), Cancel("a"), job("b")]
    for order in orders:
        inbox.put(order)
    assert inbox.take(wait=True) == orders
    assert inbox.take(wait=False) == []


def test_a_job_taken_still_waits_until_it_is_said_to_have_left():
    inbox = Inbox(1)
    inbox.put(job("a"))
    inbox.take(wait=False)
    with pytest.raises(Overloaded):
        inbox.put(job("b"))
    inbox.put(Cancel("a"))
    inbox.left()
    inbox.put(job("b"))
    assert inbox.waiting == 1


def test_closing_wakes_who_waits_and_refuses_what_is_late():
    inbox = Inbox(1)
    taken = []
    waiting = threading.Thread(target=lambda: taken.append(inbox.take(wait=True)))
    waiting.start()
    inbox.close()
    waiting.join(10)
    assert taken == [[]]
    with pytest.raises(Unavailable):
        inbox.put(Cancel("a"))


def test_whoever_waits_goes_on_when_woken_or_when_the_time_is_over():
    inbox = Inbox(1)
    assert inbox.take(wait=True, seconds=0.001) == []
    inbox.wake()
    assert inbox.take(wait=True) == []
