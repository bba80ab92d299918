//! What can be asked of a running formation, in every state, as transcripts.

use crate::supervisor::tests::transcript::{GRACE, Player, check, request};

// Start and status

#[test]
fn start_is_answered_when_all_run() {
    check(
        "
        ask 1: start web.1 worker.1 -> spawn web.1
        status?                     -> web.1 starting, worker.1 starting
        spawned web.1 11            -> reply 1: web.1 runs 11, spawn worker.1
        status?                     -> web.1 running 11 since 0s, worker.1 starting
        +2s spawned worker.1 12     -> reply 1: worker.1 runs 12, done 1
        status?                     -> web.1 running 11 since 0s, worker.1 running 12 since 2s
        ask 2: start                -> done 2
        ask 3: start ghost.1 web.2  -> refuse 3: unknown ghost
        ask 4: start web.1 web.1    -> reply 4: web.1 runs already 11, done 4
        ",
    );
}

#[test]
fn start_is_answered_when_the_formation_ends_first() {
    check(
        "
        ask 1: start web.1 worker.1 -> spawn web.1
        SIGTERM                     -> say stopping for SIGTERM, reply 1: web.1 overtaken, reply 1: worker.1 overtaken, done 1
        ask 2: start clock.1        -> refuse 2: stopping
        spawned web.1 11            -> terminate web.1
        exited web.1 0              -> drain
        drained                     -> finish 0
        ",
    );
    check(
        "
        ask 1: start web.1 worker.1 -> spawn web.1
        spawn-failed web.1 127      -> reply 1: web.1 not started 127, reply 1: worker.1 overtaken, done 1, drain
        ",
    );
}

// Stop

#[test]
fn stop_is_answered_when_nothing_is_left_of_the_group() {
    check(
        "
        start web.1 worker.1      -> spawn web.1
        spawned web.1 11          -> spawn worker.1
        spawned worker.1 12       ->
        ask 1: stop web           -> terminate web.1
        next deadline?            -> 5s
        stop deadline?            -> none
        status?                   -> web.1 stopping 11, worker.1 running 12 since 0s
        +1s exited web.1 7 leaving ->
        status?                   -> web.1 stopping 11 after 7, worker.1 running 12 since 0s
        +1s emptied web.1         -> reply 1: web.1 stopped 7, done 1
        status?                   -> web.1 down after 7, worker.1 running 12 since 0s
        next deadline?            -> none
        ask 2: stop web.1         -> reply 2: web.1 down already, done 2
        # The others are a formation as before.
        exited worker.1 3         -> drain
        drained                   -> finish 3
        ",
    );
}

#[test]
fn what_does_not_stop_is_killed_after_its_own_grace() {
    check(
        "
        start web.1 worker.1        -> spawn web.1
        spawned web.1 11            -> spawn worker.1
        spawned worker.1 12         ->
        +1s ask 1: stop web.1       -> terminate web.1
        +2s ask 2: restart worker.1 -> terminate worker.1
        next deadline?              -> 6s
        +3s                         -> say overdue web.1, kill web.1
        killed web.1 SIGKILL        -> reply 1: web.1 stopped SIGKILL, done 1
        next deadline?              -> 8s
        +2s                         -> say overdue worker.1, kill worker.1
        killed worker.1 SIGKILL     -> spawn worker.1
        spawned worker.1 13         -> reply 2: worker.1 runs 13, done 2
        ",
    );
}

#[test]
fn own_deadline_holds_when_the_formation_is_stopped_as_well() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: stop web.1       -> terminate web.1
        +3s SIGTERM             -> say stopping for SIGTERM, terminate worker.1
        next deadline?          -> 5s
        +2s                     -> say overdue web.1, kill web.1
        killed web.1 SIGKILL    -> reply 1: web.1 stopped SIGKILL, done 1
        next deadline?          -> 8s
        exited worker.1 0       -> drain
        drained                 -> finish 0
        ",
    );
}

#[test]
fn stop_of_all_leaves_procman_with_nothing_to_run() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: stop             -> terminate web.1, terminate worker.1
        exited worker.1 1       -> reply 1: worker.1 stopped 1
        exited web.1 0          -> reply 1: web.1 stopped 0, done 1
        next deadline?          -> none
        escapees left           ->
        +3600s                  ->
        escapees gone           ->
        ask 2: up               -> spawn web.1
        spawned web.1 13        -> reply 2: web.1 runs 13, spawn worker.1
        spawned worker.1 14     -> reply 2: worker.1 runs 14, done 2
        status?                 -> web.1 running 13 since 3600s restarted 1 after 0, worker.1 running 14 since 3600s restarted 1 after 1
        ",
    );
}

#[test]
fn escapees_of_what_was_stopped_are_asked_to_end_at_the_end() {
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        ask 1: stop           -> terminate web.1
        escapees left         ->
        exited web.1 0        -> reply 1: web.1 stopped 0, done 1
        ask 2: quit           -> say nothing to stop for quit, terminate escapees
        next deadline?        -> 5s
        +1s escapees gone     -> drain
        drained               -> done 2, finish 0
        ",
    );
    check(
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        ask 1: stop           -> terminate web.1
        escapees left         ->
        exited web.1 0        -> reply 1: web.1 stopped 0, done 1
        ask 2: up             -> spawn web.1
        spawned web.1 12      -> reply 2: web.1 runs 12, done 2
        escapees left         ->
        exited web.1 3        -> terminate escapees
        +5s                   -> say overdue escapees, drain
        drained               -> finish 3
        ",
    );
    // Whoever is in a hurry has been told.
    check(
        "
        start web.1    -> spawn web.1
        spawned web.1 11 ->
        escapees left  ->
        exited web.1 3 -> terminate escapees
        SIGINT         ->
        +1s SIGINT     -> say forced by SIGINT, drain
        ",
    );
}

#[test]
fn stop_drops_what_waits_and_stops_what_arrives() {
    check(
        "
        ask 1: start web.1 worker.1 clock.1 -> spawn web.1
        ask 2: stop web worker      -> reply 1: web.1 overtaken, reply 1: worker.1 overtaken, reply 2: worker.1 down already
        status?                     -> web.1 starting, worker.1 down, clock.1 starting
        +1s spawned web.1 11        -> terminate web.1, spawn clock.1
        next deadline?              -> 6s
        spawned clock.1 12          -> reply 1: clock.1 runs 12, done 1
        exited web.1 0              -> reply 2: web.1 stopped 0, done 2
        ",
    );
    check(
        "
        start web.1 worker.1        -> spawn web.1
        ask 1: stop web.1           ->
        # It was not to run, so nothing depends on it.
        spawn-failed web.1 127      -> reply 1: web.1 down already, done 1, spawn worker.1
        spawned worker.1 12         ->
        status?                     -> web.1 down after 127, worker.1 running 12 since 0s
        ",
    );
}

#[test]
fn an_end_that_nobody_asked_for_still_stops_all_while_requests_wait() {
    check(
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        spawned worker.1 12          -> spawn clock.1
        spawned clock.1 13           ->
        ask 1: stop web.1            -> terminate web.1
        ask 2: restart worker.1      -> terminate worker.1
        exited clock.1 3             -> say stopping for clock.1, reply 2: worker.1 overtaken, done 2
        exited worker.1 0            ->
        exited web.1 0               -> reply 1: web.1 stopped 0, done 1, drain
        drained                      -> finish 3
        ",
    );
}

#[test]
fn an_end_that_was_asked_for_and_one_that_was_not_in_one_tick() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        # web.1 has ended by itself, but nobody knew that yet.
        ask 1: stop web.1       -> terminate web.1
        exited web.1 3          -> reply 1: web.1 stopped 3, done 1
        ",
    );
}

// Restart

#[test]
fn restart_stops_and_starts_again() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        +1s ask 7: restart web.1 -> terminate web.1
        killed web.1 SIGTERM    -> spawn web.1
        status?                 -> web.1 starting after SIGTERM, worker.1 running 12 since 0s
        spawned web.1 13        -> reply 7: web.1 runs 13, done 7
        status?                 -> web.1 running 13 since 1s restarted 1 after SIGTERM, worker.1 running 12 since 0s
        exited web.1 0          -> say stopping for web.1, terminate worker.1
        ",
    );
}

#[test]
fn restart_waits_for_the_whole_group() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: restart          -> terminate web.1
        exited web.1 0 leaving  ->
        +5s                     -> say overdue web.1, kill web.1
        emptied web.1           -> spawn web.1
        spawned web.1 12        -> reply 1: web.1 runs 12, done 1
        ",
    );
}

#[test]
fn two_restarts_at_once_are_one() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: restart web.1    -> terminate web.1
        +1s ask 2: restart web  ->
        next deadline?          -> 5s
        exited web.1 0          -> spawn web.1
        spawned web.1 12        -> reply 1: web.1 runs 12, done 1, reply 2: web.1 runs 12, done 2
        ",
    );
}

#[test]
fn restart_of_all_starts_each_as_soon_as_it_is_down() {
    check(
        "
        start web.1 web.2 worker.1 -> spawn web.1
        spawned web.1 11           -> spawn web.2
        spawned web.2 12           -> spawn worker.1
        spawned worker.1 13        ->
        ask 1: restart             -> terminate web.1, terminate web.2, terminate worker.1
        exited worker.1 0          -> spawn worker.1
        exited web.2 0             ->
        exited web.1 0             ->
        spawned worker.1 14        -> reply 1: worker.1 runs 14, spawn web.2
        spawned web.2 15           -> reply 1: web.2 runs 15, spawn web.1
        spawned web.1 16           -> reply 1: web.1 runs 16, done 1
        ",
    );
}

#[test]
fn restart_starts_what_is_down() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: stop web.1       -> terminate web.1
        exited web.1 0          -> reply 1: web.1 stopped 0, done 1
        ask 2: restart web.1    -> spawn web.1
        spawned web.1 13        -> reply 2: web.1 runs 13, done 2
        ",
    );
}

#[test]
fn restart_while_starting_joins_what_waits_and_replaces_what_arrives() {
    check(
        "
        ask 1: start web.1 worker.1 -> spawn web.1
        ask 2: restart              ->
        spawned web.1 11            -> terminate web.1, spawn worker.1
        spawned worker.1 12         -> reply 1: worker.1 runs 12, reply 2: worker.1 runs 12
        exited web.1 0              -> spawn web.1
        spawned web.1 13            -> reply 1: web.1 runs 13, done 1, reply 2: web.1 runs 13, done 2
        ",
    );
    check(
        "
        ask 1: start web.1      -> spawn web.1
        ask 2: restart web.1    ->
        spawn-failed web.1 126  -> spawn web.1
        # It was to run from the start, and nobody has stopped it.
        spawn-failed web.1 126  -> reply 1: web.1 not started 126, done 1, reply 2: web.1 not started 126, done 2, drain
        drained                 -> finish 126
        ",
    );
}

#[test]
fn stop_overtakes_a_restart() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: restart web.1    -> terminate web.1
        +1s ask 2: stop web.1   -> reply 1: web.1 overtaken, done 1
        next deadline?          -> 5s
        exited web.1 0          -> reply 2: web.1 stopped 0, done 2
        ",
    );
    // It is spawned already.
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: restart web.1    -> terminate web.1
        exited web.1 0          -> spawn web.1
        ask 2: stop web.1       -> reply 1: web.1 overtaken, done 1
        spawned web.1 12        -> terminate web.1
        exited web.1 0          -> reply 2: web.1 stopped 0, done 2
        ",
    );
}

#[test]
fn restart_overtakes_a_stop() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: stop web.1       -> terminate web.1
        ask 2: restart web.1    -> reply 1: web.1 overtaken, done 1
        exited web.1 0          -> spawn web.1
        spawned web.1 12        -> reply 2: web.1 runs 12, done 2
        ",
    );
}

#[test]
fn restart_that_fails_leaves_it_down_and_the_others_alone() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: restart          -> terminate web.1, terminate worker.1
        exited web.1 0          -> spawn web.1
        exited worker.1 0       ->
        spawn-failed web.1 127  -> reply 1: web.1 not started 127, spawn worker.1
        spawned worker.1 13     -> reply 1: worker.1 runs 13, done 1
        status?                 -> web.1 down after 127, worker.1 running 13 since 0s restarted 1 after 0
        ",
    );
}

// Up

#[test]
fn up_while_stopping_starts_again_after_the_end() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: stop web.1       -> terminate web.1
        ask 2: up web.1         -> reply 1: web.1 overtaken, done 1
        exited web.1 0 leaving  ->
        ask 3: up               ->
        emptied web.1           -> spawn web.1
        ask 4: up web           ->
        spawned web.1 12        -> reply 2: web.1 runs 12, done 2, reply 3: web.1 runs 12, done 3, reply 4: web.1 runs 12, done 4
        ask 5: up web.1         -> reply 5: web.1 runs already 12, done 5
        ",
    );
}

#[test]
fn up_spares_a_spawn_that_was_to_be_stopped_on_arrival() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        ask 1: stop web.1       ->
        ask 2: up web.1         -> reply 1: web.1 overtaken, done 1
        spawned web.1 11        -> reply 2: web.1 runs 11, done 2, spawn worker.1
        ",
    );
    // What it was to be from the start is no more.
    check(
        "
        start web.1 worker.1    -> spawn web.1
        ask 1: stop web.1       ->
        ask 2: up web.1         -> reply 1: web.1 overtaken, done 1
        spawn-failed web.1 127  -> reply 2: web.1 not started 127, done 2, spawn worker.1
        ",
    );
}

// Scale

#[test]
fn scaling_up_adds_numbers_in_the_formations_order() {
    check(
        "
        start worker.1 web.1    -> spawn worker.1
        spawned worker.1 11     -> spawn web.1
        spawned web.1 12        ->
        ask 1: scale web=3      -> reply 1: web.1 runs already 12, spawn web.2
        spawned web.2 13        -> reply 1: web.2 runs 13, spawn web.3
        spawned web.3 14        -> reply 1: web.3 runs 14, done 1
        status?                 -> web.1 running 12 since 0s, web.2 running 13 since 0s, web.3 running 14 since 0s, worker.1 running 11 since 0s
        SIGUSR1                 -> SIGUSR1 web.1, SIGUSR1 web.2, SIGUSR1 web.3, SIGUSR1 worker.1
        ask 2: scale web+1      -> reply 2: web.1 runs already 12, reply 2: web.2 runs already 13, reply 2: web.3 runs already 14, spawn web.4
        spawned web.4 15        -> reply 2: web.4 runs 15, done 2
        # What was added is like the rest.
        exited web.4 3          -> say stopping for web.4, terminate web.1, terminate web.2, terminate web.3, terminate worker.1
        ",
    );
}

#[test]
fn scaling_down_stops_the_highest_numbers_and_forgets_them() {
    check(
        "
        start web.1 web.2 web.3 -> spawn web.1
        spawned web.1 11        -> spawn web.2
        spawned web.2 12        -> spawn web.3
        spawned web.3 13        ->
        ask 1: scale web-2      -> reply 1: web.1 runs already 11, terminate web.2, terminate web.3
        status?                 -> web.1 running 11 since 0s, web.2 stopping 12, web.3 stopping 13
        # They are no part of the formation any more.
        ask 2: up web.3         -> refuse 2: unknown web.3
        ask 3: restart          -> terminate web.1
        exited web.3 0          -> reply 1: web.3 stopped 0
        exited web.2 0 leaving  ->
        emptied web.2           -> reply 1: web.2 stopped 0, done 1
        status?                 -> web.1 stopping 11
        ask 4: stop web.3       -> refuse 4: unknown web.3
        ",
    );
}

#[test]
fn one_less_and_one_less_at_once_are_two_less() {
    check(
        "
        start web.1 web.2 web.3 -> spawn web.1
        spawned web.1 11        -> spawn web.2
        spawned web.2 12        -> spawn web.3
        spawned web.3 13        ->
        ask 1: scale web-1      -> reply 1: web.1 runs already 11, reply 1: web.2 runs already 12, terminate web.3
        ask 2: scale web-1      -> reply 2: web.1 runs already 11, terminate web.2
        exited web.3 0          -> reply 1: web.3 stopped 0, done 1, reply 2: web.3 stopped 0
        exited web.2 0          -> reply 2: web.2 stopped 0, done 2
        ask 3: scale web-5      -> terminate web.1
        exited web.1 0          -> reply 3: web.1 stopped 0, done 3
        status?                 ->
        ask 4: scale web-1      -> done 4
        ",
    );
}

#[test]
fn scaling_up_brings_back_what_is_still_being_stopped() {
    check(
        "
        start web.1 web.2       -> spawn web.1
        spawned web.1 11        -> spawn web.2
        spawned web.2 12        ->
        ask 1: scale web=1      -> reply 1: web.1 runs already 11, terminate web.2
        ask 2: scale web=3      -> reply 2: web.1 runs already 11, reply 1: web.2 overtaken, done 1, spawn web.3
        exited web.2 0          ->
        spawned web.3 13        -> reply 2: web.3 runs 13, spawn web.2
        spawned web.2 14        -> reply 2: web.2 runs 14, done 2
        status?                 -> web.1 running 11 since 0s, web.2 running 14 since 0s restarted 1 after 0, web.3 running 13 since 0s
        ",
    );
}

#[test]
fn scaling_down_while_starting_drops_what_waits_and_stops_what_arrives() {
    check(
        "
        ask 1: start web.1 web.2 web.3 -> spawn web.1
        spawned web.1 11       -> reply 1: web.1 runs 11, spawn web.2
        ask 2: scale web=1     -> reply 2: web.1 runs already 11, reply 1: web.2 overtaken, reply 1: web.3 overtaken, done 1, reply 2: web.3 down already
        status?                -> web.1 running 11 since 0s, web.2 starting
        spawned web.2 12       -> terminate web.2
        exited web.2 0         -> reply 2: web.2 stopped 0, done 2
        status?                -> web.1 running 11 since 0s
        ",
    );
    check(
        "
        start web.1 web.2      -> spawn web.1
        spawned web.1 11       -> spawn web.2
        ask 1: scale web=1     -> reply 1: web.1 runs already 11
        spawn-failed web.2 127 -> reply 1: web.2 down already, done 1
        status?                -> web.1 running 11 since 0s
        ",
    );
}

#[test]
fn scale_starts_what_was_stopped_and_forgets_it_if_it_is_too_much() {
    check(
        "
        start web.1 web.2       -> spawn web.1
        spawned web.1 11        -> spawn web.2
        spawned web.2 12        ->
        ask 1: stop             -> terminate web.1, terminate web.2
        exited web.1 0          -> reply 1: web.1 stopped 0
        exited web.2 0          -> reply 1: web.2 stopped 0, done 1
        ask 2: scale web=1      -> reply 2: web.2 down already, spawn web.1
        spawned web.1 13        -> reply 2: web.1 runs 13, done 2
        status?                 -> web.1 running 13 since 0s restarted 1 after 0
        ",
    );
}

#[test]
fn scale_of_all_leaves_out_what_is_named_and_release() {
    check(
        "
        start worker.1          -> spawn worker.1
        spawned worker.1 11     ->
        ask 1: scale all=1 clock=0 a=0 b=0 -> reply 1: worker.1 runs already 11, spawn web.1
        spawned web.1 12        -> reply 1: web.1 runs 12, done 1
        ask 2: scale release=1  -> spawn release.1
        spawned release.1 13    -> reply 2: release.1 runs 13, done 2
        ask 3: scale all=0      -> terminate web.1, terminate worker.1, terminate release.1
        ",
    );
}

#[test]
fn scale_that_cannot_be_started_leaves_it_down() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: scale web=3      -> reply 1: web.1 runs already 11, spawn web.2
        spawn-failed web.2 1    -> reply 1: web.2 not started 1, spawn web.3
        spawned web.3 13        -> reply 1: web.3 runs 13, done 1
        status?                 -> web.1 running 11 since 0s, web.2 down after 1, web.3 running 13 since 0s
        ",
    );
}

#[test]
fn what_a_request_would_add_is_known_before() {
    let mut player = Player::new(GRACE);
    for step in ["start web.1 web.2", "spawned web.1 11", "spawned web.2 12", "ask 1: scale web=1"] {
        player.play(step);
    }
    let additions = |player: &Player, words: &str| -> String {
        let words: Vec<&str> = words.split(' ').collect();
        let added = player.supervisor.additions(&request(&words));
        added.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    // web.2 has not gone yet.
    assert_eq!(additions(&player, "scale web+2 clock=1"), "web.3 clock.1");
    assert_eq!(additions(&player, "start web.1 a.1"), "a.1");
    assert_eq!(additions(&player, "scale web=5 ghost=1"), "");
    assert_eq!(additions(&player, "restart"), "");
    player.play("SIGTERM");
    assert_eq!(additions(&player, "scale web=5"), "");
}

// Signals

#[test]
fn signals_go_to_what_is_alive() {
    check(
        "
        start web.1 web.2 worker.1       -> spawn web.1
        spawned web.1 11                 -> spawn web.2
        ask 1: signal SIGUSR1 web worker -> SIGUSR1 web.1, reply 1: web.1 signalled, reply 1: web.2 not signalled, reply 1: worker.1 not signalled, done 1
        spawned web.2 12                 -> spawn worker.1
        spawned worker.1 13              ->
        ask 2: stop web                  -> terminate web.1, terminate web.2
        exited web.2 0                   -> reply 2: web.2 stopped 0
        ask 3: signal SIGHUP             -> SIGHUP web.1, reply 3: web.1 signalled, reply 3: web.2 not signalled, SIGHUP worker.1, reply 3: worker.1 signalled, done 3
        # It hastens what was asked for, and is no end that was asked for where nothing was.
        ask 4: signal SIGKILL web.1      -> kill web.1, reply 4: web.1 signalled, done 4
        killed web.1 SIGKILL             -> reply 2: web.1 stopped SIGKILL, done 2
        ask 5: signal SIGKILL worker.1   -> kill worker.1, reply 5: worker.1 signalled, done 5
        killed worker.1 SIGKILL          -> drain
        drained                          -> finish 137
        ",
    );
}

#[test]
fn a_signal_reaches_what_is_about_to_leave_the_formation() {
    check(
        "
        start web.1                   -> spawn web.1
        spawned web.1 11              ->
        ask 1: scale web=0            -> terminate web.1
        ask 2: signal SIGKILL web.1   -> kill web.1, reply 2: web.1 signalled, done 2
        ask 3: stop web.1             ->
        killed web.1 SIGKILL          -> reply 1: web.1 stopped SIGKILL, done 1, reply 3: web.1 stopped SIGKILL, done 3
        status?                       ->
        ",
    );
}

// Refusals

#[test]
fn whoever_is_unknown_is_refused_and_nothing_is_done() {
    check(
        "
        start web.1                      -> spawn web.1
        spawned web.1 11                 ->
        ask 1: restart web.1 web.2       -> refuse 1: unknown web.2
        ask 2: stop wbe                  -> refuse 2: unknown wbe
        ask 3: up worker                 -> refuse 3: none of worker
        ask 4: signal SIGUSR1 worker.1   -> refuse 4: none of worker
        ask 5: scale web=2 ghost=1       -> refuse 5: unknown ghost
        ask 6: scale web=2 web+1         -> refuse 6: twice web
        ask 7: scale all=2 all=1         -> refuse 7: twice all
        ask 8: scale web+10000           -> refuse 8: too many web 10001
        ask 9: scale web+0               -> reply 9: web.1 runs already 11, done 9
        ask 10: stop web web.1           -> terminate web.1
        ",
    );
}

#[test]
fn nothing_new_is_done_while_the_formation_stops() {
    check(
        "
        start web.1 worker.1          -> spawn web.1
        spawned web.1 11              -> spawn worker.1
        SIGTERM                       -> say stopping for SIGTERM, terminate web.1
        ask 1: restart web.1          -> refuse 1: stopping
        ask 2: stop web.1             -> refuse 2: stopping
        ask 3: up                     -> refuse 3: stopping
        ask 4: scale web=5            -> refuse 4: stopping
        ask 5: signal SIGKILL web.1   -> refuse 5: stopping
        ask 6: start clock.1          -> refuse 6: stopping
        spawned worker.1 12           -> terminate worker.1
        exited worker.1 0             ->
        exited web.1 0                -> drain
        ask 7: restart                -> refuse 7: stopping
        drained                       -> finish 0
        ask 8: quit                   ->
        ",
    );
}

// Quit

#[test]
fn quit_is_done_when_nothing_is_left_to_wait_for() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: stop web.1       -> terminate web.1
        ask 2: quit             -> say stopping for quit, terminate worker.1
        exited web.1 1          -> reply 1: web.1 stopped 1, done 1, reply 2: web.1 stopped 1
        exited worker.1 1       -> reply 2: worker.1 stopped 1, drain
        drained                 -> done 2, finish 0
        ",
    );
    check(
        "
        ask 1: quit             -> say nothing to stop for quit, drain
        +1s                     -> done 1, finish 0
        ",
    );
}

#[test]
fn quit_twice_waits_twice_and_hurries_nothing() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: quit             -> say stopping for quit, terminate web.1
        +1s ask 2: quit         ->
        next deadline?          -> 5s
        exited web.1 1          -> reply 1: web.1 stopped 1, reply 2: web.1 stopped 1, drain
        ask 3: quit             ->
        drained                 -> done 1, done 2, done 3, finish 0
        ",
    );
}

#[test]
fn signal_after_quit_is_a_second_request() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: quit             -> say stopping for quit, terminate web.1
        +400ms SIGTERM          ->
        +600ms SIGTERM          -> say forced by SIGTERM, kill web.1
        +600ms SIGINT           -> done 1, finish 130
        ",
    );
    // The formation stops already, and nobody had asked for that.
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        exited web.1 3          -> say stopping for web.1, terminate worker.1
        +1s ask 1: quit         ->
        +1s SIGINT              -> say forced by SIGINT, kill worker.1
        killed worker.1 SIGKILL -> reply 1: worker.1 stopped SIGKILL, drain
        drained                 -> done 1, finish 130
        ",
    );
}

#[test]
fn third_request_answers_whoever_still_waits() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: stop web.1       -> terminate web.1
        SIGTERM                 -> say stopping for SIGTERM
        +1s SIGTERM             -> say forced by SIGTERM, kill web.1
        +1s SIGTERM             -> reply 1: web.1 overtaken, done 1, finish 143
        ",
    );
}

// What cannot be killed

#[test]
fn what_cannot_be_killed_keeps_its_name_and_fails_the_end() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: restart web.1    -> terminate web.1
        +5s                     -> say overdue web.1, kill web.1
        next deadline?          -> 7s
        +2s                     -> say unkillable web.1 11, reply 1: web.1 unkillable, done 1
        status?                 -> web.1 stopping 11, worker.1 running 12 since 0s
        next deadline?          -> none
        # Another web.1 would be a second one.
        ask 2: up web.1         -> reply 2: web.1 unkillable, done 2
        ask 3: restart web.1    -> reply 3: web.1 unkillable, done 3
        ask 4: stop web.1       -> reply 4: web.1 unkillable, done 4
        ask 5: signal SIGUSR1   -> reply 5: web.1 not signalled, SIGUSR1 worker.1, reply 5: worker.1 signalled, done 5
        # It ends after all, which starts nothing and stops nothing.
        killed web.1 SIGKILL leaving ->
        emptied web.1           ->
        status?                 -> web.1 down after SIGKILL, worker.1 running 12 since 0s
        ask 6: up web.1         -> spawn web.1
        spawned web.1 13        -> reply 6: web.1 runs 13, done 6
        ask 7: quit             -> say stopping for quit, terminate web.1, terminate worker.1
        exited web.1 0          -> reply 7: web.1 stopped 0
        exited worker.1 0       -> reply 7: worker.1 stopped 0, drain
        drained                 -> done 7, finish 1
        ",
    );
}

#[test]
fn what_cannot_be_killed_is_forgotten_when_it_has_ended() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: scale web=0      -> terminate web.1
        +5s                     -> say overdue web.1, kill web.1
        +2s                     -> say unkillable web.1 11, reply 1: web.1 unkillable, done 1
        status?                 -> web.1 stopping 11
        killed web.1 SIGKILL    ->
        status?                 ->
        ",
    );
    // Wanted back, it stays, but is not started when nobody expects it any more.
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: scale web=0      -> terminate web.1
        +5s                     -> say overdue web.1, kill web.1
        +2s                     -> say unkillable web.1 11, reply 1: web.1 unkillable, done 1
        ask 2: scale web=1      -> reply 2: web.1 unkillable, done 2
        killed web.1 SIGKILL    ->
        status?                 -> web.1 down after SIGKILL
        ",
    );
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        ask 1: stop web.1       -> terminate web.1
        SIGTERM                 -> say stopping for SIGTERM
        +5s                     -> say overdue web.1, kill web.1
        +2s                     -> say unkillable web.1 11, reply 1: web.1 unkillable, done 1, drain
        drained                 -> finish 1
        ",
    );
}

// Suspending

#[test]
fn suspended_time_counts_for_no_request() {
    check(
        "
        start web.1 worker.1    -> spawn web.1
        spawned web.1 11        -> spawn worker.1
        spawned worker.1 12     ->
        ask 1: restart web.1    -> terminate web.1
        +1s SIGTSTP             -> stop web.1, stop worker.1, suspend
        resumed +60s            -> continue web.1, continue worker.1
        next deadline?          -> 65s
        +4s                     -> say overdue web.1, kill web.1
        SIGTSTP                 -> stop web.1, stop worker.1, suspend
        resumed +60s            -> continue web.1, continue worker.1
        next deadline?          -> 127s
        killed web.1 SIGKILL    -> spawn web.1
        SIGTSTP                 -> stop worker.1, suspend
        ask 2: stop worker.1    -> terminate worker.1
        resumed +60s            -> continue worker.1
        next deadline?          -> 190s
        ",
    );
}

#[test]
fn what_is_said_to_stand_still_is_said_anew_of_what_is_started_again() {
    check(
        "
        start web.1             -> spawn web.1
        spawned web.1 11        ->
        stopped web.1 SIGTTIN   -> say stopped web.1 SIGTTIN
        ask 1: restart web.1    -> terminate web.1
        stopped web.1 SIGTTIN   ->
        exited web.1 0          -> spawn web.1
        spawned web.1 12        -> reply 1: web.1 runs 12, done 1
        stopped web.1 SIGTTIN   -> say stopped web.1 SIGTTIN
        ",
    );
}
