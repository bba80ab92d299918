"""A small twelve-factor app: a web process, workers, a clock, a release task and an admin task."""
