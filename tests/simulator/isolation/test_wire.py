"""Frames over two pipes: whole ones arrive however they are cut, and no side waits for ever."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from io import FileIO
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.isolation.limits import Overdue
from simulator.isolation.wire import (
    DECODED,
    FROM_POLICY,
    MOST_ASLEEP,
    BrokenFrame,
    Channel,
    pack_plain,
    unpack_plain,
)

needs_poll = pytest.mark.skipif(sys.platform == "win32", reason="a pipe there has no poll")


class Ends:
    """The host's channel, and the policy's ends of its pipes."""

    def __init__(self) -> None:
        (reader, theirs_out), (theirs_in, writer) = os.pipe(), os.pipe()
        if sys.platform != "win32":
            os.set_blocking(writer, False)
        self.channel = Channel(FileIO(reader, "r"), FileIO(writer, "w"), FROM_POLICY)
        self.reader, self.writer = FileIO(theirs_in, "r"), FileIO(theirs_out, "w")

    def close(self) -> None:
        self.channel.close()
        self.reader.close()
        self.writer.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    with closing(Ends()) as made:
        yield made


def frame(*fields: Any) -> bytes:
    raw: bytes = msgpack.packb(fields)
    return len(raw).to_bytes(4, "little") + raw


messages = st.lists(
    st.tuples(st.text(), st.integers(0, 9) | st.binary(max_size=300) | st.none()), max_size=6
)


@given(messages, st.lists(st.integers(1, 200), max_size=30))
def test_frames_arrive_whole_and_in_order_however_they_are_cut(
    sent: list[tuple[Any, ...]], cuts: list[int]
) -> None:
    raw = b"".join(frame(*fields) for fields in sent)
    with closing(Ends()) as ends:

        def write() -> None:
            rest = raw
            for cut in (*cuts, len(raw)):
                ends.writer.write(rest[:cut])
                rest = rest[cut:]
            ends.writer.close()

        thread = threading.Thread(target=write)
        thread.start()
        assert [tuple(ends.channel.receive()) for _ in sent] == sent
        with pytest.raises(EOFError):
            ends.channel.receive()
        thread.join()


def test_what_is_queued_comes_before_what_is_sent(ends: Ends) -> None:
    ends.channel.put("one", 1)
    ends.channel.put("two")
    ends.channel.send_bytes(b"\0raw")
    assert ends.reader.read(1000) == frame("one", 1) + frame("two") + b"\4\0\0\0\0raw"


def test_a_frame_larger_than_a_pipe_arrives(ends: Ends) -> None:
    read: list[bytes] = []

    def drain() -> None:
        while chunk := ends.reader.read(100_000):
            read.append(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    ends.channel.send("x", bytes(1_000_000))
    ends.channel.writer.close()
    thread.join()
    assert b"".join(read) == frame("x", bytes(1_000_000))


@needs_poll
def test_who_sends_instead_of_reading_is_not_waited_for(ends: Ends) -> None:
    ends.writer.write(b"\0")
    with pytest.raises(BrokenFrame, match="before its turn"):
        ends.channel.send("x", bytes(1_000_000))


@needs_poll
def test_who_closed_its_end_and_does_not_read_is_not_waited_for(ends: Ends) -> None:
    ends.writer.close()
    with pytest.raises(EOFError):
        ends.channel.send("x", bytes(1_000_000))


@needs_poll
def test_an_end_is_not_a_message_before_its_turn(ends: Ends) -> None:
    ends.channel.require_silence()
    ends.writer.write(b"\0")
    ends.writer.close()
    with pytest.raises(BrokenFrame, match="before its turn"):
        ends.channel.require_silence()
    assert ends.channel.reader.read(1) == b"\0"
    ends.channel.require_silence()


@needs_poll
@pytest.mark.parametrize("sends", [True, False])
def test_an_end_of_the_time_ends_each_wait(ends: Ends, sends: bool) -> None:
    os.set_blocking(ends.channel.reader.fileno(), False)
    ends.channel.end_after(0.01)
    with pytest.raises(Overdue):
        ends.channel.send("x", bytes(1_000_000)) if sends else ends.channel.receive()


class Never:
    """A poll that tells of no input, or of some from the second look on."""

    def __init__(self) -> None:
        self.looks = 0
        self.finds = False

    def poll(self, _: object) -> list[int]:
        self.looks += 1
        return [1] if self.finds and self.looks > 1 else []

    def waited_awake(self, ends: Ends) -> bool:
        """Receive a message; return True if this looked for input before it slept."""
        self.looks = 0
        ends.writer.write(frame("x"))
        assert ends.channel.receive() == ["x"]
        return self.looks > 0


def test_after_waits_in_vain_more_and_more_sleep_at_once(ends: Ends) -> None:
    ends.channel._input = never = Never()  # type: ignore[assignment]
    awake = [number for number in range(1100) if never.waited_awake(ends)]
    assert awake[:9] == [0, 2, 6, 14, 30, 62, 126, 254, 510]
    assert awake[9:] == [510 + (MOST_ASLEEP + 1) * number for number in (1, 2)]


def test_after_one_with_success_none_sleeps_at_once(ends: Ends) -> None:
    ends.channel._input = never = Never()  # type: ignore[assignment]
    assert [never.waited_awake(ends) for _ in range(6)] == [True, False, True, False, False, False]
    never.finds = True
    assert all(never.waited_awake(ends) for _ in range(9))
    never.finds = False
    assert [never.waited_awake(ends) for _ in range(3)] == [True, False, True]


whole = st.integers(0, 2**63 - 1)
ints = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9).map(
    lambda numbers: np.array(numbers, np.int64)
)


@given(st.integers(0, 2**32 - 1), ints, whole | st.none(), st.integers(1, 2**63 - 1) | st.none())
def test_a_plain_decode_is_what_was_packed(
    started: int, index: np.ndarray[Any, Any], tokens: int | None, first: int | None
) -> None:
    packed = pack_plain(started, index, tokens, first)
    assert unpack_plain(packed) == (started, index.tobytes(), tokens, first)
    with closing(Ends()) as ends, pytest.raises(BrokenFrame, match="bytes that are no message"):
        ends.channel.message(packed)


@given(ints, st.data())
def test_a_decoded_reply_is_what_was_packed(
    tokens: np.ndarray[Any, Any], data: st.DataObject
) -> None:
    finished = data.draw(ints)
    answers = np.arange(len(finished), dtype=np.int32) - 1
    columns: tuple[Any, ...] = (tokens, finished, answers)
    parts: tuple[Any, ...] = DECODED.unpack(DECODED.pack(columns), 9)
    for part, expected in zip(parts, columns, strict=True):
        assert part.dtype == expected.dtype
        assert part.tolist() == expected.tolist()
