"""TensorFlow Serving's JSON: a body to a signature's inputs, its outputs to a body.

The forms are those of https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import binascii
import itertools
import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.serving.refusals import bad

ROWS, COLUMNS, SIGNATURE = "instances", "inputs", "signature_name"
DEFAULT_SIGNATURE = "serving_default"
BASE64, BINARY = "b64", "_bytes"
# A list takes 28 times the memory of the two bytes that it is written with.
MOST_LISTS = 1_000_000
SHOWN = 60


@dataclass(frozen=True)
class Body:
    """What a body says, before a signature makes tensors of it.

    Attributes:
        signature: The signature's name.
        by_row: Whether it came as `instances`, and is answered so.
        value: What stood there.
    """

    signature: str
    by_row: bool
    value: Any


def parse(content: bytes) -> Body:
    """Reads a body.

    Raises:
        Refusal: If it is no JSON, or not of TensorFlow Serving's form.
    """
    if content.count(b"[") + content.count(b"{") > MOST_LISTS:
        raise bad(f"The body holds more than {MOST_LISTS:,} lists: send fewer images.")
    try:
        # Without UTF-8 said, Python would take some bytes for UTF-16.
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise bad(f"JSON Parse error: {_in_short(error)}") from None
    if not isinstance(found, dict):
        raise bad(f"JSON Value: {_shown(found)} Is not object")
    name = found.get(SIGNATURE, DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise bad(f"JSON Value: {_shown(name)} '{SIGNATURE}' key must be a string.")
    given = [key for key in (ROWS, COLUMNS) if key in found]
    if not given:
        raise bad(f"Missing '{COLUMNS}' or '{ROWS}' key")
    if len(given) > 1:
        raise bad(f"Expected only one of '{COLUMNS}' or '{ROWS}' keys to exist")
    value = found[given[0]]
    if given == [ROWS] and not isinstance(value, list):
        raise bad(f"Expected '{ROWS}' to be a list. Received: {_shown(value)}")
    if given == [ROWS] and not value:
        raise bad(f"No values in '{ROWS}' array")
    return Body(name or DEFAULT_SIGNATURE, given == [ROWS], value)


def inputs(
    body: Body, specs: Mapping[str, tf.TensorSpec], most: int
) -> dict[str, np.ndarray]:
    """Returns a signature's inputs: strings as objects, numbers as their own type.

    Args:
        body: What was sent.
        specs: The signature's, by name; each `(batch, …)`.
        most: Rows.

    Raises:
        Refusal: If a name, a shape, a type, a number's range or the base64 is wrong,
            or there are too many rows.
    """
    columns = _by_row(body.value, specs) if body.by_row else _by_column(body, specs)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise bad(f"The inputs have different numbers of rows: {lengths}")
    if max(lengths.values()) > most:
        raise bad(
            f"{max(lengths.values())} rows are too many: at most {most} a request"
        )
    return {name: _array(columns[name], spec, name) for name, spec in specs.items()}


def _by_row(rows: list[Any], specs: Mapping[str, tf.TensorSpec]) -> dict[str, list]:
    """Returns the columns of a list of rows: values, or dicts of a value an input."""
    named = _is_dict_of_inputs(rows[0])
    if not named and len(specs) > 1:
        raise bad(f"'{ROWS}' must hold objects with the keys {', '.join(specs)}")
    for place, row in enumerate(rows):
        if _is_dict_of_inputs(row) != named:
            kinds = ("value", "object") if not named else ("object", "value")
            raise bad(f"Expecting {kinds[0]} but got {kinds[1]} at item {place}")
        if named and set(row) != set(specs):
            raise bad(
                f"Failed to process element: {place} of '{ROWS}' list. Keys must be "
                f"equal to: {','.join(specs)}. Received: {_shown(list(row))}"
            )
    if named:
        return {name: [row[name] for row in rows] for name in specs}
    return {name: rows for name in specs}


def _by_column(body: Body, specs: Mapping[str, tf.TensorSpec]) -> dict[str, list]:
    """Returns the columns of an object of lists, or of the one list there is."""
    value = body.value
    if not _is_dict_of_inputs(value):
        if len(specs) > 1:
            raise bad(f"'{COLUMNS}' must be an object with the keys {', '.join(specs)}")
        value = {name: value for name in specs}
    for name in specs:
        if name not in value:
            raise bad(f"Missing named input: {name} in '{COLUMNS}' object.")
        if not isinstance(value[name], list):
            raise bad(f"Input {name} must be a list. Received: {_shown(value[name])}")
    return {name: value[name] for name in specs}


def _is_dict_of_inputs(value: Any) -> bool:
    """Tells an object of inputs from one that is base64."""
    return isinstance(value, dict) and set(value) != {BASE64}


def _array(column: list[Any], spec: tf.TensorSpec, name: str) -> np.ndarray:
    """Returns a column as an array of the input's type."""
    if spec.dtype == tf.string:
        found = np.empty(len(column), object)
        found[:] = [_bytes(value, name, place) for place, value in enumerate(column)]
        return found
    shape = [len(column), *spec.shape[1:]]
    if not column:
        return np.zeros(shape, spec.dtype.as_numpy_dtype)
    return _numbers(column, spec.dtype, shape, name)


def _bytes(value: Any, name: str, place: int) -> bytes:
    """Returns the bytes of a text, or of an object of base64."""
    where = f"element {place} of input {name}"
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise bad(f"{where} is no Unicode text") from None
    encoded = value.get(BASE64) if isinstance(value, dict) else None
    if not isinstance(encoded, str) or len(value) != 1:
        raise bad(
            f'{where} must be {{"{BASE64}": "…"}} or a string. '
            f"Received: {_shown(value)}"
        )
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise bad(f"Unable to base64 decode {where}") from None


def _numbers(
    column: list[Any], dtype: tf.DType, shape: list[int], name: str
) -> np.ndarray:
    """Returns nested lists of numbers as an array, no number changed.

    NumPy would take texts and truth values for numbers, and cut fractions off.
    """
    level = column
    for depth, size in enumerate(shape[1:], start=1):
        if not all(type(part) is list and len(part) == size for part in level):
            raise bad(f"Input {name} must be of shape {shape}: wrong at level {depth}")
        level = list(itertools.chain.from_iterable(level))
    if not set(map(type, level)) <= ({int} if dtype.is_integer else {int, float}):
        raise bad(f"Input {name} must hold numbers of the type {dtype.name}")
    wanted = dtype.as_numpy_dtype
    try:
        found = np.array(level, np.int64 if dtype.is_integer else wanted)
        if dtype.is_integer and (found.min() < dtype.min or found.max() > dtype.max):
            raise OverflowError
    except OverflowError:
        raise bad(f"Input {name} holds numbers beyond {dtype.name}") from None
    return found.astype(wanted).reshape(shape)


def answer(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """Returns the body of an answer: `predictions` by row, or `outputs` by name.

    The name of an only output is left out, as TensorFlow Serving does.
    """
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not by_row:
        found = {"outputs": columns if only is None else only}
    elif only is None:
        rows = zip(*columns.values())
        found = {"predictions": [dict(zip(columns, row)) for row in rows]}
    else:
        found = {"predictions": only}
    return to_json(found)


def _plain(name: str, array: np.ndarray) -> list[Any]:
    """Returns an output as lists of JSON's types."""
    values = array.tolist()
    return _texts(values, name.endswith(BINARY)) if array.dtype == object else values


def _texts(values: Any, binary: bool) -> Any:
    """Returns nested lists of bytes as text, or as base64."""
    if isinstance(values, list):
        return [_texts(value, binary) for value in values]
    if binary:
        return {BASE64: base64.b64encode(values).decode("ascii")}
    return values.decode("utf-8", errors="replace")


def to_json(value: Any, indent: int | None = None) -> bytes:
    """Returns JSON; NaN and infinity are written as TensorFlow Serving writes them."""
    return json.dumps(value, indent=indent).encode("ascii")


def error(reason: str) -> bytes:
    """Returns the body of a refusal."""
    return to_json({"error": reason})


def _shown(value: Any) -> str:
    """Returns the start of a value, however large or deep it is."""
    return reprlib.repr(value)


def _in_short(error: Exception) -> str:
    """Returns why JSON could not be read."""
    if isinstance(error, RecursionError):
        return "lists within lists without end"
    return str(error)[: 2 * SHOWN]
