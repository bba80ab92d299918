//! The rules of life and death (CONTRACT §6 and §7) as transcripts, from the first spawn to the last byte.
//!
//! More of them: `tests/requests.rs`, what is asked of a running formation; `tests/force.rs`, what does not end by
//! itself; `tests/signals.rs`, signals and their copies; `tests/restarts.rs`, `tests/readiness.rs`, `tests/order.rs` and
//! `tests/services.rs`, what policies change; `tests/announcements.rs`, what is told to whoever supervises procman.
//! `tests/transcript.rs` is the language. Every step of every test is held against the promises of
//! `tests/ledger.rs`; `tests/sweep.rs` takes every event into every state, `tests/walks.rs` leads random
//! lives.

mod announcements;
mod courses;
mod force;
mod ledger;
mod order;
mod readiness;
mod requests;
mod restarts;
mod services;
mod signals;
mod sweep;
mod transcript;
mod walks;
mod wishes;
mod words;

use crate::supervisor::tests::transcript::check;

// Starting

#[test]
fn spawns_follow_the_order_one_at_a_time() {
    check(
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        spawned worker.1 12          -> spawn clock.1
        spawned clock.1 13           ->
        ",
    );
}

#[test]
fn more_can_be_started_later() {
    check(
        "
        start web.1         -> spawn web.1
        start worker.1      ->
        spawned web.1 11    -> spawn worker.1
        spawned worker.1 12 ->
        start clock.1       -> spawn clock.1
        ",
    );
}

#[test]
fn what_runs_or_waits_is_not_started_again() {
    check(
        "
        start web.1 web.1 worker.1 -> spawn web.1
        start web.1 worker.1       ->
        spawned web.1 11           -> spawn worker.1
        start worker.1 web.1       ->
        ",
    );
}

#[test]
fn an_idle_formation_waits_for_events_only() {
    check(
        "
        next deadline?   -> none
        start web.1      -> spawn web.1
        next deadline?   -> none
        spawned web.1 11 ->
        next deadline?   -> none
        stop deadline?   -> none
        +3600s           ->
        next deadline?   -> none
        ",
    );
}

#[test]
fn spawn_failure_stops_the_others_with_its_status() {
    check(
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        spawn-failed worker.1 127    -> say stopping without worker.1, terminate web.1
        killed web.1 SIGTERM         -> drain
        drained                      -> finish 127
        ",
    );
}

#[test]
fn spawn_failure_alone_needs_no_notice() {
    check(
        "
        start web.1            -> spawn web.1
        spawn-failed web.1 126 -> drain
        drained                -> finish 126
        ",
    );
}

// The first end

#[test]
fn first_end_stops_all_with_its_code() {
    check(
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        +60s exited web.1 3  -> say stopping for web.1, terminate worker.1
        exited worker.1 9    -> drain
        drained              -> finish 3
        ",
    );
}

#[test]
fn first_end_counts_even_when_it_went_well() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        exited web.1 0          -> say stopping for web.1, terminate worker.1
        killed worker.1 SIGTERM -> drain
        drained                 -> finish 0
        ",
    );
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    check(
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        killed web.1 SIGSEGV -> drain
        drained              -> finish 139
        ",
    );
}

#[test]
fn of_two_ends_in_one_tick_the_one_told_first_counts() {
    check(
        "
        start a.1 b.1  -> spawn a.1
        spawned a.1 11 -> spawn b.1
        spawned b.1 12 ->
        exited b.1 4   -> say stopping for b.1, terminate a.1
        exited a.1 3   -> drain
        drained        -> finish 4
        ",
    );
}

#[test]
fn request_after_an_end_keeps_its_status() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        exited web.1 3          -> say stopping for web.1, terminate worker.1
        +1s SIGINT              ->
        +400ms SIGINT           ->
        killed worker.1 SIGTERM -> drain
        drained                 -> finish 3
        ",
    );
}

#[test]
fn end_while_the_rest_is_being_spawned() {
    check(
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        exited web.1 3               -> say stopping for web.1
        spawned worker.1 12          -> terminate worker.1
        exited worker.1 0            -> drain
        drained                      -> finish 3
        ",
    );
}

#[test]
fn what_the_kernel_did_for_lack_of_memory_is_said_and_changes_nothing() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        out-of-memory 1         -> say out-of-memory 1
        killed web.1 SIGKILL    -> say stopping for web.1, terminate worker.1
        out-of-memory 2         -> say out-of-memory 2
        killed worker.1 SIGKILL -> drain
        drained                 -> finish 137
        ",
    );
}

#[test]
fn output_is_drained_when_those_have_ended_who_left_their_groups() {
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        SIGTERM               -> say stopping for SIGTERM, terminate web.1
        escapees left         ->
        +1s exited web.1 0    -> terminate escapees
        +1s escapees gone     -> drain
        drained               -> finish 0
        ",
    );
    // They have as long as the instances.
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        escapees left         ->
        exited web.1 3        -> terminate escapees
        +4900ms               ->
        +100ms                -> say overdue escapees, drain
        escapees gone         ->
        drained               -> finish 3
        ",
    );
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        SIGINT                -> say stopping for SIGINT, terminate web.1
        escapees left         ->
        exited web.1 0        -> terminate escapees
        +1s SIGINT            -> say forced by SIGINT, drain
        drained               -> finish 130
        ",
    );
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        escapees left         ->
        escapees gone         ->
        exited web.1 0        -> drain
        drained               -> finish 0
        ",
    );
}

// A request to stop

#[test]
fn request_stops_all_and_is_a_success_whatever_their_codes() {
    check(
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        SIGTERM              -> say stopping for SIGTERM, terminate web.1, terminate worker.1
        exited worker.1 9    ->
        killed web.1 SIGTERM -> drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn terminal_and_hangup_ask_like_sigterm() {
    for signal in ["SIGINT", "SIGHUP", "SIGTERM"] {
        check(&format!(
            "
            start web.1      -> spawn web.1
            spawned web.1 11 ->
            {signal}         -> say stopping for {signal}, terminate web.1
            exited web.1 1   -> drain
            drained          -> finish 0
            "
        ));
    }
}

#[test]
fn spawn_under_way_is_terminated_when_it_arrives() {
    check(
        "
        start web.1 worker.1 -> spawn web.1
        SIGTERM              -> say stopping for SIGTERM
        stop deadline?       -> 5s
        +1s spawned web.1 11 -> terminate web.1
        next deadline?       -> 5s
        killed web.1 SIGTERM -> drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn spawn_that_fails_after_a_request_is_no_failure() {
    check(
        "
        start web.1 worker.1   -> spawn web.1
        SIGTERM                -> say stopping for SIGTERM
        spawn-failed web.1 127 -> drain
        drained                -> finish 0
        ",
    );
}

#[test]
fn request_before_anything_runs_ends_at_once() {
    check(
        "
        SIGTERM     -> say nothing to stop for SIGTERM, drain
        start web.1 ->
        drained     -> finish 0
        ",
    );
}

// The last output

#[test]
fn output_is_waited_for_a_second() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> drain
        next deadline?   -> 1s
        +999ms           ->
        +1ms             -> finish 3
        drained          ->
        ",
    );
}

#[test]
fn output_is_hardly_waited_for_after_a_second_request() {
    check(
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        SIGTERM              -> say stopping for SIGTERM, terminate web.1
        +1s SIGTERM          -> say forced by SIGTERM, kill web.1
        killed web.1 SIGKILL -> drain
        next deadline?       -> 1200ms
        +200ms               -> finish 143
        ",
    );
}

#[test]
fn second_request_cuts_the_output_short() {
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        SIGTERM               -> say stopping for SIGTERM, terminate web.1
        +400ms exited web.1 0 -> drain
        +100ms SIGTERM        ->
        +1ms SIGTERM          -> finish 143
        ",
    );
}

#[test]
fn first_request_does_not_cut_the_output_short() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> drain
        SIGINT           ->
        +501ms SIGINT    -> finish 130
        ",
    );
}

#[test]
fn deadline_for_what_has_escaped_is_known_while_output_is_drained() {
    check(
        "
        start web.1        -> spawn web.1
        spawned web.1 11   ->
        +1s exited web.1 0 -> drain
        stop deadline?     -> 6s
        ",
    );
}

#[test]
fn closed_output_stops_the_formation_well() {
    check(
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        output closed        -> say stopping for output, terminate web.1
        +1s SIGTERM          ->
        output closed        ->
        killed web.1 SIGTERM -> drain
        drained              -> finish 0
        ",
    );
}

// The guard

#[test]
fn loss_of_the_guard_stops_the_formation_as_a_failure() {
    check(
        "
        start web.1               -> spawn web.1
        spawned web.1 11          ->
        guard lost                -> say stopping for guard, terminate web.1
        # The kernel tells of it as well: the parent-death signal.
        SIGTERM@supervisor from 7 ->
        killed web.1 SIGTERM      -> drain
        drained                   -> finish 1
        ",
    );
}

#[test]
fn request_after_the_loss_of_the_guard_forces() {
    check(
        "
        start web.1                       -> spawn web.1
        spawned web.1 11                  ->
        guard lost                        -> say stopping for guard, terminate web.1
        +501ms SIGTERM@supervisor from 77 -> say forced by SIGTERM, kill web.1
        killed web.1 SIGKILL              -> drain
        drained                           -> finish 143
        ",
    );
}

// Late and unknown events

#[test]
fn late_and_unknown_events_change_nothing() {
    check(
        "
        spawned web.1 11          ->
        drained                   ->
        start web.1 worker.1      -> spawn web.1
        exited web.1 3            ->
        emptied web.1             ->
        spawned worker.1 12       ->
        spawned ghost.1 66        ->
        spawn-failed ghost.1 127  ->
        exited ghost.1 3          ->
        emptied ghost.1           ->
        spawned web.1 11          -> spawn worker.1
        spawned web.1 13          ->
        spawn-failed web.1 127    ->
        emptied web.1             ->
        spawned worker.1 12       ->
        drained                   ->
        exited web.1 3            -> say stopping for web.1, terminate worker.1
        exited web.1 4            ->
        emptied web.1             ->
        emptied worker.1          ->
        start clock.1             ->
        drained                   ->
        exited worker.1 0 leaving ->
        exited worker.1 0         ->
        emptied worker.1          -> drain
        start clock.1             ->
        guard lost                ->
        output closed             ->
        drained                   -> finish 3
        drained                   ->
        SIGTERM                   ->
        start web.1               ->
        +10s                      ->
        ",
    );
}
