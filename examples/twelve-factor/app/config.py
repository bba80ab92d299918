"""The settings, all of which come from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.postgresql import SCHEMES as POSTGRESQL
from app.sqlite import SCHEME as SQLITE

LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """A setting that cannot be used, in words."""


@dataclass(frozen=True)
class Config:
    abandoned_seconds: float
    # A URL, perhaps with a password: nothing that may be shown.
    database: str
    greeting: str
    heartbeat_seconds: float
    host: str
    instance: str
    log_level: str
    port: int


def load(environment: Mapping[str, str]) -> Config:
    """Returns the settings, with defaults for what is not set; raises ConfigError for the first unusable one."""
    database = environment.get("DATABASE_URL", "sqlite:///var/app.db")
    if not _is_database(database):
        raise ConfigError(f"DATABASE_URL must be {SQLITE} and a path, or {POSTGRESQL[0]}user:password@host/database")

    log_level = environment.get("LOG_LEVEL", "info").lower()
    if log_level not in LOG_LEVELS:
        raise ConfigError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")

    port = environment.get("PORT", "5000")
    if not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:
        raise ConfigError("PORT must be a number from 1 to 65535")

    return Config(
        abandoned_seconds=_positive_seconds("ABANDONED_SECONDS", environment.get("ABANDONED_SECONDS", "30")),
        database=database,
        greeting=environment.get("GREETING", "Hello"),
        heartbeat_seconds=_positive_seconds("HEARTBEAT_SECONDS", environment.get("HEARTBEAT_SECONDS", "5")),
        host=environment.get("HOST", "127.0.0.1"),
        instance=environment.get("PS", "unnamed"),
        log_level=log_level,
        port=int(port),
    )


def _is_database(url: str) -> bool:
    if url.startswith(POSTGRESQL):
        try:
            # A port that is no number means that a password with a slash in it is not escaped.
            return urlsplit(url).port != 0
        except ValueError:
            return False
    return url.startswith(SQLITE) and len(url) > len(SQLITE)


def _positive_seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86400:
        raise ConfigError(f"{name} must be a number of seconds, at most a day")
    return seconds
