"""Owns what all tests share: one build cache for the session, hypothesis without deadlines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("backflip", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("backflip")


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty build cache, shared by the workers of one run and by the commands that tests start."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "backflip-cache"
    cache.mkdir(exist_ok=True)
    os.environ["BACKFLIP_CACHE"] = str(cache)
    os.environ["BACKFLIP_TUNE"] = "0"
    return cache


@pytest.fixture(scope="session")
def seed_examples() -> dict[str, Any]:
    """The worked examples of the course notes, as data."""
    return json.loads((Path(__file__).parent / "data" / "seed_examples.json").read_text())


@pytest.fixture(scope="session")
def seed_cases(seed_examples: dict[str, Any]) -> dict[str, Any]:
    """The same, by name."""
    return {case["id"]: case for case in seed_examples["cases"]}
