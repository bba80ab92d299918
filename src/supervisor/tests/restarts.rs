//! What follows when an instance ends by itself: restarts, their pauses and their budget, and those that the others
//! survive.

use crate::supervisor::tests::transcript::{check, check_with};

#[test]
fn what_fails_comes_back_after_a_pause() {
    check_with(
        "web: restart=on-failure",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> say back in 1s web.1 3 (1)
        next deadline?   -> 1s
        status?          -> web.1 backing off until 1s after 3
        +999ms           ->
        +1ms             -> spawn web.1
        spawned web.1 12 ->
        status?          -> web.1 running 12 since 1s restarted 1 after 3
        ",
    );
}

#[test]
fn success_comes_back_only_always() {
    check_with(
        "web: restart=on-failure",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 0   -> drain
        drained          -> finish 0
        ",
    );
    check_with(
        "web: restart=always",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 0   -> say back in 1s web.1 0 (1)
        ",
    );
}

#[test]
fn a_budget_may_be_smaller() {
    check_with(
        "web: restart=always budget=2; worker: restart=always budget=1",
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        start worker.1          -> spawn worker.1
        spawned worker.1 12     ->
        exited web.1 0          -> say back in 1s web.1 0 (1)
        +1s                     -> spawn web.1
        spawned web.1 13        ->
        # A long run begins a new row.
        +10s exited web.1 3     -> say back in 1s web.1 3 (1)
        exited worker.1 4       -> say used up worker.1 4, drain
        drained                 -> finish 4
        ",
    );
}

#[test]
fn pauses_double_and_the_tenth_end_in_a_row_is_the_last() {
    let ends = [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (8, 30), (9, 30)];
    let each = ends.map(|(end, pause)| {
        format!(
            "
            spawned web.1 {end}  ->
            +9s exited web.1 3   -> say back in {pause}s web.1 3 ({end})
            +{pause}s            -> spawn web.1
            "
        )
    });
    check_with(
        "web: restart=on-failure; worker: restart=never",
        &format!(
            "
            start web.1 -> spawn web.1
            {}
            spawned web.1 99     ->
            start worker.1       -> spawn worker.1
            spawned worker.1 12  ->
            exited web.1 4       -> say used up web.1 4, say stopping for web.1, terminate worker.1
            exited worker.1 0    -> drain
            drained              -> finish 4
            ",
            each.concat()
        ),
    );
}

#[test]
fn a_steady_run_ends_the_row() {
    check_with(
        "web: restart=always",
        "
        start web.1         -> spawn web.1
        spawned web.1 11    ->
        exited web.1 3      -> say back in 1s web.1 3 (1)
        +1s                 -> spawn web.1
        spawned web.1 12    ->
        +9999ms killed web.1 SIGSEGV -> say back in 2s web.1 SIGSEGV (2)
        +2s                 -> spawn web.1
        spawned web.1 13    ->
        +10s exited web.1 3 -> say back in 1s web.1 3 (1)
        ",
    );
}

#[test]
fn the_pause_begins_when_nothing_of_its_group_is_left() {
    check_with(
        "web: restart=always grace=3s",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 3 leaving -> say leftovers web.1, terminate web.1
        next deadline?         -> 3s
        +2s emptied web.1      -> say back in 1s web.1 3 (1)
        next deadline?         -> 3s
        ",
    );
}

#[test]
fn with_a_seed_the_pause_is_longer_by_up_to_a_quarter() {
    check_with(
        "all: seed=7; web: restart=always",
        "
        start web.1 web.2 -> spawn web.1
        spawned web.1 11  -> spawn web.2
        spawned web.2 12  ->
        exited web.1 3    -> say back in 1022ms web.1 3 (1)
        exited web.2 3    -> say back in 1137ms web.2 3 (1)
        ",
    );
}

#[test]
fn a_spawn_that_fails_is_an_end_after_no_time() {
    check_with(
        "web: restart=on-failure",
        "
        start web.1            -> spawn web.1
        spawn-failed web.1 127 -> say back in 1s web.1 unstarted 127 (1)
        +1s                    -> spawn web.1
        spawned web.1 11       ->
        exited web.1 3         -> say back in 2s web.1 3 (2)
        ",
    );
    // One that a request asked for is told to whoever asked.
    check_with(
        "web: restart=on-failure; worker:",
        "
        start worker.1         -> spawn worker.1
        spawned worker.1 12    ->
        ask 1: scale web=1     -> spawn web.1
        spawn-failed web.1 127 -> reply 1: web.1 not started 127, done 1
        ",
    );
}

// One-shots

#[test]
fn a_one_shot_that_ends_well_is_done() {
    check_with(
        "migrate: one-shot restart=always; web:",
        "
        start web.1 migrate.1 -> spawn web.1
        spawned web.1 11      -> spawn migrate.1
        spawned migrate.1 12  ->
        status?               -> web.1 running 11 since 0s, migrate.1 running 12 since 0s unready
        exited migrate.1 0    ->
        status?               -> web.1 running 11 since 0s, migrate.1 down done after 0
        exited web.1 3        -> drain
        drained               -> finish 3
        ",
    );
    check_with(
        "migrate: one-shot",
        "
        start migrate.1      -> spawn migrate.1
        spawned migrate.1 12 ->
        exited migrate.1 0   -> drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn a_one_shot_that_fails_is_like_any_other() {
    check_with(
        "migrate: one-shot; web:",
        "
        start web.1 migrate.1 -> spawn web.1
        spawned web.1 11      -> spawn migrate.1
        spawned migrate.1 12  ->
        exited migrate.1 3    -> say stopping for migrate.1, terminate web.1
        exited web.1 0        -> drain
        drained               -> finish 3
        ",
    );
    check_with(
        "migrate: one-shot restart=always",
        "
        start migrate.1      -> spawn migrate.1
        spawned migrate.1 12 ->
        exited migrate.1 3   -> say back in 1s migrate.1 3 (1)
        +1s                  -> spawn migrate.1
        spawned migrate.1 13 ->
        exited migrate.1 0   -> drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn a_one_shot_that_a_request_stops_has_not_done_its_work() {
    check_with(
        "migrate: one-shot",
        "
        start migrate.1        -> spawn migrate.1
        spawned migrate.1 12   ->
        ask 1: stop migrate.1  -> terminate migrate.1
        exited migrate.1 0     -> reply 1: migrate.1 stopped 0, done 1
        status?                -> migrate.1 down unready after 0
        ask 2: stop            -> reply 2: migrate.1 down already, done 2
        ",
    );
    check_with(
        "migrate: one-shot; web:",
        "
        start web.1 migrate.1 -> spawn web.1
        spawned web.1 11      -> spawn migrate.1
        spawned migrate.1 12  ->
        exited migrate.1 0    ->
        ask 1: stop migrate.1 -> reply 1: migrate.1 down already, done 1
        status?               -> web.1 running 11 since 0s, migrate.1 down done after 0
        ",
    );
}

// Others go on

#[test]
fn what_is_ignored_stays_down_and_the_last_one_ends_all() {
    check_with(
        "web: on-exit=ignore; worker: on-exit=ignore; clock: on-exit=ignore",
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        spawned worker.1 12          -> spawn clock.1
        spawned clock.1 13           ->
        exited web.1 0               -> say others go on web.1 0
        exited worker.1 3            -> say others go on worker.1 3
        exited clock.1 4             -> drain
        drained                      -> finish 3
        ",
    );
}

#[test]
fn leftovers_of_the_last_one_are_stopped_first() {
    check_with(
        "web: on-exit=ignore",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 3 leaving -> say leftovers web.1, terminate web.1
        +1s emptied web.1      -> drain
        drained                -> finish 3
        ",
    );
}

#[test]
fn what_a_request_has_stopped_is_not_the_last_one() {
    check_with(
        "web: on-exit=ignore; worker: on-exit=ignore",
        "
        start web.1 worker.1  -> spawn web.1
        spawned web.1 11      -> spawn worker.1
        spawned worker.1 12   ->
        exited web.1 3        -> say others go on web.1 3
        ask 1: stop worker.1  -> terminate worker.1
        exited worker.1 0     -> reply 1: worker.1 stopped 0, done 1
        +3600s                ->
        ask 2: up worker.1    -> spawn worker.1
        spawned worker.1 13   -> reply 2: worker.1 runs 13, done 2
        exited worker.1 0     -> drain
        drained               -> finish 3
        ",
    );
}

#[test]
fn what_pauses_is_still_to_come() {
    check_with(
        "web: on-exit=ignore restart=always; worker: on-exit=ignore",
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        exited web.1 3       -> say back in 1s web.1 3 (1)
        exited worker.1 0    -> say others go on worker.1 0
        +1s                  -> spawn web.1
        ",
    );
}

#[test]
fn what_cannot_be_killed_is_not_waited_for() {
    check_with(
        "web: on-exit=ignore",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 3 leaving -> say leftovers web.1, terminate web.1
        +5s                    -> say overdue web.1, kill web.1
        +2s                    -> say unkillable web.1 11, drain
        drained                -> finish 3
        ",
    );
    check_with(
        "web: restart=always",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 0 leaving -> say leftovers web.1, terminate web.1
        +5s                    -> say overdue web.1, kill web.1
        +2s                    -> say unkillable web.1 11, drain
        drained                -> finish 1
        ",
    );
}

#[test]
fn a_start_in_vain_is_the_end_if_nobody_has_stopped_what_ran() {
    // What has ended before it counts, and so does what it would have come back from.
    check_with(
        "web: on-exit=ignore; worker: on-exit=ignore",
        "
        start worker.1         -> spawn worker.1
        spawned worker.1 12    ->
        ask 1: scale web=1     -> spawn web.1
        exited worker.1 3      -> say others go on worker.1 3
        spawn-failed web.1 127 -> reply 1: web.1 not started 127, done 1, drain
        drained                -> finish 3
        ",
    );
    check_with(
        "web: restart=always; worker:",
        "
        start web.1 worker.1   -> spawn web.1
        spawned web.1 11       -> spawn worker.1
        spawned worker.1 12    ->
        exited web.1 3         -> say back in 1s web.1 3 (1)
        ask 1: stop worker.1   -> terminate worker.1
        exited worker.1 0      -> reply 1: worker.1 stopped 0, done 1
        ask 2: up web.1        -> spawn web.1
        spawn-failed web.1 126 -> reply 2: web.1 not started 126, done 2, drain
        drained                -> finish 126
        ",
    );
    check(
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        ask 1: restart web.1   -> terminate web.1
        exited web.1 0         -> spawn web.1
        spawn-failed web.1 127 -> reply 1: web.1 not started 127, done 1, drain
        drained                -> finish 127
        ",
    );
    // Whoever has stopped it may try again.
    check(
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        ask 1: stop web.1      -> terminate web.1
        exited web.1 0         -> reply 1: web.1 stopped 0, done 1
        ask 2: up web.1        -> spawn web.1
        spawn-failed web.1 127 -> reply 2: web.1 not started 127, done 2
        ask 3: up web.1        -> spawn web.1
        spawned web.1 12       -> reply 3: web.1 runs 12, done 3
        ",
    );
}

// Requests and the end

#[test]
fn a_request_starts_what_pauses_and_forgives_it() {
    for request in ["up web.1", "restart web.1", "scale web=1"] {
        check_with(
            "web: restart=always",
            &format!(
                "
                start web.1      -> spawn web.1
                spawned web.1 11 ->
                exited web.1 3   -> say back in 1s web.1 3 (1)
                ask 1: {request} -> spawn web.1
                next deadline?   -> none
                spawned web.1 12 -> reply 1: web.1 runs 12, done 1
                exited web.1 3   -> say back in 1s web.1 3 (1)
                "
            ),
        );
    }
}

#[test]
fn a_request_stops_what_pauses_at_once() {
    check_with(
        "web: restart=always",
        "
        start web.1        -> spawn web.1
        spawned web.1 11   ->
        exited web.1 3     -> say back in 1s web.1 3 (1)
        ask 1: stop web.1  -> reply 1: web.1 not again, done 1
        next deadline?     -> none
        status?            -> web.1 down after 3
        +60s               ->
        ask 2: scale web=0 -> reply 2: web.1 down already, done 2
        status?            ->
        ",
    );
}

#[test]
fn a_request_overrules_what_leftovers_were_to_be_followed_by() {
    check_with(
        "web: restart=always",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 3 leaving -> say leftovers web.1, terminate web.1
        ask 1: up web.1        ->
        emptied web.1          -> spawn web.1
        spawned web.1 12       -> reply 1: web.1 runs 12, done 1
        exited web.1 4 leaving -> say leftovers web.1, terminate web.1
        ask 2: stop web.1      ->
        emptied web.1          -> reply 2: web.1 stopped 4, done 2
        status?                -> web.1 down restarted 1 after 4
        ",
    );
}

#[test]
fn stop_while_pausing_ends_at_once() {
    check_with(
        "web: restart=always",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> say back in 1s web.1 3 (1)
        SIGTERM          -> say nothing to stop for SIGTERM, drain
        drained          -> finish 0
        ",
    );
}

#[test]
fn time_asleep_is_no_pause_and_no_run() {
    check_with(
        "web: restart=always",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> say back in 1s web.1 3 (1)
        resumed +60s     ->
        next deadline?   -> 61s
        +1s              -> spawn web.1
        spawned web.1 12 ->
        resumed +60s     -> continue web.1
        exited web.1 3   -> say back in 2s web.1 3 (2)
        ",
    );
}

#[test]
fn each_type_is_asked_to_end_in_its_own_way() {
    check_with(
        "web: stop-signal=SIGINT grace=2s; worker: grace=9s",
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        SIGTERM              -> say stopping by policy for SIGTERM, SIGINT web.1, continue web.1, terminate worker.1
        stop deadline?       -> 9s
        next deadline?       -> 2s
        +2s                  -> say overdue web.1, kill web.1
        killed web.1 SIGKILL ->
        +7s                  -> say overdue worker.1, kill worker.1
        ",
    );
    check_with(
        "web: stop-signal=SIGINT grace=2s",
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        ask 1: restart web.1 -> SIGINT web.1, continue web.1
        +2s                  -> say overdue web.1, kill web.1
        killed web.1 SIGKILL -> spawn web.1
        ",
    );
}
