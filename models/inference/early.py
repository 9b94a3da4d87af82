"""Load compiled networks while Python still imports torch: a run writes down which ones it used, for the next one like it.

This takes no torch, so it can begin at once. It is only a head start: a network is known by its file in the cache, whose
name is the SHA-256 of all that makes it, and what is not asked for is dropped at the end of the run.
"""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.inference.compiled_cache import CompiledCache
from models.inference.devices import usable_cores

if TYPE_CHECKING:
    import openvino

Settings = Mapping[str, Any]
"""Properties of OpenVINO's CPU device."""

_LOCK = threading.Lock()
_WAITING: dict[Path, Settings] = {}
_UNDER_WAY: dict[Path, Future[openvino.CompiledModel | None]] = {}
_USED: dict[Path, Settings] = {}


def begin(run: str) -> None:
    """Load in another thread what the last run of this name used.

    Args:
        run: names runs that use the same networks.
    """
    with suppress(ValueError, TypeError, AttributeError):  # a list of another version
        cache = CompiledCache()
        listed: dict[str, Settings] = json.loads(cache.read(_list_of(run, cache)) or b"{}")
        with _LOCK:
            _WAITING.update({cache.folder / Path(name).name: settings for name, settings in listed.items()})
        threading.Thread(target=_load_all, name="early", daemon=True).start()


def take(path: Path, settings: Settings) -> openvino.CompiledModel | None:
    """Return the network of a file if it is loaded or being loaded; None if the caller must load it, with these settings."""
    with _LOCK:
        _USED[path] = settings
        _WAITING.pop(path, None)
        under_way = _UNDER_WAY.pop(path, None)
    return under_way.result() if under_way else None


def remember(run: str) -> None:
    """Write down which networks this process used, and forget those that were loaded for nothing."""
    with _LOCK:
        _WAITING.clear()
        _UNDER_WAY.clear()
        listed = json.dumps({path.name: dict(settings) for path, settings in _USED.items()}).encode()
    cache = CompiledCache()
    path = _list_of(run, cache)
    if (cache.read(path) or b"{}") != listed:
        cache.write(path, listed)


def _load_all() -> None:
    while True:
        with _LOCK:
            if not _WAITING:
                return
            path = next(iter(_WAITING))
            settings = _WAITING.pop(path)
            loaded = _UNDER_WAY[path] = Future()
        loaded.set_result(_load(path, settings))


def _load(path: Path, settings: Settings) -> Any:
    with suppress(Exception):  # raised again where the network is needed
        import openvino

        blob = CompiledCache().read(path)
        return openvino.Core().import_model(blob, "CPU", dict(settings)) if blob else None


def _list_of(run: str, cache: CompiledCache) -> Path:
    """Return the file of the list: machines that share a home, and versions of OpenVINO, have lists of their own."""
    return cache.file(f"networks of {run} {platform.node()} {usable_cores()} {_version()}")


def _version() -> str:
    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return ""
