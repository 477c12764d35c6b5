"""Rules that one operator or input must keep by itself, beyond the types of its fields."""

from __future__ import annotations

from typing import Final

from engine.ir.ids import Json
from engine.ir.spec import InputSpec, LlmSpec, OperatorSpec
from engine.parser.faults import Faults
from engine.parser.schemas import check_schema
from engine.parser.source_map import Path
from engine.parser.type_words import kind_of

_LOOP_REFUSES: Final = ("on_skip", "timeout_s", "retries", "effects", "deterministic")
INPUT_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "json": (object,),
}


def check_input(spec: InputSpec, raw: Json, path: Path, faults: Faults) -> None:
    """The default must be a value the column itself could hold."""
    if spec.default is None:
        return
    fits = isinstance(spec.default, INPUT_TYPES[spec.type])
    if isinstance(spec.default, bool) and spec.type in ("integer", "number"):
        fits = False
    if not fits:
        faults.at_value(
            (*path, "default"),
            "wrong_type",
            f"the input is of type {spec.type}, its default is {kind_of(raw['default'])}",
            f"write a {spec.type} default, or change the type",
        )


def check_llm(spec: OperatorSpec | None, raw: dict[str, Json], path: Path, faults: Faults) -> None:
    """Schema, and promises that sampling or the kind cannot keep."""
    if isinstance(raw.get("schema"), dict):
        check_schema(raw["schema"], (*path, "schema"), faults)
    if not isinstance(spec, LlmSpec):
        return
    if spec.effects not in (None, "none"):
        faults.at_value(
            (*path, "effects"),
            "bad_value",
            "a model call has no effects",
            "leave `effects` out; declare it on the tool that acts on the model's answer",
        )
    sampled = spec.sampling.temperature > 0 and spec.sampling.seed is None
    if spec.deterministic and sampled:
        faults.at_value(
            (*path, "deterministic"),
            "bad_value",
            "sampling at temperature > 0 without a seed is not deterministic",
            "set sampling.temperature to 0, or give sampling.seed",
        )


def check_loop(raw: dict[str, Json], path: Path, faults: Faults) -> None:
    """What belongs to the operators inside, and an empty loop."""
    for name in _LOOP_REFUSES:
        if name in raw:
            faults.at_key(
                (*path, name),
                "bad_value",
                f"a loop has no {name!r} of its own",
                f"set {name!r} on the operators inside",
            )
    if raw.get("operators") == {}:
        faults.at_key(
            (*path, "operators"), "empty", "the loop repeats nothing", "add operators under operators:"
        )
