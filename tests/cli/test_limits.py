"""Every limit that a part of the system takes is a setting, with the default that the part has by itself."""

from dataclasses import MISSING, fields
from typing import Any

import pytest
from pydantic import BaseModel

from engine.api.limits import ApiLimits
from engine.callbacks.limits import CallbackLimits
from engine.routing.limits import RoutingLimits
from engine.runtime.limits import RuntimeLimits
from engine.settings import CallbackSettings, RoutingSettings, RuntimeSettings, ServerSettings


@pytest.mark.parametrize(
    ("limits", "settings"),
    [
        (ApiLimits, (ServerSettings(), RoutingSettings())),
        (CallbackLimits, (CallbackSettings(),)),
        (RoutingLimits, (RoutingSettings(),)),
        (RuntimeLimits, (RuntimeSettings(), RoutingSettings())),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_limit_is_a_setting_with_the_same_default(
    limits: type[Any], settings: tuple[BaseModel, ...]
) -> None:
    given = {name: value for section in settings for name, value in section}
    defaults = {field.name: field.default for field in fields(limits) if field.default is not MISSING}
    assert {name: given.get(name) for name in defaults} == defaults
