"""Reading pickles that hold only data, without calling anything that a pickle names.

A pickle is a program, and Python's unpickler runs it. This reader keeps the unpickler's loop and
the few instructions that plain data need: containers, numbers, strings, and numpy's arrays and
scalars, which it builds itself from their bytes. It imports nothing, calls nothing and sets no
attribute for a file; any other instruction is refused with one line that names it. Memory and time
are proportional to the size of the file (at most some 20 bytes for each of its own): the file must
have as many bytes as a length says, and its contents can be used once each.

Long lists of numbers, which make up most of a file of traces, are read many at a time.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simulator.arrays import Array
from simulator.errors import UserError
from simulator.importers.json_files import AGAIN, unreadable
from simulator.storage import check_plain, read_plain

MAX_BYTES = 4 * 2**30
"""The largest file that is read, in bytes."""

MAX_OBJECTS = 2**20
"""Most containers in a file (not counting runs of numbers)."""

MAX_MARKS = 100
"""Deepest nesting of unfinished containers."""

MAX_NUMBER_KEYS = 10_000
"""Most numbers as dict keys or set members, because their hashes can be made to collide."""

MAX_ARGUMENTS = 9
"""Most arguments of a call; a dtype's state can have so many."""

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
_ORDERS = {"<": "<", ">": ">", "|": "<", "=": "<"}
_NUMBERS = re.compile(rb"(?:G.{8}|K.|M..|J.{4}){1,4096}+", re.DOTALL)
_SCALAR = rb"C\x08.{8}\x94\x86\x94R\x94"
_GETS = re.compile(rb"(h.|j.{4})(h.|j.{4})C\x08", re.DOTALL)
_SCALARS = re.compile(rb"(h.|j.{4})(h.|j.{4})%b(?:\1\2%b){0,4095}+" % (_SCALAR, _SCALAR), re.DOTALL)
"""Calls of one function from the memo with one dtype from the memo and 8 bytes each."""

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
        size = check_plain(path).st_size
        if size > MAX_BYTES:
            limit = f"{MAX_BYTES / 2**30:g} GiB"
            raise UserError(f"{path}: {size:,} bytes, more than the {limit} that are read at once")
        data = read_plain(path)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return loads(data)
    except RefusedPickle as error:
        raise UserError(f"{path}: {error}") from None


def loads(data: bytes) -> Any:
    """Parse the data of a pickle; see `load`. Raises `RefusedPickle`."""
    if not re.match(rb"\x80[\x02-\x05]", data):
        first = f"it begins with {data[:8]!r}" if data else "the file is empty"
        raise RefusedPickle(
            f"not a pickle of protocol 2 to 5 ({first}); write it with "
            "pickle.dump(data, file, protocol=4)"
        )
    reader = _Reader(data)
    reader.file.seek(2)
    try:
        return reader.load()
    except (EOFError, pickle.UnpicklingError):
        place = len(data)
    except (IndexError, UnicodeDecodeError, struct.error):
        place = reader.file.tell()
    if place == len(data):
        raise RefusedPickle(f"the pickle is truncated (at byte {place:,}); {AGAIN}")
    raise RefusedPickle(f"damaged at byte {place:,}; {AGAIN}")


class _Name:
    """One of the values of `_NAMES`, on the stack in place of the object that a file named."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Dtype:
    """A numpy dtype described by the file; its byte `order` is read after the rest."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if not _DTYPE.fullmatch(code):
            raise ValueError
        self.code: str = code
        self.order = "<"
        self.size = 1 if code == "b1" else int(code[1:]) * (4 if code[0] == "U" else 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)

    def build(self, version: Any, order: Any, *rest: Any) -> None:
        if type(order) is not str or order not in _ORDERS:
            raise ValueError
        if len(rest) < 3 or any(part is not None for part in rest[:3]):
            raise ValueError
        self.order = _ORDERS[order]


class _Array:
    """A numpy array whose contents have not been read yet; `index` is its place in the memo."""

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        if not _names(kind, "ndarray"):
            raise ValueError
        self.index = -1

    def build(self, version: Any, shape: Any, dtype: Any, fortran: Any, content: Any) -> Any:
        return _array(content, dtype, shape, "F" if fortran is True else "C")


_BASE: dict[int, Callable[[Any], None]] = pickle._Unpickler.dispatch


class _Reader(pickle._Unpickler):
    """Python's unpickler, with checks, and without the instructions that data do not need."""

    stack: list[Any]  # values since the last mark; those before it are in metastack
    metastack: list[list[Any]]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.file = io.BytesIO(data)
        super().__init__(self.file)
        self.places: list[Any] = []  # the memo
        self.objects = 0
        self.number_keys = 0
        self.used = 0
        self.calls = {**_CALLS, "set": self.new_set}

    def refused(self, what: str) -> RefusedPickle:
        return RefusedPickle(
            f"not read, as it needs {what} (byte {self.file.tell():,}); only containers, numbers, "
            "strings and numpy arrays are allowed, because anything else could run code: save only "
            "these"
        )

    def code(self) -> int:
        """Return the instruction that is being followed, if its argument has not been read yet."""
        return self.data[self.file.tell() - 1]

    # Checks

    def count(self) -> None:
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise self.refused(f"more than {MAX_OBJECTS:,} containers")

    def use(self, given: Any) -> None:
        """Count what a call works on, lest a file names the same long contents again and again.

        ValueError for arguments that numpy's pickles do not have.
        """
        if type(given) is not tuple or len(given) > MAX_ARGUMENTS:
            raise ValueError
        self.used += sum(len(part) for part in given if type(part) in (str, bytes, bytearray, list))
        if self.used > 4 * len(self.data):  # protocol 2 encodes contents before it uses them
            raise self.refused("the same contents many times")

    def key(self, value: Any) -> Any:
        """Check a dict key or set member; refuse nested ones: hashing could take forever."""
        if type(value) in (int, float, bool):
            self.number_keys += 1
            if self.number_keys > MAX_NUMBER_KEYS:
                raise self.refused(f"more than {MAX_NUMBER_KEYS:,} numbers as keys")
        elif type(value) not in (str, bytes, type(None)):
            raise self.refused(f"a {_kind(value)} as a key")
        return value

    def top(self, kind: type[Any]) -> Any:
        if type(self.stack[-1]) is not kind:
            raise self.refused(f"a {kind.__name__}'s method of a {_kind(self.stack[-1])}")
        return self.stack[-1]

    # Instructions: one method each

    def other(self) -> None:
        code = bytes([self.code()])
        raise self.refused(_REFUSED.get(code, f"an instruction that data do not need ({code!r})"))

    def stop(self) -> None:
        if self.metastack or len(self.stack) != 1:
            raise RefusedPickle(f"damaged at byte {self.file.tell():,}; {AGAIN}")
        _BASE[pickle.STOP[0]](self)

    def mark(self) -> None:
        if len(self.metastack) >= MAX_MARKS:
            raise self.refused(f"containers nested more than {MAX_MARKS} deep")
        _BASE[pickle.MARK[0]](self)

    def container(self) -> None:
        """Make a list, dict, set or tuple as Python does, and count it."""
        self.count()
        _BASE[self.code()](self)

    def numbers(self) -> None:
        """Read an int or a float, or a whole run of them, with Python's fast unpickler."""
        found = _NUMBERS.match(self.data, self.file.tell() - 1)
        if found is None:
            raise EOFError
        self.stack.extend(pickle.loads(b"\x80\x02(" + found[0] + b"t."))
        self.file.seek(found.end())

    def frame(self) -> None:
        """Read a length; the file must have as many bytes, but nothing is done with them yet."""
        if struct.unpack("<Q", self.read(8))[0] > len(self.data) - self.file.tell():
            raise EOFError

    def append_one(self) -> None:
        value = self.stack.pop()
        self.top(list).append(value)

    def append_many(self) -> None:
        values = self.pop_mark()
        self.top(list).extend(values)

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.top(dict)[self.key(key)] = value

    def set_items(self) -> None:
        values = self.pop_mark()
        target = self.top(dict)
        for place in range(0, len(values), 2):
            target[self.key(values[place])] = values[place + 1]

    def add_items(self) -> None:
        values = self.pop_mark()
        self.top(set).update(map(self.key, values))

    def frozen(self) -> None:
        self.count()
        values = self.pop_mark()
        self.stack.append(frozenset(map(self.key, values)))

    # The memo: pickles number its places from 0 on, without gaps

    def place(self) -> int:
        long = self.code() in b"rj"
        return int.from_bytes(self.read(4 if long else 1), "little")

    def put(self) -> None:
        new = self.code() == pickle.MEMOIZE[0]
        index = len(self.places) if new else self.place()
        if index > len(self.places):
            raise self.refused(f"memo entry {index:,}")
        value = self.stack[-1]
        self.places[index : index + 1] = [value]
        if type(value) is _Array:
            value.index = index

    def get(self) -> None:
        """Get a place of the memo, or read the run of numpy scalars that begins with doing so."""
        start = self.file.tell() - 1
        value = self.places[self.place()]
        if value is _MISSING:
            raise IndexError
        gets = _GETS.match(self.data, start) if _names(value, "scalar") else None
        if gets is not None and self.scalars(gets):
            return
        self.stack.append(value)

    def scalars(self, gets: re.Match[bytes]) -> bool:
        """Read a run of float64 scalars: 8 instructions and 3 places of the memo each."""
        dtype = self.places[int.from_bytes(gets[2][1:], "little")]
        if type(dtype) is not _Dtype or dtype.code != "f8":
            return False
        run = _SCALARS.match(self.data, gets.start())
        if run is None:
            return False
        rows = np.frombuffer(run[0], dtype=np.uint8).reshape(-1, len(gets[0]) + 13)
        values = np.ascontiguousarray(rows[:, -13:-5]).view(dtype.dtype)[:, 0].tolist()
        places = [_MISSING] * (3 * len(values))
        places[2::3] = values
        self.places.extend(places)
        self.stack.extend(values)
        self.file.seek(run.end())
        return True

    # What would be calls

    def find_class(self, module: str, name: str) -> _Name:
        if self.file.tell() == len(self.data):
            raise EOFError
        self.count()
        if (module, name) not in _NAMES:
            raise self.refused(_shown(f"{module}.{name}"))
        return _Name(_NAMES[module, name])

    def named(self) -> None:
        if {type(part) for part in self.stack[-2:]} != {str}:
            raise self.refused("a name that is not text")
        _BASE[pickle.STACK_GLOBAL[0]](self)

    def reduce(self) -> None:
        given, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Name or type(given) is not tuple:
            raise self.refused(f"a call of a {_kind(function)}")
        self.count()
        try:
            self.use(given)
            self.stack.append(self.calls[function.name](*given))
        except (KeyError, TypeError, ValueError):
            raise self.refused(f"{function.name} with {_arguments(given)}") from None

    def new_set(self, values: Any) -> set[Any]:
        if type(values) is not list:
            raise TypeError
        return set(map(self.key, values))

    def build(self) -> None:
        """Set the byte order of a dtype, or replace an array's placeholder by its contents."""
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) not in (_Dtype, _Array):
            raise self.refused(f"attributes of a {_kind(target)} to be set")
        try:
            self.use(state)
            made = target.build(*state)
        except (TypeError, ValueError):
            what = "a dtype" if type(target) is _Dtype else "an array"
            raise self.refused(f"{what} with {_arguments(state)}") from None
        if type(target) is _Array:
            self.stack[-1] = made
            if target.index >= 0 and self.places[target.index] is target:
                self.places[target.index] = made

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **dict.fromkeys(range(256), other),
        **{code: _BASE[code] for code in b"N\x88\x89\x8aX\x8c\x8dBC\x8e)c"},
        **dict.fromkeys(b"]}\x8ft\x85\x86\x87", container),
        **dict.fromkeys(b"JKMG", numbers),
        pickle.BYTEARRAY8[0]: _BASE[pickle.BINBYTES8[0]],
        pickle.FRAME[0]: frame,
        pickle.STOP[0]: stop,
        pickle.MARK[0]: mark,
        pickle.APPEND[0]: append_one,
        pickle.APPENDS[0]: append_many,
        pickle.SETITEM[0]: set_item,
        pickle.SETITEMS[0]: set_items,
        pickle.ADDITEMS[0]: add_items,
        pickle.FROZENSET[0]: frozen,
        **dict.fromkeys(b"\x94qr", put),
        **dict.fromkeys(b"hj", get),
        pickle.STACK_GLOBAL[0]: named,
        pickle.REDUCE[0]: reduce,
        pickle.BUILD[0]: build,
    }


_MISSING = object()


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    return value.name if type(value) is _Name else type(value).__name__.strip("_").lower()


def _names(value: Any, name: str) -> bool:
    return type(value) is _Name and value.name == name


def _shown(text: str) -> str:
    """Shorten text of a file to a part of one line."""
    shown = repr(text[:80])[1:-1]
    return shown if len(shown) <= 80 else f"{shown[:79]}…"


def _arguments(given: Any) -> str:
    """Describe the arguments of a call in a few words."""
    given = given[:4] if type(given) is tuple else (given,)
    shown = [f"'{_shown(each)}'" if type(each) is str else _kind(each) for each in given]
    return ", ".join(shown) or "nothing"


# What allowed names do; TypeError or ValueError refuses their arguments.


def _scalar(dtype: Any, content: Any) -> Any:
    return _array(content, dtype, (), "C").item()


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    """Make an array from the bytes in the file; ValueError if they do not fit dtype and shape."""
    fit = (
        type(dtype) is _Dtype
        and type(content) in (bytes, bytearray)
        and type(shape) is tuple
        and len(shape) <= 8
        and all(type(side) is int and 0 <= side < 2**31 for side in shape)
        and dtype.size > 0
        and math.prod(shape) * dtype.size == len(content)
    )
    if not fit or type(order) is not str or order not in ("C", "F"):
        raise ValueError
    if dtype.code[0] == "U":
        codes = np.frombuffer(content, dtype=f"{dtype.order}u4")
        if codes.size and codes.max() > sys.maxunicode:  # numpy itself does not look
            raise ValueError
    values = np.frombuffer(content, dtype=dtype.dtype)
    # ValueError for sides beside a 0 whose product no array can have
    return values.reshape(shape, order="F" if order == "F" else "C")


def _encode(text: Any, codec: Any) -> bytes:
    """Decode bytes as protocol 2 writes them."""
    if type(codec) is not str or codec not in ("latin1", "latin-1"):
        raise ValueError
    return str.encode(text, "latin-1")


_CALLS: dict[str, Callable[..., Any]] = {
    "_reconstruct": _Array,
    "dtype": _Dtype,
    "scalar": _scalar,
    "_frombuffer": _array,
    "encode": _encode,
    "bytes": lambda: b"",  # protocol 2 writes empty bytes as a call without arguments
    "dict": lambda: {},
}
