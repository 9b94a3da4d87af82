"""Beam's RunInference without its model manager, which imports scipy. Beam imports the manager again where it is asked for."""

from __future__ import annotations

import resource
import sys

_MANAGER = "apache_beam.ml.inference.model_manager"

if _MANAGER not in sys.modules:
    sys.modules[_MANAGER] = None  # type: ignore[assignment]  # Beam takes it for not installed
from apache_beam.ml.inference import base  # noqa: E402

if sys.modules[_MANAGER] is None:
    del sys.modules[_MANAGER]
    base.resource = resource  # Beam gives up both where one is not installed

ModelHandler, RunInference = base.ModelHandler, base.RunInference
