"""The clock: enqueues a heartbeat every few seconds. Run exactly one of it."""

from __future__ import annotations

import time

from app import store
from app.config import Config
from app.process import StopRequest, log, run


def main(settings: Config, stop: StopRequest) -> None:
    with store.open_store(settings.database) as jobs:
        log.info("a heartbeat every %g seconds", settings.heartbeat_seconds)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            # Beats missed while the machine slept are not made up for.
            due = max(due, time.monotonic() - settings.heartbeat_seconds) + settings.heartbeat_seconds
            log.info("job %d enqueued", jobs.enqueue("heartbeat"))
            abandoned = jobs.requeue_abandoned(settings.abandoned_seconds)
            if abandoned:
                log.warning("enqueued again, because their worker is gone: %d", abandoned)
    log.info("stopped")


if __name__ == "__main__":
    run(main)
