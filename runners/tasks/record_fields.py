"""Typed fields of a JSON record, with errors that name task, record, field, value and remedy."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass

from runners.rules import nearest

_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Fields:
    """A JSON object inside a record; `record` and `path` say where it stands.

    Every reader raises ValueError where the field is missing or of another
    type; JSON's true and false are no numbers here.
    """

    values: Mapping[str, object]
    record: str
    path: str = ""

    def text(self, name: str) -> str:
        """A string field."""
        value = self._field(name, "text")
        if not isinstance(value, str):
            raise self.refuse(name, "is not text", "write a JSON string")
        return value

    def whole(self, name: str) -> int:
        """A whole-number field."""
        value = self._field(name, "a whole number")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(name, "is not a whole number", "write one, without quotes")
        return value

    def inner(self, name: str) -> "Fields":
        """A field that is an object itself."""
        value = self._field(name, "a JSON object")
        if not isinstance(value, Mapping):
            raise self.refuse(name, "is not a JSON object", "write {...}")
        return Fields(values=value, record=self.record, path=f"{self.path}{name}.")

    def items(self, name: str) -> list["Fields"]:
        """A field that is a list of objects."""
        value = self._field(name, "a list of JSON objects")
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.refuse(name, "is not a list of JSON objects", "write [{...}, ...]")
        return [
            Fields(values=item, record=self.record, path=f"{self.path}{name}[{place}].")
            for place, item in enumerate(value)
        ]

    def texts(self, name: str) -> list[str]:
        """A field that is a list of strings."""
        value = self._field(name, "a list of texts")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(name, "is not a list of texts", 'write ["...", ...]')
        return list(value)

    def one_of(self, name: str, legal: Mapping[str, object]) -> str:
        """The key of `legal` whose value the field has, type included: true is not 1."""
        written = {str(raw): json.dumps(raw) for raw in legal.values()}
        value = self._field(name, " or ".join(written.values()))
        for word, raw in legal.items():
            if type(value) is type(raw) and value == raw:
                return word
        near = nearest(str(value), written)
        remedy = f"did you mean {written[near]}?" if near else "use one of these, as JSON"
        raise self.refuse(name, f"is not one of {', '.join(written.values())}", remedy)

    def refuse(self, name: str, rule: str, remedy: str) -> ValueError:
        """The error of a field whose value breaks `rule`, for the caller to raise."""
        value = reprlib.repr(self.values[name])
        return ValueError(f"{self.record}: {self.path}{name}: {value} {rule}; {remedy}")

    def _field(self, name: str, wanted: str) -> object:
        value = self.values.get(name, _ABSENT)
        if value is not _ABSENT:
            return value
        near = nearest(name, self.values)
        remedy = f"did you mean {near!r}?" if near else f"give {wanted}"
        raise ValueError(f"{self.record}: {self.path}{name} is missing; {remedy}")


def open_record(values: object, *, task: str, number: int) -> Fields:
    """The fields of the `number`-th record (from 1) of a task, named by its `idx` in errors.

    Raises ValueError where the record is no JSON object or has no whole `idx`.
    """
    where = f"{task} record number {number}"
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: {reprlib.repr(values)} is not a JSON object; write {{...}}")
    idx = Fields(values=values, record=where).whole("idx")
    return Fields(values=values, record=f"{task} record idx {idx}")
