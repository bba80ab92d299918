//! What whoever supervises procman is told.

use crate::supervisor::tests::transcript::check_with;

#[test]
fn all_ready_is_announced_once() {
    check_with(
        "all: supervised; web: ready=log restart=always; migrate: one-shot",
        "
        start web.1 migrate.1 -> spawn web.1, announce 0 of 2
        spawned web.1 11      -> spawn migrate.1
        spawned migrate.1 12  ->
        ready web.1 11        -> say ready web.1 after 0s, announce 1 of 2
        exited migrate.1 0    -> announce 2 of 2, announce ready
        exited web.1 3        -> say back in 1s web.1 3 (1), announce 1 of 2
        +1s                   -> spawn web.1
        spawned web.1 13      ->
        ready web.1 13        -> say ready web.1 after 0s, announce 2 of 2
        ask 1: scale web=2    -> reply 1: web.1 runs already 13, spawn web.2, announce 2 of 3
        SIGTERM               -> announce stopping, say stopping for SIGTERM, terminate web.1, reply 1: web.2 overtaken, done 1
        spawned web.2 14      -> terminate web.2
        ",
    );
}

#[test]
fn what_runs_is_ready_where_nothing_is_said_of_it() {
    check_with(
        "all: supervised; web:",
        "
        start web.1      -> spawn web.1, announce 0 of 1
        spawned web.1 11 -> announce 1 of 1, announce ready
        ",
    );
}

#[test]
fn nothing_to_wait_for_is_ready_at_once() {
    check_with(
        "all: supervised; web:",
        "
        +1s    ->
        start  -> announce 0 of 0, announce ready
        ",
    );
}

#[test]
fn what_is_not_to_be_is_not_waited_for() {
    check_with(
        "all: supervised; web: on-exit=ignore; worker: ready=log",
        "
        start web.1 worker.1 -> spawn web.1, announce 0 of 2
        spawned web.1 11     -> spawn worker.1, announce 1 of 2
        spawned worker.1 12  ->
        exited web.1 0       -> say others go on web.1 0, announce 0 of 1
        ready worker.1 12    -> say ready worker.1 after 0s, announce 1 of 1, announce ready
        ask 1: stop worker   -> terminate worker.1, announce 0 of 1
        exited worker.1 0    -> reply 1: worker.1 stopped 0, done 1, announce 0 of 0
        ",
    );
}

#[test]
fn a_stop_is_announced_whatever_its_cause() {
    check_with(
        "all: supervised; web:",
        "
        start web.1      -> spawn web.1, announce 0 of 1
        spawned web.1 11 -> announce 1 of 1, announce ready
        exited web.1 3   -> announce stopping, drain
        drained          -> finish 3
        ",
    );
}
