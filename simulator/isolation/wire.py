"""Frames between the process that holds the pools and one that runs a policy, and their content.

A frame is its length in four bytes and a message: a msgpack array of the name of the message, or of
an operation, and its fields. Only the most frequent request and its reply have a form of their own
(`PLAIN`). A frame never contains code or names of code. `OPERATIONS` lists everything that a
policy's process may request of the engine; each request is checked field by field first.
"""

from __future__ import annotations

import dataclasses
import select
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from io import FileIO
from operator import or_
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
import numpy.typing as npt

from simulator.arrays import Array, Ints, Ints32
from simulator.isolation.limits import Overdue
from simulator.rules.stop_rules import RULES, AnyOf, StopRule
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS

if TYPE_CHECKING:  # slow to import
    from simulator.policy.random_numbers import State

FROM_POLICY = 16 << 20
"""Maximum size of a frame from a policy, in bytes; all pairs of 1,000 traces fit."""

TO_POLICY = 2 << 30
"""Maximum size of a frame to a policy, in bytes; texts of 512 traces of 10^6 characters fit."""

MAX_FIELDS = 4096
"""Maximum length of an array in a frame from a policy: fields, rules, or a rule's words."""

MAX_TEXT = 1 << 20
"""Maximum length of a text in a frame from a policy."""

AWAKE = 50e-6
"""Seconds for which one side waits for the other without sleeping."""

MOST_ASLEEP = 255
"""Waits after one in vain that sleep at once, at most."""

CHUNK = 1 << 16
"""Bytes that are received at once, of a frame that is not larger."""


class BrokenFrame(Exception):  # noqa: N818  (what it is)
    """Error for bytes that are not a valid frame, or fields that are invalid for an operation."""


class Channel:
    """Two pipes that carry frames, one in each direction.

    A pipe takes half as long as a socket. The end that the host writes to does not block, so that
    the host never waits for a policy that writes instead of reading.

    Attributes
    ----------
    reader, writer
        The ends of the two pipes.
    ahead
        A message that came with a reply to another, to be dealt with after that.

    Parameters
    ----------
    limit
        Maximum size of a received frame, in bytes.
    """

    def __init__(self, reader: FileIO, writer: FileIO, limit: int) -> None:
        self.reader, self.writer = reader, writer
        self.ahead: list[Any] | None = None
        self._deadline: float | None = None
        self._missed = self._asleep = 0
        self._input: select.poll | None = None
        self._either: select.poll | None = None
        if hasattr(select, "poll"):  # takes any file descriptor, `select` only small ones
            self._input, self._either = select.poll(), select.poll()
            self._input.register(reader, select.POLLIN)
            self._either.register(reader, select.POLLIN)
            self._either.register(writer, select.POLLOUT)
        self._limit = limit
        self._unpack = partial(
            msgpack.unpackb,
            unicode_errors="surrogatepass",
            max_array_len=limit if limit == TO_POLICY else MAX_FIELDS,
            max_map_len=0,
            max_ext_len=0,
        )
        self._pack = msgpack.Packer(unicode_errors="surrogatepass").pack
        self._waiting = b""
        self._received: bytes | bytearray = b""

    def close(self) -> None:
        """Close both pipes."""
        self.reader.close()
        self.writer.close()

    def end_after(self, seconds: float) -> None:
        """Make sending and receiving raise `Overdue` when the time is over."""
        self._deadline = time.monotonic() + seconds

    def put(self, *fields: Any) -> None:
        """Queue a message, to be sent together with the next one."""
        payload = self._pack(fields)
        if len(payload) > TO_POLICY:
            raise BrokenFrame(f"a frame of {len(payload)} bytes")
        self._waiting += len(payload).to_bytes(4, "little") + payload

    def send(self, *fields: Any) -> None:
        """Send a message, after those that are queued; as `send_bytes`."""
        self.put(*fields)
        self._flush()

    def send_bytes(self, payload: bytes) -> None:
        """Send a frame, after those that are queued.

        Raises
        ------
        BrokenFrame
            The other side sends, instead of reading what does not fit into the pipe.
        EOFError
            The other side has closed its end to write to, instead of reading that.
        Overdue
            The time of `end_after` is over.
        """
        self._waiting += len(payload).to_bytes(4, "little") + payload
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, b""
        sent = self.writer.write(waiting)
        if sent != len(waiting):
            self._send_rest(memoryview(waiting)[sent or 0 :])

    def _send_rest(self, rest: memoryview) -> None:
        """Send what does not fit into the pipe at once."""
        while rest:
            if self._either is not None:
                event = dict(self._await(self._either)).get(self.reader.fileno(), 0)
                if event & select.POLLIN:
                    raise BrokenFrame("a message before its turn")
                if event:  # which would end each wait at once
                    raise EOFError
            rest = rest[self.writer.write(rest) or 0 :]

    @property
    def holds_more(self) -> bool:
        """True if a part of the next frame was received together with the last."""
        return bool(self._received)

    def require_silence(self) -> None:
        """Raise `BrokenFrame` if more than the one expected message was received."""
        waiting = () if self._input is None else self._input.poll(0)
        if self._received or any(event & select.POLLIN for _, event in waiting):
            raise BrokenFrame("a message before its turn")

    def receive(self) -> list[Any]:
        """Receive the next message; return its name and fields; as `receive_bytes`."""
        return self.message(self.receive_bytes())

    def message(self, payload: bytes | bytearray) -> list[Any]:
        """Return the name and the fields of a message.

        Raises
        ------
        BrokenFrame
            The bytes are no message.
        """
        try:
            fields = self._unpack(payload)
        except Exception as error:  # msgpack has an exception for each kind of damage
            raise BrokenFrame("bytes that are no message") from error
        if type(fields) is not list or not fields or type(fields[0]) is not str:
            raise BrokenFrame("a message without a name")
        return fields

    def receive_bytes(self) -> bytes | bytearray:
        """Receive the next frame; return its payload.

        Raises
        ------
        EOFError
            The other side has closed the connection.
        BrokenFrame
            The received bytes are not a frame.
        Overdue
            The time of `end_after` is over.
        """
        self._in_time()
        if self._asleep:
            self._asleep -= 1
        elif not self._received:
            self._stay_awake()
        received = self._received or self.reader.read(CHUNK) or self._chunk(CHUNK)
        end = 4 + int.from_bytes(received[:4], "little")
        if len(received) == end:
            self._received = b""
            return received[4:]
        return self._part(received)

    def _stay_awake(self) -> None:
        """Wait for input without sleeping, for at most `AWAKE`.

        To wake up a processor takes longer than most requests. Where there is none for each side,
        such a wait is in vain: then the next ones sleep at once, more of them each time.
        """
        if self._input is None or self._input.poll(0):
            return
        end = time.perf_counter() + AWAKE
        while time.perf_counter() < end:
            if self._input.poll(0):
                self._missed = 0
                return
        self._missed = self._asleep = min(2 * self._missed + 1, MOST_ASLEEP)

    def _part(self, received: bytes | bytearray) -> bytes | bytearray:
        """Return the payload of the next frame, of which some is received; what follows stays."""
        self._received = received
        self._read(4)
        end = 4 + int.from_bytes(self._received[:4], "little")
        if end > 4 + self._limit:
            raise BrokenFrame(f"a frame of {end - 4} bytes")
        self._read(end)
        payload, self._received = self._received[4:end], self._received[end:]
        return payload

    def _read(self, size: int) -> None:
        """Receive until there are `size` bytes."""
        while len(self._received) < size:
            chunk = self._chunk(max(CHUNK, min(size - len(self._received), 1 << 22)))
            if type(self._received) is bytearray:
                self._received += chunk
            else:
                self._received = bytearray().join((self._received, chunk))

    def _chunk(self, most: int) -> bytes:
        """Receive some bytes."""
        self._in_time()
        chunk = self.reader.read(most)
        while chunk is None and self._input is not None:
            self._await(self._input)
            chunk = self.reader.read(most)
        if not chunk:
            raise EOFError
        return chunk

    def _await(self, pipes: select.poll) -> list[tuple[int, int]]:
        """Wait until one of the pipes is ready; return their events."""
        if self._deadline is None:
            return pipes.poll()
        ready = pipes.poll(max(0, self._deadline - time.monotonic()) * 1000)
        if not ready:
            raise Overdue
        return ready

    def _in_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise Overdue


@dataclass(frozen=True)
class Kind:
    """Encoding of a value: `pack` converts it to plain data, `unpack` checks and converts it back.

    `unpack` takes the received data and the number of started traces, and raises `BrokenFrame`.
    """

    pack: Callable[[Any], Any]
    unpack: Callable[[Any, int], Any]


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise BrokenFrame(what)


def _array(dtype: npt.DTypeLike) -> Kind:
    kind = np.dtype(dtype)
    what = f"no array of {kind}"

    def unpack(raw: Any, started: int) -> Array:
        _require(type(raw) is bytes and len(raw) % kind.itemsize == 0, what)
        return np.frombuffer(bytearray(raw), kind)

    def pack(array: Array) -> bytes:
        return (array if array.dtype == kind else np.asarray(array, kind)).tobytes()

    return Kind(pack, unpack)


def _unpack_index(raw: Any, started: int) -> Ints:
    index: Ints = INTS.unpack(raw, started)
    numbers = index.tolist()
    if numbers:
        _require(min(numbers) >= 0 and max(numbers) < started, "a trace that is not started")
        _require(len(numbers) == 1 or len(set(numbers)) == len(numbers), "a trace twice")
    return index


def _unpack_tokens(raw: Any, started: int) -> Ints:
    tokens: Ints = INTS.unpack(raw, started)
    _require(not len(tokens) or int(tokens.min()) >= 0, "no number of tokens")
    return tokens


def _unpack_pairs(raw: Any, started: int) -> Ints:
    pairs: Ints = INTS.unpack(raw, started)
    _require(len(pairs) % 2 == 0, "half a pair")
    return pairs.reshape(-1, 2)  # the engine refuses invalid pairs with a clear message


def _unpack_state(raw: Any, started: int) -> State:
    _require(type(raw) is list and list(map(type, raw)) == [bytes, bytes, int, int], "no state")
    state, increment = (int.from_bytes(each, "little") for each in raw[:2])
    _require(len(raw[0]) == len(raw[1]) == 16, "no state")
    _require(increment % 2 == 1, "a state that repeats itself")  # drawing might never end
    _require(0 <= raw[2] <= 1 and 0 <= raw[3] < 2**32, "no state")
    return state, increment, raw[2], raw[3]


def _scalar(pack: Callable[[Any], Any], fits: Callable[[Any, int], bool], what: str) -> Kind:
    """Return the kind of a value that is sent as it is; `fits` checks it, as `Kind.unpack`."""

    def unpack(value: Any, started: int) -> Any:
        _require(fits(value, started), what)
        return value

    return Kind(pack, unpack)


def _optional(kind: Kind) -> Kind:
    return Kind(
        lambda value: None if value is None else kind.pack(value),
        lambda value, started: None if value is None else kind.unpack(value, started),
    )


def _pack_rule(rule: StopRule) -> list[Any]:
    """Convert a rule to a flat list: names and fields of rules joined by `|`, left to right."""
    leaves: list[Any] = []
    waiting = [rule]
    while waiting:
        part = waiting.pop()
        if isinstance(part, AnyOf):
            waiting += (part.right, part.left)
        else:
            given = [field.name for field in dataclasses.fields(part) if field.init]  # type: ignore[arg-type]
            leaves.append([type(part).__name__, [_plain(getattr(part, name)) for name in given]])
    return leaves


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(each) for each in value]
    return value


def _unpack_rule(value: Any, started: int) -> StopRule:
    _require(type(value) is list and len(value) > 0, "no rule")
    return reduce(or_, map(_unpack_leaf, value))


def _unpack_leaf(leaf: Any) -> StopRule:
    _require(type(leaf) is list and len(leaf) == 2 and type(leaf[1]) is list, "no rule")
    name, fields = leaf
    _require(type(name) is str and name in RULES, "no rule of that name")
    for field in fields:
        for value in field if type(field) is list else [field]:
            _require(type(value) in (int, float, str, bool, type(None)), "no field of a rule")
            _require(type(value) is not str or len(value) <= MAX_TEXT, "a text that long")
    plain = [tuple(field) if type(field) is list else field for field in fields]
    try:
        return RULES[name](*plain)
    except Exception as error:
        raise BrokenFrame(f"{name}: {error}") from error


INTS = _array(np.int64)
FLOATS = _array(np.float64)
CLASSES = _array(np.int32)
INDEX = Kind(INTS.pack, _unpack_index)
PAIRS = Kind(INTS.pack, _unpack_pairs)
WHOLE = _scalar(int, lambda n, _: type(n) is int and 0 <= n < 2**63, "no whole number")
POSITIVE = _scalar(int, lambda n, _: type(n) is int and 1 <= n < 2**63, "no number of 1 or more")
STARTED = _scalar(
    int,
    lambda n, started: type(n) is int and 0 <= n < started,
    "a trace that has not been started",
)
EACH = Kind(INTS.pack, _unpack_tokens)
TOKENS = Kind(
    lambda tokens: (EACH if isinstance(tokens, np.ndarray) else WHOLE).pack(tokens),
    lambda raw, started: (EACH if type(raw) is bytes else WHOLE).unpack(raw, started),
)
"""Tokens of `decode`: one number, or one for each of its traces."""
SIGNAL = _scalar(
    str, lambda name, _: type(name) is str and name in TOKEN_SIGNALS, "no token signal"
)
PROBE_SIGNAL = _scalar(
    str, lambda name, _: type(name) is str and name in PROBE_SIGNALS, "no probe signal"
)
SHARE = _scalar(float, lambda part, _: type(part) is float and 0 < part <= 1, "no share")
UNIT = _scalar(float, lambda n, _: type(n) is float and 0 <= n <= 1, "no number from 0 to 1")
NUMBER = _scalar(lambda value: value, lambda n, _: type(n) in (int, float), "no number")
TEXTS = _scalar(
    list,
    lambda texts, _: type(texts) is list and all(type(each) is str for each in texts),
    "no texts",
)
BOOL = _scalar(bool, lambda value, _: type(value) is bool, "neither true nor false")
STATE = Kind(
    lambda state: [*(number.to_bytes(16, "little") for number in state[:2]), *state[2:]],
    _unpack_state,
)
"""State of a PCG64 generator (`simulator.policy.random_numbers.State`)."""
CLUSTERED = _optional(
    Kind(
        lambda found: [INTS.pack(found[0]), STATE.pack(found[1])],
        lambda raw, started: (INTS.unpack(raw[0], started), STATE.unpack(raw[1], started)),
    )
)
"""Clusters of `greedy_clusters` and the state of the generator after it, or None."""
RULE = Kind(_pack_rule, _unpack_rule)
PLAIN = b"\0"
"""First byte of a frame that is no message: of a plain decode, or of the reply to one.

A decode without a stop rule is what policies request most. As such a frame, it takes half as long
as a message.
"""

_PLAIN = struct.Struct("=BIqq")


def pack_plain(started: int, index: Ints, tokens: int | None, first: int | None) -> bytes:
    """Convert a plain decode to a frame."""
    traces: bytes = INTS.pack(index)
    return _PLAIN.pack(0, started, -1 if tokens is None else tokens, first or 0) + traces


def unpack_plain(frame: bytes | bytearray) -> tuple[int, bytes, int | None, int | None]:
    """Return the number of started traces, the packed numbers of those given, tokens, `first`."""
    _require(len(frame) >= _PLAIN.size, "no decode")
    _, started, tokens, first = _PLAIN.unpack_from(frame)
    _require(tokens >= -1 and first >= 0, "no whole number")
    return started, bytes(frame[_PLAIN.size :]), None if tokens < 0 else tokens, first or None


_INT64, _INT32 = np.dtype(np.int64), np.dtype(np.int32)
_DECODED = struct.Struct("=BxxxI")


def _pack_decoded(parts: tuple[Ints, Ints, Ints32]) -> bytes:
    tokens, finished, answers = parts
    head = _DECODED.pack(0, len(finished))
    return b"".join((head, tokens.tobytes(), finished.tobytes(), answers.tobytes()))


def _unpack_decoded(raw: bytes, started: int) -> tuple[Ints, Ints, Ints32]:
    _, finished = _DECODED.unpack_from(raw)
    end = len(raw) - 12 * finished  # of the tokens
    return (
        np.frombuffer(raw, _INT64, end // 8 - 1, 8),
        np.frombuffer(raw, _INT64, finished, end),
        np.frombuffer(raw, _INT32, finished, end + 8 * finished),
    )


DECODED = Kind(_pack_decoded, _unpack_decoded)
"""Result of `decode`: tokens of each given trace, numbers of newly finished ones, their answers.

As a frame, it is the reply to a plain decode.
"""


@dataclass(frozen=True)
class Operation:
    """Types of an operation's arguments and result; an operation without result has no reply."""

    takes: tuple[Kind, ...]
    gives: Kind | None

    @cached_property
    def packs(self) -> list[Callable[[Any], Any]]:
        """Conversion of each argument to plain data."""
        return [kind.pack for kind in self.takes]


OPERATIONS = {
    "decode": Operation((INDEX, _optional(TOKENS), _optional(RULE), _optional(POSITIVE)), DECODED),
    "finished_at": Operation((INDEX,), FLOATS),
    "stop": Operation((INDEX,), None),
    "probe": Operation((INDEX,), CLASSES),
    "probed": Operation((PROBE_SIGNAL, INDEX), FLOATS),
    "texts": Operation((INDEX,), TEXTS),
    "token_signal": Operation((SIGNAL, STARTED), FLOATS),
    "mean_signal": Operation((SIGNAL, INDEX, _optional(POSITIVE)), FLOATS),
    "lowest_signal": Operation((SIGNAL, INDEX, POSITIVE), FLOATS),
    "bottom_signal": Operation((SIGNAL, INDEX, SHARE, POSITIVE), FLOATS),
    "judge": Operation((PAIRS,), FLOATS),
    "greedy_clusters": Operation((WHOLE, STATE, UNIT, POSITIVE, POSITIVE, BOOL), CLUSTERED),
    "declare_clusters": Operation((INTS,), None),
    "clock": Operation((), NUMBER),
    "probe_calls": Operation((), NUMBER),
    "probe_tokens": Operation((), NUMBER),
    "judge_calls": Operation((), NUMBER),
    "judge_tokens": Operation((), NUMBER),
}
"""All requests of a policy's process: methods and properties of `VisibleEngine`."""
