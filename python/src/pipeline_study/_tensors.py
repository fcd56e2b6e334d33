"""Reads safetensors into NumPy arrays."""

import importlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

#: The types that NumPy has, little-endian.
DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
HEADER_BYTES_MAX = 100_000_000


class TensorError(ValueError):
    """A file that is no safetensors, or has a type that NumPy lacks."""


def read_tensors(path: Path) -> Dict[str, Any]:
    """The tensors of a file, by name. BF16 and the F8 types come as float32, which holds each of their values."""
    numpy = _numpy()
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, HEADER_BYTES_MAX):
            raise TensorError(f"{path} is no safetensors file")
        header: Dict[str, Any] = json.loads(file.read(length).decode("utf-8"))
        tensors: Dict[str, Any] = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= size - 8 - length:
                raise TensorError(f"tensor {name!r} of {path} lies outside of the file")
            file.seek(8 + length + begin)
            data = bytearray(end - begin)
            if file.readinto(data) != end - begin:
                raise TensorError(f"tensor {name!r} of {path} lies outside of the file")
            tensors[name] = _decoded(numpy, name, entry["dtype"], data).reshape(entry["shape"])
        return tensors


def _decoded(numpy: Any, name: str, dtype: str, data: bytearray) -> Any:
    if dtype in DTYPES:
        return numpy.frombuffer(data, dtype=DTYPES[dtype])
    if dtype == "BF16":
        wide = numpy.frombuffer(data, dtype="<u2").astype("<u4") << 16
        return wide.view("<f4")
    if dtype in SMALL:
        table = numpy.array([SMALL[dtype](code) for code in range(256)], dtype="<f4")
        return table[numpy.frombuffer(data, dtype="u1")]
    raise TensorError(f"tensor {name!r} is {dtype}, which NumPy lacks")


def _e4m3(code: int) -> float:
    """OCP E4M3FN: no infinities; NaN where all bits but the sign are set."""
    sign, exponent, mantissa = -1.0 if code & 0x80 else 1.0, code >> 3 & 15, code & 7
    if exponent == 15 and mantissa == 7:
        return float("nan")
    return float(sign * (mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)))


def _e5m2(code: int) -> float:
    """OCP E5M2: infinities and NaN as in IEEE 754."""
    sign, exponent, mantissa = -1.0 if code & 0x80 else 1.0, code >> 2 & 31, code & 3
    if exponent == 31:
        return sign * float("inf") if mantissa == 0 else float("nan")
    return float(sign * (mantissa / 4 * 2.0**-14 if exponent == 0 else (1 + mantissa / 4) * 2.0 ** (exponent - 15)))


SMALL: Mapping[str, Callable[[int], float]] = {"F8_E4M3": _e4m3, "F8_E5M2": _e5m2}


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        hint = "tensors are read into NumPy arrays: pip install numpy, or use path(…), which gives a safetensors file"
        raise ImportError(hint) from error
