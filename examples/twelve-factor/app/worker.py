"""The worker: takes one job after another. Any number of them may run at once."""

from __future__ import annotations

import json
import time

from app import store
from app.config import Config
from app.process import StopRequest, log, run

POLL_SECONDS = 0.25
# How long a job pretends to take. A stop waits for it.
WORK_SECONDS = 0.2


def main(settings: Config, stop: StopRequest) -> None:
    with store.open_store(settings.database) as jobs:
        log.info("%s is waiting for jobs", settings.instance)
        finished = 0
        while not stop.requested:
            job = jobs.claim(settings.instance)
            if job is None:
                stop.wait(POLL_SECONDS)
                continue
            log.debug("job %d claimed", job.id)
            time.sleep(WORK_SECONDS)
            jobs.finish(job, settings.instance)
            finished += 1
            # As JSON, any text is one line.
            log.info("job %d done: %s", job.id, json.dumps(job.text, ensure_ascii=False))
    log.info("stopped, jobs done: %d", finished)


if __name__ == "__main__":
    run(main)
