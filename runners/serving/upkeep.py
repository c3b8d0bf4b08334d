"""What is served, changed while it serves: names that are put and removed over HTTP."""

import functools
import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fastapi import HTTPException, Request
from fastapi.responses import Response

from runners.catalogue import Catalogue
from runners.serving import schema
from runners.serving.asking import Refusal
from runners.serving.desk import Desk
from runners.serving.frozen import weights_fingerprint
from runners.serving.guard import note
from runners.serving.models import Full, ServedModel
from runners.serving.reading import Reading
from runners.serving.responses import as_json, card, shown
from runners.serving.sources import adopted, model_of
from runners.storage.layout import is_id
from runners.store import DefectError, Store

_PATH = re.compile(r"(?:[A-Za-z][\w+.-]*://|(?<![\w.])/)[^\s'\";,()]+")
_HIDDEN = "(a path of the server)"


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What may change the models that are served: a store, and a token that proves the right.

    Without a store nothing may; without a token everybody who reaches the server may.
    """

    store: Store | None
    catalogue: Catalogue
    token: str | None = None


class Forbidden(HTTPException):
    """A change that somebody may not make."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message, {"WWW-Authenticate": "Bearer"} if status == 401 else None)
        self.code = code


class UpkeepRoutes:
    """What each route does; the lines below are what OpenAPI says of them."""

    def __init__(self, desk: Desk, upkeep: Upkeep) -> None:
        self._desk, self._upkeep = desk, upkeep
        self._reading = Reading()
        # Of at most two models: the one that is served, and the store's of the same trials.
        self._fingerprint = functools.cache(
            functools.partial(weights_fingerprint, catalogue=upkeep.catalogue)
        )

    async def put_model(
        self, name: str, body: schema.PutModelRequest, request: Request
    ) -> Response:
        """Serve trials of the store under a name, from the response on; several vote."""
        store, limits = self._store(request), self._desk.limits
        directory = self._desk.directory
        _check_trials(body.trials, limits.voters)
        try:
            # Before anything is read, and again when it is put: others may have come meanwhile.
            directory.require_name(name, limits)
            read = functools.partial(self._read, name, body.trials, store)
            model = await self._reading.read(read, limits.seconds)
            replaced = directory.put(model, limits)
        except Full as error:
            raise Refusal(error.code, "name", str(error)) from error
        except (DefectError, ValueError) as error:
            note(logging.WARNING, request=request.state.request_id, refused=str(error))
            raise Refusal("bad_model", "trials", self._without_paths(str(error))) from error
        return as_json(card(model, limits), status=200 if replaced else 201)

    async def delete_model(self, name: str, request: Request) -> Response:
        """Serve a name no more; what was asked before is still answered."""
        self._store(request)
        known(name, self._desk.directory.models)
        self._desk.directory.remove(name)
        return as_json({"id": name, "object": "model", "deleted": True})

    def _read(self, name: str, trials: Iterable[str], store: Store) -> ServedModel:
        model = model_of(name, list(trials), store, self._upkeep.catalogue)
        return adopted(model, self._desk.directory.frozen, self._fingerprint)

    def _store(self, request: Request) -> Store:
        """The store, for those who may change what is served."""
        if self._upkeep.store is None:
            said = "no store was given, so nothing can be added or removed; start with --store"
            raise Forbidden(403, "no_store", said)
        if self._upkeep.token is not None:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self._upkeep.token}".encode()):
                raise Forbidden(401, "no_token", "send Authorization: Bearer with the token")
        return self._upkeep.store

    def _without_paths(self, text: str) -> str:
        """A message for clients, whom the folders of the server do not concern; the log has all."""
        frozen, store = self._desk.directory.frozen, self._upkeep.store
        paths = {store.root if store else None, frozen.folder, frozen.store} - {None}
        for path in sorted(map(str, paths), key=len, reverse=True):
            text = text.replace(path, _HIDDEN)
        return _PATH.sub(_HIDDEN, text)


def known(name: str, models: Mapping[str, ServedModel]) -> ServedModel:
    """The model that a route names; raises `Refusal` where there is none."""
    if name not in models:
        said = f"model {shown(name)} is not served; GET /v1/models lists what is"
        raise Refusal("model_not_found", "name", said)
    return models[name]


def _check_trials(trials: list[str], most: int) -> None:
    if not 1 <= len(trials) <= most:
        rule = f"has {len(trials)} trials, and a model has 1 to {most}"
        raise Refusal("bad_trials", "trials", f"the model {rule}; name so many")
    strange = [trial for trial in trials if not is_id(trial)]
    if strange:
        said = f"{shown(strange[0])} is not 16 hex digits; give the id of a trial"
        raise Refusal("bad_trials", "trials", said)
