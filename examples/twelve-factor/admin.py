"""One-off tasks of an administrator, such as `procman run python3 admin.py stats`; `purge` deletes the done jobs."""

from __future__ import annotations

import argparse

from app import store
from app.config import Config
from app.process import StopRequest, run


def stats(settings: Config, stop: StopRequest) -> None:
    with store.open_store(settings.database) as jobs:
        print(f"jobs: {jobs.counts()}")
        for worker, count in jobs.done_by_worker():
            print(f"done by {worker}: {count}")


def purge(settings: Config, stop: StopRequest) -> None:
    with store.open_store(settings.database) as jobs:
        print(f"jobs deleted: {jobs.delete_done()}")


def main() -> None:
    tasks = {"stats": stats, "purge": purge}
    parser = argparse.ArgumentParser(description="One-off tasks of an administrator.")
    parser.add_argument("task", choices=tasks)
    run(tasks[parser.parse_args().task])


if __name__ == "__main__":
    main()
