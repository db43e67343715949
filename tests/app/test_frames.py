"""Events as bytes on the wire."""

from mlx_responses.app.frames import frames
from mlx_responses.running import Sent


def test_a_frame_is_an_event_line_a_data_line_and_a_blank_line():
    sent = Sent("response.created", b'{"type":"response.created"}')
    assert frames([sent]) == b'event: response.created\ndata: {"type":"response.created"}\n\n'


def test_a_batch_is_one_piece_of_bytes_with_line_feeds_only():
    piece = frames([Sent("a", b"1"), Sent("b", b"2")])
    assert piece == b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"
