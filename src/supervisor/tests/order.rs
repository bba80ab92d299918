//! Who is started after whom, and who is stopped before whom.

use std::time::Duration;

use crate::supervisor::Action;
use crate::supervisor::tests::transcript::{Player, check_with, settings_with, step};

#[test]
fn what_is_needed_is_ready_first() {
    check_with(
        "web: needs=db,migrate; migrate: one-shot needs=db; db: ready=probe",
        "
        start web.1 web.2 worker.1 db.1 migrate.1 -> say web waits for db migrate, say migrate.1 waits for db, spawn worker.1
        status?               -> web.1 held for db migrate, web.2 held for db migrate, worker.1 starting, db.1 starting unready, migrate.1 held for db unready
        spawned worker.1 12   -> spawn db.1
        spawned db.1 13       -> probe db.1 13
        +1s probed db.1 13    -> say ready db.1 after 1s, spawn migrate.1
        spawned migrate.1 14  ->
        status?               -> web.1 held for migrate, web.2 held for migrate, worker.1 running 12 since 0s, db.1 running 13 since 0s ready, migrate.1 running 14 since 1s unready
        exited migrate.1 0    -> spawn web.1
        spawned web.1 15      -> spawn web.2
        spawned web.2 16      ->
        ",
    );
}

#[test]
fn every_instance_that_is_there_has_to_be_ready() {
    check_with(
        "web: needs=db; db: ready=log",
        "
        start web.1 db.1 db.2 -> say web.1 waits for db, spawn db.1
        spawned db.1 13       -> spawn db.2
        ready db.1 13         -> say ready db.1 after 0s
        spawned db.2 14       ->
        ask 1: scale db=1     -> reply 1: db.1 runs already 13, terminate db.2, spawn web.1
        ",
    );
}

#[test]
fn what_the_formation_has_not_is_not_waited_for() {
    check_with(
        "web: needs=db; db:",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        start db.1       -> spawn db.1
        ",
    );
}

#[test]
fn what_has_ended_before_its_turn_is_waited_for_again() {
    check_with(
        "web: needs=db; db: restart=always",
        "
        start worker.1 db.1 web.1 -> say web.1 waits for db, spawn worker.1
        spawned worker.1 12       -> spawn db.1
        spawned db.1 13           -> spawn web.1
        exited db.1 3             -> say back in 1s db.1 3 (1)
        # Its spawn was under way.
        spawned web.1 11          ->
        +1s                       -> spawn db.1
        ask 1: scale web=3        -> reply 1: web.1 runs already 11, reply 1: web.2 held, reply 1: web.3 held, done 1, say web waits for db
        spawned db.1 14           -> spawn web.2
        exited db.1 3             -> say back in 2s db.1 3 (2)
        spawned web.2 15          -> say web.3 waits for db
        +2s                       -> spawn db.1
        spawned db.1 16           -> spawn web.3
        ",
    );
}

#[test]
fn what_has_ended_for_good_is_waited_for_in_vain() {
    check_with(
        "web: needs=db; db: on-exit=ignore ready=log; worker: on-exit=ignore",
        "
        start web.1 worker.1 db.1 -> say web.1 waits for db, spawn worker.1
        spawned worker.1 12       -> spawn db.1
        spawned db.1 13           ->
        exited db.1 0             -> say others go on db.1 0, say web.1 waits in vain for db.1
        status?                   -> web.1 held for db, worker.1 running 12 since 0s, db.1 down unready after 0
        ask 1: scale web=2        -> reply 1: web.1 held, reply 1: web.2 held, done 1, say web.2 waits in vain for db.1
        ask 2: up db              -> spawn db.1
        spawned db.1 14           -> reply 2: db.1 runs 14, done 2
        exited db.1 0             -> say others go on db.1 0, say web waits in vain for db.1
        # Nothing that is to come can come.
        exited worker.1 0         -> drain
        cause?                    -> for web.1 in vain
        drained                   -> finish 1
        ",
    );
}

/// Two of one type that wait were taken for a cycle, and who needs them for one that never comes.
#[test]
fn who_waits_for_several_that_wait_is_still_to_come() {
    check_with(
        "web: needs=db; db: needs=env:DB on-exit=ignore; all: patience=1s",
        "
        start web.1 db.1 db.2 -> reach DB, say web.1 waits for db
        to come?              -> web.1 db.1 db.2
        reached DB            -> spawn db.1
        spawned db.1 11       -> spawn db.2
        to come?              -> web.1 db.2
        ",
    );
    check_with(
        "web: needs=a,b; a: needs=clock; b: needs=clock; clock: needs=env:DB",
        "
        start web.1 a.1 b.1 clock.1 -> reach DB, say web.1 waits for a b, say a.1 waits for clock, say b.1 waits for clock
        to come?                    -> web.1 clock.1 a.1 b.1
        ",
    );
}

#[test]
fn what_a_request_has_stopped_may_come_back() {
    check_with(
        "web: needs=db; db:; worker: on-exit=ignore",
        "
        start worker.1 db.1 -> spawn worker.1
        spawned worker.1 12 -> spawn db.1
        spawned db.1 13     ->
        ask 1: stop db.1    -> terminate db.1
        exited db.1 0       -> reply 1: db.1 stopped 0, done 1
        ask 2: scale web=1  -> reply 2: web.1 held, done 2, say web.1 waits for db
        exited worker.1 3   -> say others go on worker.1 3
        ask 3: up db.1      -> spawn db.1
        spawned db.1 14     -> reply 3: db.1 runs 14, done 3, spawn web.1
        ",
    );
}

#[test]
fn a_request_takes_back_what_is_held() {
    check_with(
        "web: needs=db; db: ready=log",
        "
        start web.1 db.1   -> say web.1 waits for db, spawn db.1
        spawned db.1 13    ->
        ask 1: up web.1    -> reply 1: web.1 held, done 1
        ask 2: restart web.1 -> reply 2: web.1 held, done 2
        ask 3: stop web.1  -> reply 3: web.1 down already, done 3
        ready db.1 13      -> say ready db.1 after 0s
        status?            -> web.1 down, db.1 running 13 since 0s ready
        ask 4: up web.1    -> spawn web.1
        ",
    );
}

#[test]
fn stop_while_held_ends_at_once() {
    check_with(
        "web: needs=db; db: ready=log",
        "
        start web.1 db.1    -> say web.1 waits for db, spawn db.1
        spawned db.1 13     ->
        SIGTERM             -> say stopping for SIGTERM, terminate db.1
        killed db.1 SIGTERM -> drain
        drained             -> finish 0
        ",
    );
}

/// The ledger does not know cycles: they are refused when policies are read. The machine comes to an end all the same.
#[test]
fn a_cycle_ends_instead_of_waiting_for_itself() {
    let play = |steps: &[&str]| {
        let mut supervisor = Player::with(settings_with("web: needs=worker; worker: needs=web")).supervisor;
        let actions = steps.iter().map(|text| supervisor.handle(Duration::ZERO, step(text))).last();
        (actions.unwrap_or_default(), supervisor.next_deadline())
    };
    let (actions, _) = play(&["start web.1 worker.1"]);
    assert_eq!(actions.last(), Some(&Action::Drain));
    // So it does when it has been got round.
    let (_, deadline) =
        play(&["start web.1", "spawned web.1 11", "start worker.1", "spawned worker.1 12", "SIGTERM"]);
    assert!(deadline.is_some_and(|at| at <= Duration::from_secs(5)), "{deadline:?}");
}

// Stopping

#[test]
fn what_others_need_ends_after_them() {
    check_with(
        "web: needs=db; worker: needs=db; db:",
        "
        start web.1 worker.1 clock.1 db.1 -> say web.1 waits for db, say worker.1 waits for db, spawn clock.1
        spawned clock.1 14     -> spawn db.1
        spawned db.1 13        -> spawn web.1
        spawned web.1 11       -> spawn worker.1
        spawned worker.1 12    ->
        SIGTERM                -> say stopping by policy for SIGTERM, terminate web.1, terminate worker.1, terminate clock.1
        stop deadline?         -> 5s
        next deadline?         -> 2500ms
        +1s exited web.1 0     ->
        exited clock.1 0       ->
        +1s exited worker.1 0  -> terminate db.1
        next deadline?         -> 5s
        exited db.1 0          -> drain
        drained                -> finish 0
        ",
    );
}

#[test]
fn each_level_has_its_share_of_the_one_deadline() {
    check_with(
        "web: needs=worker; worker: needs=db; db: grace=9s",
        "
        start db.1           -> spawn db.1
        spawned db.1 13      ->
        start worker.1       -> spawn worker.1
        spawned worker.1 12  ->
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        SIGTERM              -> say stopping by policy for SIGTERM, terminate web.1
        stop deadline?       -> 9s
        +3s                  -> say turn of worker.1, terminate worker.1
        +2s                  -> say overdue web.1, kill web.1
        killed web.1 SIGKILL ->
        +1s                  -> say turn of db.1, terminate db.1
        +2s                  -> say overdue worker.1, kill worker.1
        +1s                  -> say overdue db.1, kill db.1
        ",
    );
}

#[test]
fn need_reaches_through_what_is_down() {
    check_with(
        "web: needs=migrate; migrate: one-shot needs=db; db:",
        "
        start web.1 db.1 migrate.1 -> say web.1 waits for migrate, say migrate.1 waits for db, spawn db.1
        spawned db.1 13            -> spawn migrate.1
        spawned migrate.1 14       ->
        exited migrate.1 0         -> spawn web.1
        spawned web.1 11           ->
        SIGINT                     -> say stopping by policy for SIGINT, terminate web.1
        exited web.1 0             -> terminate db.1
        ",
    );
}

#[test]
fn what_has_not_arrived_counts_as_alive() {
    check_with(
        "web: needs=db; db:",
        "
        start db.1          -> spawn db.1
        spawned db.1 13     ->
        start web.1         -> spawn web.1
        SIGTERM             -> say stopping by policy for SIGTERM
        spawned web.1 11    -> terminate web.1
        +1s exited web.1 0  -> terminate db.1
        ",
    );
    check_with(
        "web: needs=db; db:",
        "
        start db.1          -> spawn db.1
        spawned db.1 13     ->
        start web.1         -> spawn web.1
        spawned web.1 11    ->
        ask 1: scale db=2   -> reply 1: db.1 runs already 13, spawn db.2
        SIGTERM             -> say stopping by policy for SIGTERM, terminate web.1, reply 1: db.2 overtaken, done 1
        spawned db.2 14     ->
        exited web.1 0      -> terminate db.1, terminate db.2
        ",
    );
}

#[test]
fn what_waits_for_its_turn_may_end_before() {
    check_with(
        "web: needs=db; db:",
        "
        start db.1            -> spawn db.1
        spawned db.1 13       ->
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        SIGTERM               -> say stopping by policy for SIGTERM, terminate web.1
        status?               -> web.1 stopping 11, db.1 stopping 13
        exited db.1 3 leaving -> say leftovers db.1, terminate db.1
        emptied db.1          ->
        exited web.1 0        -> drain
        drained               -> finish 0
        ",
    );
}

#[test]
fn second_signal_kills_what_waits_for_its_turn_too() {
    check_with(
        "web: needs=db; db:",
        "
        start db.1       -> spawn db.1
        spawned db.1 13  ->
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGTERM          -> say stopping by policy for SIGTERM, terminate web.1
        +1s SIGTERM      -> say forced by SIGTERM, kill web.1, kill db.1
        ",
    );
}

#[test]
fn what_cannot_be_killed_holds_up_nobody() {
    check_with(
        "web: needs=db grace=1s; db: grace=20s",
        "
        start db.1       -> spawn db.1
        spawned db.1 13  ->
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGTERM          -> say stopping by policy for SIGTERM, terminate web.1
        +1s              -> say overdue web.1, kill web.1
        +2s              -> say unkillable web.1 11, terminate db.1
        ",
    );
}

#[test]
fn a_request_stops_one_without_regard_to_others() {
    check_with(
        "web: needs=db; db:",
        "
        start db.1         -> spawn db.1
        spawned db.1 13    ->
        start web.1        -> spawn web.1
        spawned web.1 11   ->
        ask 1: restart db  -> terminate db.1
        exited db.1 0      -> spawn db.1
        spawned db.1 14    -> reply 1: db.1 runs 14, done 1
        ",
    );
}
