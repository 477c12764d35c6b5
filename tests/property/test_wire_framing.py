"""Frames survive any chunking of the stream; what is no frame is refused, for good."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ir.ids import ModelName, RequestId
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from engine.wire.messages import Cancel, Drain, UnloadModel, decode_command, encode


@given(payloads=st.lists(st.binary(max_size=300)), cuts=st.lists(st.integers(0, 4000)))
def test_any_chunking_yields_the_same_payloads(payloads, cuts):
    stream = encode_frames(payloads)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    decoder = FrameDecoder()
    received = [payload for start, end in pairwise(edges) for payload in decoder.feed(stream[start:end])]
    decoder.close()
    assert received == payloads


@given(payloads=st.lists(st.binary(max_size=50), min_size=1), missing=st.integers(1, 40))
def test_stream_cut_inside_a_frame_is_noticed_at_its_end(payloads, missing):
    stream = encode_frames(payloads)
    last = len(payloads[-1]) + 4
    decoder = FrameDecoder()
    received = decoder.feed(stream[: len(stream) - min(missing, last - 1)])
    assert list(received) == payloads[:-1]
    with pytest.raises(ProtocolError, match="inside a frame"):
        decoder.close()


def test_length_above_the_limit_is_refused_after_what_came_before():
    decoder = FrameDecoder(max_bytes=10)
    assert decoder.feed(encode_frames([b"ok"]) + b"\xff\xff\xff\xff") == (b"ok",)
    for _ in range(2):
        with pytest.raises(ProtocolError, match="limit of 10"):
            decoder.feed(b"")


def test_payload_above_the_limit_is_refused_before_sending():
    with pytest.raises(ProtocolError, match="11 bytes"):
        encode_frames([b"x" * 11], max_bytes=10)


def test_commands_come_back_equal():
    commands = (Drain(), UnloadModel(model=ModelName("m")), Cancel(request=RequestId(7)))
    payloads = FrameDecoder().feed(encode_frames(encode(command) for command in commands))
    assert tuple(decode_command(payload) for payload in payloads) == commands
