"""The release task: creates the tables or brings them up to date. It may be run any number of times."""

from __future__ import annotations

from app import store
from app.config import Config
from app.process import StopRequest, log, run


def main(settings: Config, stop: StopRequest) -> None:
    before, after = store.migrate(settings.database)
    if before == after:
        log.info("the database is up to date, version %d", after)
    else:
        log.info("the database went from version %d to %d", before, after)


if __name__ == "__main__":
    run(main)
