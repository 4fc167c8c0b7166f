"""What an operator of the table cannot do: rare attributes that are refused instead of being ignored.

Law: one rule an operator; a rule says in words what it refuses, "" where nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from lepton_edge.compress.torch.operators.call import Call


def limit(call: Call) -> str:
    """Return what `call` asks for that its operator here cannot do; "" where it can."""
    return _LIMITS[call.op](call) if call.op in _LIMITS else ""


def _set(**refused: object) -> Callable[[Call], str]:
    """Refuse attributes that are not what this operator takes for granted."""
    return lambda call: ", ".join(
        f"{name}={call.get(name, usual)}" for name, usual in refused.items() if call.get(name, usual) != usual
    )


def _average(call: Call) -> str:
    if any(one != 1 for one in call.get("dilations", [])):
        return "dilations"
    partly = call.get("ceil_mode", 0) and call.get("count_include_pad", 0) and any(call.get("pads", []))
    return "ceil_mode with counted padding" if partly else ""


def _transposed(call: Call) -> str:
    return "output_shape" if "output_shape" in call.attributes else _set(auto_pad="NOTSET")(call)


def _pad(call: Call) -> str:
    return (
        ""
        if call.get("mode", "constant") in ("constant", "reflect", "edge")
        else f"mode={call.get('mode', '')}"
    )


def _resize(call: Call) -> str:
    mode, where = call.get("mode", "nearest"), call.get("coordinate_transformation_mode", "half_pixel")
    how = (mode, where, call.get("nearest_mode", "round_prefer_floor") if mode == "nearest" else "")
    known = (
        ("nearest", "asymmetric", "floor"),
        ("linear", "half_pixel", ""),
        ("linear", "pytorch_half_pixel", ""),
    )
    plain = not call.get("antialias", 0) and "axes" not in call.attributes
    plain = plain and call.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    return "" if plain and how in known else " ".join(how)


_LIMITS: dict[str, Callable[[Call], str]] = {
    "ArgMax": _set(select_last_index=0),
    "AveragePool": _average,
    "BatchNormalization": _set(training_mode=0, spatial=1),
    "ConvTranspose": _transposed,
    "DequantizeLinear": _set(block_size=0),
    "MaxPool": _set(storage_order=0),
    "Pad": _pad,
    "QuantizeLinear": _set(block_size=0),
    "Resize": _resize,
}
