"""The settings that the pod has, with paths and addresses of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from servestack.manifests.server_settings import is_in_image, server_settings
from servestack.resolve.resolved import ResolvedService
from servestack_contract.events import KINDS
from servestack_contract.settings import ApiKeys, Events, ServerSettings


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve here. `events` is a folder for the events; with None no event is written.

    `api_keys` is a file of accepted keys; without it the server asks for no key.
    """

    host: str
    port: int
    events: Path | None
    api_keys: Path | None


def local_settings(service: ResolvedService, options: ServeOptions) -> ServerSettings:
    """The server's settings on this machine."""
    settings = server_settings(service)
    folder = models_folder(service)
    places = tuple(
        place if is_in_image(model) else replace(place, path=str(folder / model.name))
        for place, model in zip(settings.models, service.models, strict=True)
    )
    return replace(
        settings,
        models=places,
        port=options.port,
        events=_events(settings.events, options.events),
        api_keys=_api_keys(settings.api_keys, options.api_keys),
        log=None,  # Whoever serves here reads it.
    )


def _events(events: Events | None, folder: Path | None) -> Events | None:
    """Events of all kinds go into that folder, and nothing ships them."""
    if events is None or folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return replace(events, folder=str(folder.resolve()), kinds=KINDS, registry=None)


def _api_keys(keys: ApiKeys | None, file: Path | None) -> ApiKeys | None:
    if keys is None or file is None:
        return None
    return replace(keys, file=str(file.resolve()))


def models_folder(service: ResolvedService) -> Path:
    """The folder of fetched artifacts: one for each set of pinned artifacts."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = "-".join((model.artifact.sha256 or "unpinned")[:12] for model in service.models[:4])
    return base / "servestack" / "models" / f"{service.name}-{pins}"
