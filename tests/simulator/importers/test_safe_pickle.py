"""Data come out of pickles as they went in; whatever could run code is refused and named."""

from __future__ import annotations

import builtins
import copyreg
import os
import pickle
import struct
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simulator.errors import UserError
from simulator.importers import safe_pickle
from simulator.importers.safe_pickle import RefusedPickle, loads

PROTOCOLS = (2, 3, 4, 5)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**33), 2**33)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
)
keys = st.text() | st.integers() | st.booleans() | st.none()
data = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys, inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
)


@given(data, st.sampled_from(PROTOCOLS))
def test_data_come_out_as_they_went_in(value: Any, protocol: int) -> None:
    found = loads(pickle.dumps(value, protocol))
    assert found == value
    assert type(found) in (type(value), set)  # a frozenset of protocol 2 and 3 comes as a set


@given(
    arrays.arrays(
        arrays.boolean_dtypes()
        | arrays.integer_dtypes()
        | arrays.unsigned_integer_dtypes()
        | arrays.floating_dtypes(sizes=(16, 32, 64))
        | arrays.unicode_string_dtypes(max_len=5),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(PROTOCOLS),
    st.booleans(),
)
def test_arrays_come_out_as_they_went_in(array: Any, protocol: int, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    found, again = loads(pickle.dumps([array, array], protocol))
    assert again is found
    np.testing.assert_array_equal(found, array)
    assert (found.shape, found.dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_come_as_numbers(protocol: int) -> None:
    scalars = [np.float64(1.5), np.float32(0.5), np.int64(-7), np.bool_(True), np.str_("日本")]
    found = loads(pickle.dumps(scalars, protocol))
    assert found == [1.5, 0.5, -7, True, "日本"]
    assert [type(value) for value in found] == [float, float, int, bool, str]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_runs_of_numbers_and_what_refers_into_them(protocol: int) -> None:
    rng = np.random.default_rng(0)
    scalars = [round(np.float64(value), 3) for value in rng.gamma(4.0, 3.0, size=5000)]
    floats = rng.random(5000).tolist()
    ints = [int(number) for number in rng.integers(-10, 200_000, size=5000)]
    mixed = [value for three in zip(scalars[:100], floats, ints, strict=False) for value in three]
    wanted = {
        "scalars": scalars,
        "one of them": scalars[4321],
        "the first and the last": (scalars[0], scalars[-1]),
        "floats": floats,
        "ints": ints,
        "mixed": mixed,
        "after": "x",
        "again": scalars,
    }
    pickled = pickle.dumps(wanted, protocol)
    found = loads(pickled)
    assert found == pickle.loads(pickled)
    assert found["again"] is found["scalars"]


def test_names_of_both_numpy_generations(tmp_path: Path) -> None:
    values = [np.float64(1.5), np.arange(3.0)]
    new = pickle.dumps(values, 3)
    assert b"numpy._core" in new
    assert repr(loads(new.replace(b"numpy._core", b"numpy.core"))) == repr(loads(new))


def test_ordered_dicts_come_as_dicts() -> None:
    assert loads(pickle.dumps(OrderedDict(a=1, b=[2]))) == {"a": 1, "b": [2]}


class _Calls:
    """Pickles as a call of anything."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


class _Made:
    def __init__(self) -> None:
        self.value = 1


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _global(module: str, name: str) -> bytes:
    return _short(module) + _short(name) + b"\x93"


_P4 = b"\x80\x04"
_MARKER = "code_ran"
_COMMAND = f"touch {_MARKER}"
_DTYPE_F8 = (
    _global("numpy", "dtype") + _short("f8") + b"\x89\x88\x87R" + b"(K\x03" + _short("<") + b"NNNtb"
)
_NEW_ARRAY = (
    _global("numpy._core.multiarray", "_reconstruct")
    + _global("numpy", "ndarray")
    + b"K\x00\x85C\x01b\x87R"
)
_SCALAR = _global("numpy._core.multiarray", "scalar")


def _array_of(shape: bytes, content: bytes, dtype: bytes = _DTYPE_F8) -> bytes:
    held = b"\x8e" + struct.pack("<Q", len(content)) + content
    return _P4 + _NEW_ARRAY + b"(K\x01" + shape + dtype + b"\x89" + held + b"tb."


ATTACKS: dict[str, tuple[bytes, str]] = {
    "os.system": (pickle.dumps(_Calls(os.system, (_COMMAND,))), r"posix\.system"),
    "os.system, text": (b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00xtR.", r"os\.system"),
    "eval": (pickle.dumps(_Calls(builtins.eval, ("1",))), r"builtins\.eval"),
    "exec": (pickle.dumps(_Calls(builtins.exec, ("1",)), 2), r"__builtin__\.exec"),
    "getattr": (pickle.dumps(_Calls(getattr, ("", "join"))), r"builtins\.getattr"),
    "import": (_P4 + _global("builtins", "__import__") + b".", r"builtins\.__import__"),
    "numpy.load": (pickle.dumps(_Calls(np.load, ("x",))), r"numpy\.load"),
    "numpy functions": (
        _P4 + _global("numpy._core.multiarray", "fromfile") + b".",
        r"numpy\._core\.multiarray\.fromfile",
    ),
    "numpy.testing": (
        _P4 + _global("numpy.testing._private.utils", "runstring") + b".",
        r"numpy\.testing\._private\.utils\.runstring",
    ),
    "dotted names": (_P4 + _global("numpy", "dtype.__class__") + b".", r"numpy\.dtype\.__class__"),
    "dotted modules": (_P4 + _global("numpy.dtype", "x") + b".", r"numpy\.dtype\.x"),
    "copyreg": (
        pickle.dumps(_Calls(copyreg._reconstructor, (_Made, object, None)), 2),  # type: ignore[attr-defined]
        r"copy_?reg\._reconstructor",
    ),
    "an object": (pickle.dumps(_Made(), 4), r"_Made"),
    "a date": (pickle.dumps(date(2026, 1, 1)), r"datetime\.date"),
    "a Counter": (pickle.dumps(Counter("aa")), r"collections\.Counter"),
    "INST": (b"\x80\x02(ios\nsystem\n.", "INST, which makes an object"),
    "OBJ": (b"\x80\x02(cos\nsystem\no.", r"os\.system"),
    "OBJ alone": (b"\x80\x02(No.", "OBJ, which makes an object"),
    "NEWOBJ": (_P4 + _global("numpy", "ndarray") + b")\x81.", "NEWOBJ, which makes an object"),
    "NEWOBJ_EX": (_P4 + _global("numpy", "ndarray") + b")}\x92.", "NEWOBJ_EX"),
    "PERSID": (b"\x80\x02Pwho\n.", "a persistent id"),
    "BINPERSID": (b"\x80\x02NQ.", "a persistent id"),
    "EXT1": (b"\x80\x02\x82\x01.", "an extension code"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "an extension code"),
    "outside buffer": (b"\x80\x05\x97.", "a buffer outside of the file"),
    "DUP": (_P4 + b"N2.", "an instruction that data do not need"),
    "POP": (_P4 + b"NN0.", "an instruction that data do not need"),
    "text opcodes": (_P4 + b"I1\n.", "an instruction that data do not need"),
    "LONG4": (_P4 + b"\x8b\xff\xff\xff\x7f.", "an instruction that data do not need"),
    "a name that is a list": (_P4 + b"]]\x93.", "a name that is not text"),
    "a call of text": (_P4 + _short("os") + b")R.", "a call of a str"),
    "a call of a list": (_P4 + b"])R.", "a call of a list"),
    "a call of ndarray": (_P4 + _global("numpy", "ndarray") + b")R.", "ndarray with nothing"),
    "a call with a list": (_P4 + _global("numpy", "dtype") + b"]R.", "a call of a dtype"),
    "state of a dict": (_P4 + b"}}b.", "attributes of a dict"),
    "state of a list": (_P4 + b"]" + b"}b.", "attributes of a list"),
    "state of a name": (_P4 + _global("numpy", "ndarray") + b"}b.", "attributes of a ndarray"),
    "state of an array": (
        _P4 + _NEW_ARRAY + b"}" + _short("__class__") + b"Nsb.", "an array with"
    ),
    "an array twice": (
        _array_of(b"K\x00\x85", b"")[:-1] + b"}b.", "attributes of a ndarray to be set"
    ),
    "_reconstruct of another class": (
        _P4 + _global("numpy._core.multiarray", "_reconstruct")
        + _global("numpy", "dtype") + b"K\x00\x85C\x01b\x87R.",
        "_reconstruct with dtype",
    ),
    "an array of objects": (pickle.dumps(np.array([{}, 1], dtype=object)), "dtype with 'O8'"),
    "an array of records": (pickle.dumps(np.zeros(2, dtype=[("a", "f8")])), "dtype with 'V8'"),
    "an array of dates": (pickle.dumps(np.zeros(2, dtype="M8[s]")), "dtype with 'M8'"),
    "a dtype of a class": (
        _P4 + _global("numpy", "dtype") + _global("numpy", "ndarray") + b"\x85R.",
        "dtype with ndarray",
    ),
    "a dtype made of fields": (
        _P4 + _global("numpy", "dtype") + _short("f8") + b"\x85R(K\x03" + _short("<") + b"N)}tb.",
        "a dtype with",
    ),
    "an order that is an array": (
        _P4 + _global("numpy", "dtype") + _short("f8") + b"\x85R(K\x03"
        + _array_of(b"K\x01\x85", b"x" * 8)[2:-1] + b"NNNtb.",
        "a dtype with",
    ),
    "a shape beyond the bytes": (_array_of(b"J\xff\xff\xff\x7f\x85", b"x" * 8), "an array with"),
    "a shape that overflows": (
        _array_of(b"\x8a\x08" + b"\x00" * 7 + b"\x40\x8a\x01\x04\x86", b""), "an array with"
    ),
    "a negative shape": (_array_of(b"J\xff\xff\xff\xff\x85", b""), "an array with"),
    "a shape of floats": (_array_of(b"G" + struct.pack(">d", 1) + b"\x85", b"x" * 8), "an array"),
    "an array without a dtype": (_array_of(b"K\x01\x85", b"x" * 8, b"N"), "an array with"),
    "a scalar of too few bytes": (_P4 + _SCALAR + _DTYPE_F8 + b"C\x04abcd\x86R.", "scalar with"),
    "a scalar of no dtype": (_P4 + _SCALAR + b"NC\x04abcd\x86R.", "scalar with None, bytes"),
    "a scalar that is no character": (
        _P4 + _SCALAR + _global("numpy", "dtype") + _short("U1")
        + b"\x85RC\x04\xff\xff\xff\xff\x86R.",
        "scalar with",
    ),
    "codecs of code": (
        _P4 + _global("_codecs", "encode") + _short("x") + _short("rot13") + b"\x86R.",
        "encode with 'x', 'rot13'",
    ),
    "codecs.decode": (_P4 + _global("_codecs", "decode") + b".", r"_codecs\.decode"),
    "a tuple as a key": (pickle.dumps({(1, 2): 3}), "a tuple as a key"),
    "an array as a key": (
        _P4 + b"}" + _array_of(b"K\x01\x85", b"x" * 8)[2:-1] + b"Ns.", "a ndarray as a key"
    ),
    "a list in a set": (_P4 + b"\x8f(]\x90.", "a list as a key"),
    "items of a list": (_P4 + b"](NNu.", "a dict's method of a list"),
    "appending to a dict": (_P4 + b"}Na.", "a list's method of a dict"),
    "a place far away": (b"\x80\x02Nr\xff\xff\xff\x7f.", "memo entry 2,147,483,647"),
    "deep nesting": (_P4 + b"(" * 1000 + b"N.", "nested more than 100 deep"),
    "numbers as keys": (
        pickle.dumps(dict.fromkeys(k * (2**61 - 1) for k in range(10_001))), "numbers as keys"
    ),
    "one text encoded many times": (
        _P4 + _global("_codecs", "encode") + b"\x94" + _short("a" * 200) + b"\x94"
        + _short("latin1") + b"\x94(" + b"h\x00h\x01h\x02\x86R" * 10 + b"t.",
        "the same contents many times",
    ),
    "one list made a set many times": (
        _P4 + _global("builtins", "set") + b"\x94]\x94(" + b"N" * 200 + b"e("
        + b"h\x00h\x01\x85R" * 10 + b"t.",
        "the same contents many times",
    ),
    "one text the state of many arrays": (
        _P4 + b"(" + _short("a" * 200) + b"\x94(NNNNh\x00t\x94" + (_NEW_ARRAY + b"h\x01b") * 10
        + b"t.",
        "an array with",
    ),
    "arguments": (
        _P4 + _global("numpy", "dtype") + b"(" + _short("f8") + b"N" * 10 + b"tR.",
        "dtype with 'f8', None",
    ),
    "containers": (_P4 + b"(" + b"]" * (2**20 + 1) + b"t.", "more than 1,048,576 containers"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_could_run_code_is_refused_and_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled, message = ATTACKS[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickled)
    with pytest.raises(UserError, match=message) as caught:
        safe_pickle.load(path)
    assert "as it needs" in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))
    assert os.listdir(tmp_path) == ["attack.pkl"]  # noqa: PTH208  (nothing was touched)


def test_a_refused_attack_would_have_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(ATTACKS["os.system"][0])
    assert (tmp_path / _MARKER).exists()


def test_hostile_names_stay_on_one_short_line() -> None:
    with pytest.raises(RefusedPickle) as caught:
        loads(_P4 + _global("a\nb\x1b[31m" * 20, "日" * 40) + b".")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def _doubled(empty: bytes, join: bytes) -> bytes:
    """Make a structure of 2^100 leaves, with each level twice the one before."""
    steps = [empty + b"\x94"]
    for level in range(100):
        get = b"h" + bytes([level])
        steps.append(b"]\x94(" + get * 2 + b"e" if join == b"e" else get * 2 + b"\x86\x94")
    return _P4 + b"(" + b"".join(steps) + b"t."


@pytest.mark.parametrize(("empty", "join"), [(b"]", b"e"), (b")", b"\x86")])
def test_shared_structures_stay_as_small_as_their_file(empty: bytes, join: bytes) -> None:
    began = time.monotonic()
    loads(_doubled(empty, join))
    as_key = _doubled(empty, join)[:-2] + b"}hdNst."
    with pytest.raises(RefusedPickle, match=r"a (list|tuple) as a key"):
        loads(as_key)
    assert time.monotonic() - began < 5


LENGTHS: dict[str, bytes] = {
    "text": b"\x8d" + struct.pack("<Q", 2**62),
    "bytes": b"\x8e" + struct.pack("<Q", 2**63),
    "bytearray": b"\x96" + struct.pack("<Q", 2**40),
    "frame": b"\x95" + struct.pack("<Q", 2**40),
    "four bytes": b"X\xff\xff\xff\xff",
    "an integer": b"\x8a\xff",
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_beyond_the_file_is_a_file_cut_off(name: str) -> None:
    with pytest.raises(RefusedPickle, match="the pickle is truncated"):
        loads(_P4 + LENGTHS[name] + b"abc")


@given(st.data())
def test_whatever_the_bytes_it_ends_in_data_or_one_line(drawn: st.DataObject) -> None:
    seeds = [
        pickle.dumps({"a": [np.float64(x) for x in range(20)], "b": np.arange(3)}, 4),
        pickle.dumps([np.arange(3.0), "x", {1: (2, None)}], 5),
        *(attack for attack, _ in list(ATTACKS.values()) if len(attack) < 1000),
    ]
    content = bytearray(drawn.draw(st.sampled_from(seeds)))
    for _ in range(drawn.draw(st.integers(1, 4))):
        place = drawn.draw(st.integers(0, len(content) - 1))
        content[place] = drawn.draw(st.integers(0, 255))
    cut = drawn.draw(st.integers(0, len(content)))
    for hostile in (bytes(content), bytes(content[:cut])):
        try:
            loads(hostile)
        except RefusedPickle as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_every_cut_of_a_file_is_named() -> None:
    whole = pickle.dumps({"confs": [np.float64(x) for x in range(30)], "text": "abc", "n": 5})
    for end in range(1, len(whole)):
        with pytest.raises(RefusedPickle):
            loads(whole[:end])


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(safe_pickle.MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "this is a folder"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"{}"), "not a pickle of protocol 2 to 5"),
        (lambda path: path.write_bytes(pickle.dumps([1], 0)), "not a pickle of protocol 2 to 5"),
        (lambda path: path.write_bytes(b"\x80\x09N."), "not a pickle of protocol 2 to 5"),
        (_too_large, "more than the 4 GiB"),
    ],
)
def test_files_that_are_no_pickles_are_named(
    tmp_path: Path, make: Callable[[Path], Any], message: str
) -> None:
    path = tmp_path / "x.pkl"
    make(path)
    with pytest.raises(UserError, match=message) as caught:
        safe_pickle.load(path)
    assert "\n" not in str(caught.value)
