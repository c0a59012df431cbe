"""Reading pickles that hold only data, without calling anything that a pickle names.

A pickle is a program, and Python's unpickler runs it. This reader interprets the few instructions
that plain data need: containers, numbers, strings, and numpy's arrays and scalars, which it builds
itself from their bytes. It imports nothing, calls nothing and sets no attribute for a file; any
other instruction is refused with one line that names it. Memory and time are proportional to the
size of the file (at most some 20 bytes for each of its own): a length is only used after checking
that the file has that many bytes.

Long lists of numbers, which make up most of a file of traces, are read many at a time.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.errors import UserError
from simulator.importers.json_files import AGAIN, unreadable

MAX_BYTES = 4 * 2**30
"""The largest file that is read, in bytes."""

MAX_OBJECTS = 2**20
"""Most containers in a file; of memo entries, four times as many (not counting runs of numbers)."""

MAX_MARKS = 100
"""Deepest nesting of unfinished containers."""

MAX_NUMBER_KEYS = 10_000
"""Most numbers as dict keys or set members, because their hashes can be made to collide."""

PROTOCOLS = (2, 3, 4, 5)

_NUMPY_CORE = ("numpy.core", "numpy._core")  # of numpy 1 and 2
_NAMES = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("builtins", "set"): "set",
    ("builtins", "frozenset"): "set",
    ("__builtin__", "set"): "set",
    ("__builtin__", "frozenset"): "set",
    ("__builtin__", "bytes"): "bytes",
    ("collections", "OrderedDict"): "dict",
    **{(f"{core}.multiarray", "_reconstruct"): "_reconstruct" for core in _NUMPY_CORE},
    **{(f"{core}.multiarray", "scalar"): "scalar" for core in _NUMPY_CORE},
    **{(f"{core}.numeric", "_frombuffer"): "_frombuffer" for core in _NUMPY_CORE},
}
"""Names that a file may refer to, with the operation here that replaces each of them."""

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|U[0-9]{1,6}")
_FLOATS = re.compile(rb"(?:G.{8}){1,4096}+", re.DOTALL)
_INTS = re.compile(rb"(?:K.|M..|J.{4}){1,4096}+", re.DOTALL)
_INT = re.compile(rb"[KMJ](?:(?<=K).|(?<=M)..|(?<=J).{4})", re.DOTALL)
_ORDERS = {"<": "<", ">": ">", "|": "<", "=": "<"}

_REFUSED = {
    b"i": "INST, which makes an object of any class",
    b"o": "OBJ, which makes an object of any class",
    b"\x81": "NEWOBJ, which makes an object of any class",
    b"\x92": "NEWOBJ_EX, which makes an object of any class",
    b"P": "a persistent id",
    b"Q": "a persistent id",
    b"\x82": "an extension code",
    b"\x83": "an extension code",
    b"\x84": "an extension code",
    b"\x97": "a buffer outside of the file",
    b"\x98": "a buffer outside of the file",
}


class RefusedPickle(Exception):  # noqa: N818  (reads as what it is about)
    """Error for a pickle that is damaged or needs more than data; names the need and its place."""


def load(path: Path) -> Any:
    """Read the data of a pickle file.

    The data can be lists, tuples, dicts, sets, strings, bytes, bools, ints, floats and numpy
    arrays; numpy scalars are converted to Python's.

    Raises
    ------
    UserError
        The file cannot be read, is damaged, or holds anything but data.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            limit = f"{MAX_BYTES / 2**30:g} GiB"
            raise UserError(f"{path}: {size:,} bytes, more than the {limit} that are read at once")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return loads(data)
    except RefusedPickle as error:
        raise UserError(f"{path}: {error}") from None


def loads(data: bytes) -> Any:
    """Parse the data of a pickle; see `load`. Raises `RefusedPickle`."""
    reader = _Reader(data)
    try:
        return reader.run()
    except (struct.error, IndexError):
        reason = f"the pickle is truncated (at byte {len(data):,}); {AGAIN}"
        if reader.position < len(data):
            reason = f"damaged at byte {reader.position:,}; {AGAIN}"
        raise RefusedPickle(reason) from None


class _Name:
    """One of the values of `_NAMES`, on the stack in place of the object that a file named."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Dtype:
    """A numpy dtype described by the file; its byte `order` is read after the rest."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "<"
        self.size = 1 if code == "b1" else int(code[1:]) * (4 if code[0] == "U" else 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class _Array:
    """A numpy array whose contents have not been read yet; `index` is its place in the memo."""

    index = -1


class _Reader:
    """A stack, a memo, and one method for each instruction that data need."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.memo_size = 0
        self.run_starts: list[int] = []  # memo indices at which runs of scalars begin, ascending
        self.runs: list[list[float]] = []
        self.runs_by_head: dict[bytes, re.Pattern[bytes]] = {}
        self.objects = 0
        self.number_keys = 0

    def run(self) -> Any:
        if self.data[:1] != b"\x80" or self.data[1:2] not in [bytes([p]) for p in PROTOCOLS]:
            first = f"it begins with {self.data[:8]!r}" if self.data else "the file is empty"
            raise RefusedPickle(
                f"not a pickle of protocol 2 to 5 ({first}); write it with "
                "pickle.dump(data, file, protocol=4)"
            )
        self.position = 2
        data = self.data
        while True:
            start = self.position
            code = data[start : start + 1]
            step = _STEPS.get(code)
            if step is None:
                if not code:
                    raise IndexError
                what = _REFUSED.get(code, f"an instruction that data do not need ({code!r})")
                raise self.refused(what, start)
            self.position = start + 1
            step(self)
            if code == b".":
                break
        if len(self.stack) != 1 or self.marks:
            raise self.damaged()
        return self.stack[0]

    def refused(self, what: str, start: int | None = None) -> RefusedPickle:
        place = self.position if start is None else start
        return RefusedPickle(
            f"not read, as it needs {what} (byte {place:,}); only containers, numbers, strings "
            "and numpy arrays are allowed, because anything else could run code: save only these"
        )

    def damaged(self) -> RefusedPickle:
        return RefusedPickle(f"damaged at byte {self.position:,}; {AGAIN}")

    # Bytes of the file

    def take(self, size: int) -> bytes:
        taken = self.data[self.position : self.position + size]
        if len(taken) < size:
            self.position = len(self.data)
            raise IndexError
        self.position += size
        return taken

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + 500)
        if end < 0:
            raise self.damaged()
        text = self.data[self.position : end].decode("utf-8", errors="replace")
        self.position = end + 1
        return text

    # The stack

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged()
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        if not self.marks:
            raise self.damaged()
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type[Any]) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged()
        if type(self.stack[-1]) is not kind:
            raise self.refused(f"a {kind.__name__}'s method of a {_kind(self.stack[-1])}")
        return self.stack[-1]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_new(self, value: Any) -> None:
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise self.refused(f"more than {MAX_OBJECTS:,} containers")
        self.stack.append(value)

    # Steps: one an instruction

    def mark(self) -> None:
        if len(self.marks) >= MAX_MARKS:
            raise self.refused(f"containers nested more than {MAX_MARKS} deep")
        self.marks.append(len(self.stack))

    def frame(self) -> None:
        if self.number("<Q") > len(self.data) - self.position:
            self.position = len(self.data)
            raise IndexError

    def integers(self) -> None:
        """Read an integer, or a whole run of them."""
        self.position -= 1
        found = _INTS.match(self.data, self.position)
        if found is None:
            self.position = len(self.data)
            raise IndexError
        self.position = found.end()
        for each in _INT.findall(found[0]):
            self.stack.append(int.from_bytes(each[1:], "little", signed=each[0] == 0x4A))

    def long(self) -> None:
        self.push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))

    def floats(self) -> None:
        """Read a float, or a whole run of them."""
        self.position -= 1
        found = _FLOATS.match(self.data, self.position)
        if found is None:
            self.position = len(self.data)
            raise IndexError
        rows = np.frombuffer(found[0], dtype=np.uint8).reshape(-1, 9)
        self.stack.extend(np.ascontiguousarray(rows[:, 1:]).view(">f8")[:, 0].tolist())
        self.position = found.end()

    def text(self, form: str) -> None:
        try:
            self.push(self.take(self.number(form)).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise self.damaged() from None

    def bytes_(self, form: str) -> None:
        self.push(self.take(self.number(form)))

    def append(self) -> None:
        value = self.pop()
        self.top(list).append(value)

    def appends(self) -> None:
        values = self.since_mark()
        self.top(list).extend(values)

    def setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self.top(dict)[self.key(key)] = value

    def setitems(self) -> None:
        values = self.since_mark()
        if len(values) % 2:
            raise self.damaged()
        target = self.top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[self.key(key)] = value

    def additems(self) -> None:
        values = self.since_mark()
        self.top(set).update(map(self.key, values))

    def frozen(self) -> None:
        self.push_new(frozenset(map(self.key, self.since_mark())))

    def key(self, value: Any) -> Any:
        """Check a dict key or set member; refuse nested ones: hashing could take forever."""
        if type(value) in (int, float, bool):
            self.number_keys += 1
            if self.number_keys > MAX_NUMBER_KEYS:
                raise self.refused(f"more than {MAX_NUMBER_KEYS:,} numbers as keys")
        elif type(value) not in (str, bytes, type(None)):
            raise self.refused(f"a {_kind(value)} as a key")
        return value

    def tuple_(self, size: int) -> None:
        values = [self.pop() for _ in range(size)]
        self.push_new(tuple(reversed(values)))

    def tuple_since_mark(self) -> None:
        self.push_new(tuple(self.since_mark()))

    # The memo

    def put(self, index: int | None = None) -> None:
        """Put the top of the stack in the memo. Pickles number entries from 0 on, without gaps."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged()
        index = self.memo_size if index is None else index
        if index > self.memo_size or len(self.memo) >= 4 * MAX_OBJECTS:
            raise self.refused(f"memo entry {index:,}")
        value: Any = self.stack[-1]
        self.memo[index] = value
        if isinstance(value, _Array):
            value.index = index
        self.memo_size = max(self.memo_size, index + 1)

    def get(self, index: int) -> None:
        value = self.memo.get(index, _MISSING)
        if value is _MISSING:
            run = bisect_right(self.run_starts, index) - 1
            place = index - self.run_starts[run] if run >= 0 else -1
            if place < 0 or place % 3 != 2 or place // 3 >= len(self.runs[run]):
                raise self.damaged()
            value = self.runs[run][place // 3]
        if isinstance(value, _Name) and value.name == "scalar" and self.scalars():
            return
        self.push(value)

    def get_short(self) -> None:
        self.get(self.number("<B"))

    def get_long(self) -> None:
        self.get(self.number("<I"))

    def scalars(self) -> bool:
        """Read a run of numpy float64 scalars as pickled: 8 instructions and 3 memo places each."""
        data, start = self.data, self.position
        start -= 2 if data[start - 2 : start - 1] == b"h" else 5
        code = data[self.position : self.position + 1]
        if code not in (b"h", b"j"):
            return False
        short = code == b"h"
        end = self.position + (2 if short else 5)
        index = int.from_bytes(data[self.position + 1 : end], "little")
        dtype = self.memo.get(index)
        if type(dtype) is not _Dtype or dtype.code != "f8":
            return False
        head = data[start:end]
        pattern = self.runs_by_head.get(head)
        if pattern is None:
            if len(self.runs_by_head) >= 1000:
                return False
            one = re.escape(head) + rb"C\x08.{8}\x94\x86\x94R\x94"
            pattern = re.compile(rb"(?:" + one + rb"){1,4096}+", re.DOTALL)
            self.runs_by_head[head] = pattern
        found = pattern.match(data, start)
        if found is None:
            return False
        rows = np.frombuffer(found[0], dtype=np.uint8).reshape(-1, len(head) + 15)
        values = np.ascontiguousarray(rows[:, len(head) + 2 : len(head) + 10]).view(dtype.dtype)
        self.run_starts.append(self.memo_size)
        self.runs.append(values[:, 0].tolist())
        self.memo_size += 3 * len(rows)
        self.stack.extend(self.runs[-1])
        self.position = found.end()
        return True

    # What would be calls

    def global_(self) -> None:
        start = self.position - 1
        self.push_name(self.line(), self.line(), start)

    def stack_global(self) -> None:
        start = self.position - 1
        name, module = self.pop(), self.pop()
        self.push_name(module, name, start)

    def push_name(self, module: Any, name: Any, start: int) -> None:
        if type(module) is not str or type(name) is not str:
            raise self.refused("a name that is not text", start)
        meant = _NAMES.get((module, name))
        if meant is None:
            raise self.refused(_shown(f"{module}.{name}"), start)
        self.push_new(_Name(meant))

    def reduce(self) -> None:
        given, function = self.pop(), self.pop()
        if type(function) is not _Name or type(given) is not tuple:
            raise self.refused(f"a call of a {_kind(function)}")
        make = _CALLS.get(function.name)
        made = None if make is None else make(self, given)
        if made is None:
            raise self.refused(f"{function.name} with {_arguments(given)}")
        self.push_new(made[0])

    def build(self) -> None:
        """Set the byte order of a dtype, or replace an array's placeholder by its contents."""
        state = self.pop()
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged()
        target = self.stack[-1]
        if type(target) is _Dtype:
            if type(state) is not tuple or len(state) < 5 or type(state[1]) is not str:
                raise self.refused(f"a dtype with {_arguments((state,))}")
            if state[1] not in _ORDERS or any(part is not None for part in state[2:5]):
                raise self.refused(f"a dtype with {_arguments((state,))}")
            target.order = _ORDERS[state[1]]
            return
        if type(target) is not _Array:
            raise self.refused(f"attributes of a {_kind(target)} to be set")
        array = None
        if type(state) is tuple and len(state) == 5:
            _, shape, dtype, fortran, content = state
            array = _array(content, dtype, shape, "F" if fortran is True else "C")
        if array is None:
            raise self.refused(f"an array with {_arguments((state,))}")
        self.stack[-1] = array
        place = target.index
        if self.memo.get(place) is target:
            self.memo[place] = array


_MISSING = object()


def _kind(value: Any) -> str:
    return value.name if type(value) is _Name else type(value).__name__.strip("_").lower()


def _shown(text: str) -> str:
    """Shorten text of a file to a part of one line."""
    shown = repr(text[:80])[1:-1]
    return shown if len(shown) <= 80 else f"{shown[:79]}…"


def _arguments(given: tuple[Any, ...]) -> str:
    """Describe the arguments of a call in a few words."""
    shown = []
    for value in given[:4]:
        if type(value) is str:
            shown.append(f"'{_shown(value)}'")
        elif type(value) is tuple and value:
            shown.append(f"({_arguments(value)})" if len(shown) < 2 and len(given) == 1 else "(…)")
        elif type(value) in (bool, type(None)) or (type(value) is int and abs(value) < 2**64):
            shown.append(str(value))
        else:
            shown.append(_kind(value))
    return ", ".join(shown) + (", …" if len(given) > 4 else "") or "nothing"


# Results of calls of allowed names: the value in a tuple, or None to refuse.


def _reconstruct(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    if len(given) != 3 or type(given[0]) is not _Name or given[0].name != "ndarray":
        return None
    return (_Array(),)


def _dtype(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    if not given or type(given[0]) is not str or not _DTYPE.fullmatch(given[0]):
        return None
    return (_Dtype(given[0]),)


def _scalar(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    if len(given) != 2:
        return None
    array = _array(given[1], given[0], (), "C")
    return None if array is None else (array.item(),)


def _frombuffer(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    if len(given) != 4 or type(given[3]) is not str or given[3] not in ("C", "F"):
        return None
    array = _array(given[0], given[1], given[2], given[3])
    return None if array is None else (array,)


def _array(content: Any, dtype: Any, shape: Any, order: str) -> npt.NDArray[Any] | None:
    """Make an array from the bytes in the file; None if they do not fit its dtype and shape."""
    if type(dtype) is not _Dtype or type(content) not in (bytes, bytearray):
        return None
    if type(shape) is not tuple or len(shape) > 8:
        return None
    if not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        return None
    if dtype.size == 0 or math.prod(shape) * dtype.size != len(content):
        return None
    if dtype.code[0] == "U":
        codes = np.frombuffer(content, dtype=f"{dtype.order}u4")
        if codes.size and codes.max() > sys.maxunicode:  # numpy itself does not look
            return None
    try:
        values = np.frombuffer(content, dtype=dtype.dtype)
        return values.reshape(shape, order="F" if order == "F" else "C")
    except ValueError:  # sides beside a 0 whose product no array can have
        return None


def _encode(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    """Decode bytes as protocol 2 writes them."""
    if len(given) != 2 or type(given[0]) is not str or type(given[1]) is not str:
        return None
    if given[1] not in ("latin1", "latin-1"):
        return None
    try:
        return (given[0].encode("latin-1"),)
    except UnicodeEncodeError:
        return None


def _set(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    if len(given) != 1 or type(given[0]) is not list:
        return None
    return ({reader.key(value) for value in given[0]},)


def _bytes(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    """Make empty bytes, which protocol 2 writes as a call without arguments."""
    return (b"",) if not given else None


def _dict(reader: _Reader, given: tuple[Any, ...]) -> tuple[Any] | None:
    return ({},) if not given else None


_CALLS: dict[str, Callable[[_Reader, tuple[Any, ...]], tuple[Any] | None]] = {
    "_reconstruct": _reconstruct,
    "dtype": _dtype,
    "scalar": _scalar,
    "_frombuffer": _frombuffer,
    "encode": _encode,
    "set": _set,
    "bytes": _bytes,
    "dict": _dict,
}

_STEPS: dict[bytes, Callable[[_Reader], None]] = {
    b"\x95": _Reader.frame,
    b".": lambda reader: None,
    b"(": _Reader.mark,
    b"N": lambda reader: reader.push(None),
    b"\x88": lambda reader: reader.push(True),
    b"\x89": lambda reader: reader.push(False),
    b"J": _Reader.integers,
    b"K": _Reader.integers,
    b"M": _Reader.integers,
    b"\x8a": _Reader.long,
    b"G": _Reader.floats,
    b"X": lambda reader: reader.text("<I"),
    b"\x8c": lambda reader: reader.text("<B"),
    b"\x8d": lambda reader: reader.text("<Q"),
    b"B": lambda reader: reader.bytes_("<I"),
    b"C": lambda reader: reader.bytes_("<B"),
    b"\x8e": lambda reader: reader.bytes_("<Q"),
    b"\x96": lambda reader: reader.bytes_("<Q"),
    b"]": lambda reader: reader.push_new([]),
    b"a": _Reader.append,
    b"e": _Reader.appends,
    b"}": lambda reader: reader.push_new({}),
    b"s": _Reader.setitem,
    b"u": _Reader.setitems,
    b")": lambda reader: reader.push(()),
    b"\x85": lambda reader: reader.tuple_(1),
    b"\x86": lambda reader: reader.tuple_(2),
    b"\x87": lambda reader: reader.tuple_(3),
    b"t": _Reader.tuple_since_mark,
    b"\x8f": lambda reader: reader.push_new(set()),
    b"\x90": _Reader.additems,
    b"\x91": _Reader.frozen,
    b"\x94": _Reader.put,
    b"q": lambda reader: reader.put(reader.number("<B")),
    b"r": lambda reader: reader.put(reader.number("<I")),
    b"h": _Reader.get_short,
    b"j": _Reader.get_long,
    b"c": _Reader.global_,
    b"\x93": _Reader.stack_global,
    b"R": _Reader.reduce,
    b"b": _Reader.build,
}
