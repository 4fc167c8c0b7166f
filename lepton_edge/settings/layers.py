"""Settings through pydantic-settings: flags win over variables, those over the file, that over what is usual.

Law: a noun of `core/config.py` in its own words goes in, the noun and where each of its values is from come out. The
environment is handed in. What is not known or not possible is an error that names who wrote it, never a default.
"""

from __future__ import annotations

import difflib
import functools
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lepton_edge.core.config import Setting
from lepton_edge.core.errors import UsageError
from lepton_edge.settings.file import read_table
from lepton_edge.settings.rooms import PREFIX, Room, refuse_strays
from lepton_edge.settings.wording import plain

T = TypeVar("T")
Usual = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Given what flags, variables and the file say, what holds where they say nothing."""
FLAG, VARIABLE, FILE, USUAL = "flag", "variable", "file", "default"


@dataclass(frozen=True)
class Told:
    """What was said of settings: flags that are None were not given."""

    flags: Mapping[str, Any]
    file: Path | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """The settings that hold, and the layer that each comes from."""

    config: T
    origins: Mapping[str, str]


class _Usual(PydanticBaseSettingsSource):
    """What holds where nobody says anything, which may depend on what the other sources say."""

    def __init__(self, model: type[BaseSettings], usual: Usual) -> None:
        super().__init__(model)
        self._usual = usual

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return one value; pydantic-settings asks for all at once."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._usual(self.current_state))


def resolve(room: Room[T], told: Told, usual: Usual = lambda said: {}) -> Resolved[T]:
    """Return the settings of `room` that hold.

    Raises:
        UsageError: a setting or variable that there is not, one that is missing, a value that cannot be.
    """
    refuse_strays(told.environment)
    model = model_of(room)
    sources = _sources(room, model, told, usual)

    class Layered(model):  # type: ignore[valid-type, misc]
        @classmethod
        def settings_customise_sources(cls, *ignored: Any, **default: Any) -> tuple[Any, ...]:
            return tuple(source for _, source in sources)

    try:
        made = Layered()
    except ValidationError as error:
        raise _refusal(error.errors()[0], room, _origins(sources)) from error
    values = {field.name: getattr(made, field.name) for field in fields(room.noun)}  # type: ignore[arg-type]
    return Resolved(room.noun(**values), _origins(sources))


def _sources(
    room: Room[Any], model: type[BaseSettings], told: Told, usual: Usual
) -> list[tuple[str, PydanticBaseSettingsSource]]:
    """Return the layers by name, first the one that wins."""
    given = {name: value for name, value in told.flags.items() if value is not None}
    shared = {PREFIX + name.upper() for name, setting in room.settings().items() if setting.shared}
    of_all = {name: value for name, value in told.environment.items() if name in shared}
    return [
        (FLAG, InitSettingsSource(model, given)),
        (VARIABLE, _variables(model, room.prefix, told.environment)),
        (VARIABLE, _variables(model, PREFIX, of_all)),
        (FILE, InitSettingsSource(model, read_table(told.file, room.table))),
        (USUAL, _Usual(model, usual)),
    ]


def _variables(model: type[BaseSettings], prefix: str, environment: Mapping[str, str]) -> EnvSettingsSource:
    """Return the layer of variables, read from the environment that was handed in; an empty one says nothing."""
    source = EnvSettingsSource(model, case_sensitive=False, env_prefix=prefix)
    source.env_vars = {name.lower(): value for name, value in environment.items() if value}
    return source


def _origins(sources: list[tuple[str, PydanticBaseSettingsSource]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for layer, source in reversed(sources):
        found.update(dict.fromkeys(source(), layer))
    return found


@functools.cache
def model_of(room: Room[Any]) -> type[BaseSettings]:
    """Return the pydantic model of the settings of `room`: each field as its `Setting` has it."""
    hints = typing.get_type_hints(room.noun)
    told = room.settings()
    made: dict[str, Any] = {
        one.name: _field(hints[one.name], told[one.name], one.default) for one in fields(room.noun)
    }
    return create_model(f"[{room.table}]", __base__=_Settings, **made)


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="forbid", allow_inf_nan=False)


def _field(kind: Any, told: Setting, default: Any) -> tuple[Any, Any]:
    """Return the type and the bounds of a field, as pydantic reads them."""
    made = Field(... if default is MISSING else default, description=told.told, ge=told.least, le=told.most)
    if told.choices:
        return Annotated[Literal[told.choices], BeforeValidator(_lower)], made
    if told.words:
        numbers = {"type": "integer", "minimum": 0, "maximum": told.most}
        schema = WithJsonSchema({"anyOf": [numbers, {"enum": list(told.words)}]})
        return Annotated[kind, BeforeValidator(functools.partial(_number, told.words)), schema], made
    if typing.get_origin(kind) is tuple:
        return Annotated[kind, NoDecode, BeforeValidator(_listed)], made
    return kind, made


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _number(words: Mapping[str, int], value: Any) -> Any:
    """Return a number for the word that may stand for it: "off" is no port for metrics."""
    return words.get(value, value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return tuple(one.strip() for one in value.split(",")) if isinstance(value, str) else value


def _refusal(wrong: ErrorDetails, room: Room[Any], origins: Mapping[str, str]) -> UsageError:
    """Return what a person is told of the first wrong value."""
    name = str(wrong["loc"][0])
    known = room.settings()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return UsageError(f"there is no setting {name!r}", hint)
    flag = f"--{name.replace('_', '-')}"
    if wrong["type"] == "missing":
        return UsageError(
            f"{flag} is missing", f"give {_spelled(flag, known[name])}; or set {room.variable(name)}"
        )
    where = written(room, name, origins.get(name, USUAL))
    if wrong["type"] == "literal_error":
        message = f"{where}: there is no {name.replace('_', ' ')} {wrong['input']!r}"
        return UsageError(message, _one_of(flag, known[name]))
    bound = wrong["type"].startswith(("greater", "less"))
    value = wrong["input"] if bound else repr(wrong["input"])
    return UsageError(f"{where} cannot be {value}: {plain(wrong['msg'])}", "correct it")


def _spelled(flag: str, told: Setting) -> str:
    """Return what a setting means with its words as they are typed: "--role board, where ..., or --role cloud, ..."."""
    said = told.told if told.told.startswith("`") else f"`` {told.told}"
    for word in told.choices:
        said = said.replace(f"`{word}`", f"{flag} {word}")
    return said.replace("``", flag).replace("`", "")


def _one_of(flag: str, told: Setting) -> str:
    words = [one for one in told.choices if one]
    if ", or `" in told.told:  # a sentence that tells what each word means
        return f"give {_spelled(flag, told)}"
    return f"write {', '.join(words[:-1])} or {words[-1]}"


def written(room: Room[Any], name: str, layer: str) -> str:
    """Return where a person wrote the setting `name`, as a message names it."""
    return {
        FLAG: f"--{name.replace('_', '-')}",
        VARIABLE: f"the variable {room.variable(name)}",
        FILE: f"{name} in the file of --config",
    }.get(layer, f"the default of {name}")
