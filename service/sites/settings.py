"""Settings: kind, bounds and meaning of each, read from a pydantic model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, TypeAdapter

ADDRESS_FORM = "an http or https address"
ZONE_FORM = "the name of a time zone, as Asia/Riyadh"

# `by_label` is a number for each label; a `switch` is true or false.
Kind = Literal[
    "number",
    "by_label",
    "choice",
    "switch",
    "line",
    "address",
    "version",
    "lines",
    "hosts",
    "hours",
    "zone",
]
_KINDS: Mapping[str, Kind] = {
    "integer": "number",
    "number": "number",
    "object": "by_label",
    "boolean": "switch",
    "array": "lines",
    "string": "line",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What the model says of one setting."""

    name: str
    kind: Kind
    meaning: str  # one phrase; the console translates it
    form: str  # the end of "expected ..."
    default: Any
    low: int
    high: int
    whole: bool
    length: int  # of a line
    n_lines: int
    choices: tuple[str, ...]
    unit: str  # "share", "seconds", or empty where the meaning says it
    secret: bool  # never shown

    @property
    def option(self) -> str:
        """Its name as people write it, in options and documents."""
        return self.name.replace("_", "-")

    @property
    def is_list(self) -> bool:
        """Whether it is several lines, of which each stands for itself."""
        return self.kind in ("lines", "hosts")

    @property
    def singular(self) -> str:
        """Its option for one of several: ``coral-secret``, ``notice-address``."""
        return re.sub("(?<=ss)es$|s$", "", self.option)

    def nearest(self, value: Any) -> Any:
        """Return a stored value, or the nearest that it can be where it is a number."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind != "number" or not number or value != value:  # noqa: PLR0124 - not a number
            return value
        value = max(self.low, min(value, self.high))
        return round(value) if self.whole else value


def lines_of(text: str) -> tuple[str, ...]:
    """Read what somebody wrote one on each line: without blanks around, each once."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def described(meaning: str, default: Any, **more: Any) -> Any:
    """Return the field of a model that is a setting; `more` is what its type does not say."""
    given = {"default_factory": type(default)} if default == {} else {"default": default}
    shown = not more.get("secret")
    return Field(description=meaning, repr=shown, json_schema_extra=more, **given)


def settings_of(model: Any) -> Mapping[str, Setting]:
    """Return the settings of a model by name, in its order."""
    schemas = TypeAdapter(model).json_schema()["properties"]
    fields = model.__pydantic_fields__
    return {
        name: _setting(name, schema, fields[name].get_default(call_default_factory=True))
        for name, schema in schemas.items()
        if "description" in schema
    }


def _setting(name: str, schema: Mapping[str, Any], default: Any) -> Setting:
    choices = tuple(schema.get("enum", ()))
    kind = schema.get("kind", "choice" if choices else _KINDS[schema["type"]])
    (bounds,) = schema.get("patternProperties", {"": schema}).values()
    low, high = bounds.get("minimum", 0), bounds.get("maximum", 0)
    length = schema.get("items", schema).get("maxLength", 0)
    n_lines = schema.get("maxItems", 1)
    form = {
        "number": f"{low} to {high}",
        "by_label": f"{low} to {high}",
        "choice": " or ".join(choices),
        "switch": "true or false",
        "line": f"one line of at most {length} characters",
        "address": ADDRESS_FORM,
        "version": "a version of the artefact, as 2026.01.31-1",
        "lines": f"at most {n_lines} lines of {length} characters",
        "hosts": f"at most {n_lines} hosts, such as news.example",
        "hours": "two times of day, as 22:00-07:00",
        "zone": ZONE_FORM,
    }[kind]
    return Setting(
        name=name,
        kind=kind,
        meaning=schema["description"],
        form=schema.get("form", form),
        default=default,
        low=low,
        high=high,
        whole=schema["type"] == "integer",
        length=length,
        n_lines=n_lines,
        choices=choices,
        unit=schema.get("unit", ""),
        secret=schema.get("secret", False),
    )
