//! What does not end by itself: a deadline, a second request, leftovers, the unkillable.

use std::time::Duration;

use crate::supervisor::tests::transcript::{check, check_with_grace};

// The deadline

#[test]
fn what_is_left_at_the_deadline_is_killed() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        +1s SIGTERM             -> say stopping for SIGTERM, terminate web.1, terminate worker.1
        next deadline?          -> 6s
        exited web.1 0          ->
        +4999ms                 ->
        +1ms                    -> say overdue worker.1, kill worker.1
        killed worker.1 SIGKILL -> drain
        drained                 -> finish 0
        ",
    );
}

#[test]
fn overdue_are_named_in_the_order_of_the_formation() {
    check(
        "
        start web.2 web.1 -> spawn web.2
        spawned web.2 11  -> spawn web.1
        spawned web.1 12  ->
        SIGTERM           -> say stopping for SIGTERM, terminate web.1, terminate web.2
        +5s               -> say overdue web.1 web.2, kill web.1, kill web.2
        ",
    );
}

#[test]
fn without_grace_sigkill_follows_at_once() {
    check_with_grace(
        Duration::ZERO,
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        SIGTERM              -> say stopping for SIGTERM, terminate web.1, say overdue web.1, kill web.1
        killed web.1 SIGKILL -> drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn end_at_the_deadline_is_in_time() {
    check(
        "
        start web.1        -> spawn web.1
        spawned web.1 11   ->
        SIGTERM            -> say stopping for SIGTERM, terminate web.1
        +5s exited web.1 0 -> drain
        ",
    );
}

#[test]
fn spawn_that_arrives_after_the_deadline_is_killed_at_once() {
    check(
        "
        start web.1          -> spawn web.1
        SIGTERM              -> say stopping for SIGTERM
        next deadline?       -> none
        +6s spawned web.1 11 -> terminate web.1, say overdue web.1, kill web.1
        ",
    );
}

// A second request, and a third

#[test]
fn second_request_kills() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        SIGTERM                 -> say stopping for SIGTERM, terminate web.1, terminate worker.1
        exited web.1 0          ->
        +501ms SIGINT           -> say forced by SIGINT, kill worker.1
        stop deadline?          -> 501ms
        killed worker.1 SIGKILL -> drain
        drained                 -> finish 130
        ",
    );
}

#[test]
fn requests_within_half_a_second_are_the_same() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGTERM          -> say stopping for SIGTERM, terminate web.1
        SIGTERM from 77  ->
        +400ms SIGINT    ->
        +100ms SIGHUP    ->
        +1ms SIGHUP      -> say forced by SIGHUP, kill web.1
        +500ms SIGHUP    ->
        ",
    );
}

#[test]
fn second_request_after_an_end_forces_too() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        exited web.1 3          -> say stopping for web.1, terminate worker.1
        +1s SIGTERM             ->
        +1s SIGTERM             -> say forced by SIGTERM, kill worker.1
        killed worker.1 SIGKILL -> drain
        drained                 -> finish 143
        ",
    );
}

#[test]
fn second_request_kills_the_spawn_under_way() {
    check(
        "
        start web.1          -> spawn web.1
        SIGINT               -> say stopping for SIGINT
        +1s SIGINT           -> say forced by SIGINT
        spawned web.1 11     -> kill web.1
        killed web.1 SIGKILL -> drain
        drained              -> finish 130
        ",
    );
}

#[test]
fn second_request_after_the_deadline_kills_nothing_twice() {
    check(
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        SIGINT               -> say stopping for SIGINT, terminate web.1
        +5s                  -> say overdue web.1, kill web.1
        +1s SIGINT           -> say forced by SIGINT
        killed web.1 SIGKILL -> drain
        drained              -> finish 130
        ",
    );
}

#[test]
fn third_request_finishes_at_once() {
    check(
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        SIGINT               -> say stopping for SIGINT, terminate web.1
        +1s SIGINT           -> say forced by SIGINT, kill web.1
        +1s SIGTERM          -> finish 143
        killed web.1 SIGKILL ->
        next deadline?       -> none
        stop deadline?       -> none
        ",
    );
}

// What a leader leaves behind

#[test]
fn leftovers_are_terminated_and_killed_at_the_same_deadline() {
    check(
        "
        start a.1 b.1        -> spawn a.1
        spawned a.1 11       -> spawn b.1
        spawned b.1 12       ->
        exited a.1 4 leaving -> say leftovers a.1, terminate a.1, say stopping for a.1, terminate b.1
        stop deadline?       -> 5s
        +1s exited b.1 0     ->
        next deadline?       -> 5s
        +4s                  -> say overdue a.1, kill a.1
        emptied a.1          -> drain
        drained              -> finish 4
        ",
    );
}

#[test]
fn leftovers_of_a_stopped_instance_have_heard_sigterm_already() {
    check(
        "
        start web.1                -> spawn web.1
        spawned web.1 11           ->
        SIGTERM                    -> say stopping for SIGTERM, terminate web.1
        +3s exited web.1 0 leaving ->
        next deadline?             -> 5s
        +1s emptied web.1          -> drain
        drained                    -> finish 0
        ",
    );
}

#[test]
fn leftovers_are_killed_by_a_second_request() {
    check(
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        exited web.1 0 leaving -> say leftovers web.1, terminate web.1
        +1s SIGINT             ->
        +1s SIGINT             -> say forced by SIGINT, kill web.1
        emptied web.1          -> drain
        drained                -> finish 130
        ",
    );
}

#[test]
fn what_cannot_be_killed_is_named_and_fails() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        SIGTERM                 -> say stopping for SIGTERM, terminate web.1, terminate worker.1
        +5s                     -> say overdue web.1 worker.1, kill web.1, kill worker.1
        killed worker.1 SIGKILL ->
        next deadline?          -> 7s
        +2s                     -> say unkillable web.1 11, drain
        killed web.1 SIGKILL    ->
        drained                 -> finish 1
        ",
    );
}

#[test]
fn unkillable_keeps_the_status_of_a_failure() {
    check(
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        exited web.1 3       -> say stopping for web.1, terminate worker.1
        +5s                  -> say overdue worker.1, kill worker.1
        +2s                  -> say unkillable worker.1 12, drain
        drained              -> finish 3
        ",
    );
}
