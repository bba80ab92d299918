//! Backing services: who waits for them, for how long, and what is said of it.

use crate::supervisor::tests::transcript::check_with;

#[test]
fn what_needs_a_service_waits_for_it() {
    check_with(
        "web: needs=env:DB",
        "
        start web.1 web.2 worker.1 -> reach DB, spawn worker.1
        status?             -> web.1 held for DB, web.2 held for DB, worker.1 starting
        spawned worker.1 12 ->
        next deadline?      -> 60s
        +3s reached DB      -> spawn web.1
        next deadline?      -> none
        spawned web.1 11    -> spawn web.2
        ",
    );
}

#[test]
fn a_service_that_is_away_is_said_to_be_once_and_then_to_be_there() {
    check_with(
        "web: needs=env:DB",
        "
        start web.1     -> reach DB
        not-reached DB  -> say no DB
        not-reached DB  ->
        +3200ms reached DB -> say DB after 3200ms, spawn web.1
        reached DB      ->
        not-reached DB  ->
        ",
    );
}

#[test]
fn each_start_waits_anew() {
    check_with(
        "web: needs=env:DB restart=always",
        "
        start web.1      -> reach DB
        reached DB       -> spawn web.1
        spawned web.1 11 ->
        exited web.1 3   -> say back in 1s web.1 3 (1)
        +1s              -> reach DB
        # Its budget waits for the service as well.
        not-reached DB   -> say no DB
        +30s reached DB  -> say DB after 30s, spawn web.1
        spawned web.1 12 ->
        exited web.1 3   -> say back in 2s web.1 3 (2)
        ",
    );
}

#[test]
fn time_is_up_for_a_service() {
    check_with(
        "all: patience=10s; web: needs=env:DB; worker: needs=env:CACHE",
        "
        start web.1             -> reach DB
        not-reached DB          -> say no DB
        +9s start worker.1      -> reach CACHE
        +1s                     -> say missing CACHE 1s DB 10s, let go CACHE, let go DB, drain
        drained                 -> finish 1
        ",
    );
    check_with(
        "all: patience=10s; web: needs=env:DB; worker:",
        "
        start web.1 worker.1 -> reach DB, spawn worker.1
        spawned worker.1 12  ->
        +10s                 -> say missing DB 10s, say stopping without DB, let go DB, terminate worker.1
        exited worker.1 0    -> drain
        drained              -> finish 1
        ",
    );
}

#[test]
fn a_service_that_others_can_do_without_stops_only_who_needs_it() {
    check_with(
        "all: patience=10s; web: needs=env:DB on-exit=ignore; worker: on-exit=ignore",
        "
        start web.1 web.2 worker.1 -> reach DB, spawn worker.1
        spawned worker.1 12  ->
        +10s                 -> say missing DB 10s, let go DB, say never started web.1 web.2
        status?              -> web.1 down, web.2 down, worker.1 running 12 since 0s
        exited worker.1 0    -> drain
        drained              -> finish 1
        ",
    );
}

#[test]
fn whoever_asks_for_what_needs_a_service_is_told() {
    check_with(
        "all: patience=10s; web: needs=env:DB; worker:",
        "
        start worker.1      -> spawn worker.1
        spawned worker.1 12 ->
        ask 1: scale web=1  -> reach DB
        reached DB          -> spawn web.1
        spawned web.1 11    -> reply 1: web.1 runs 11, done 1
        ask 2: scale web=2  -> reply 2: web.1 runs already 11, reach DB
        not-reached DB      -> say no DB, reply 2: web.2 held, done 2
        ask 3: up web.2     -> reply 3: web.2 held, done 3
        # The request was in vain, and nothing else.
        +10s                -> say missing DB 10s, let go DB
        status?             -> web.1 running 11 since 0s, web.2 down, worker.1 running 12 since 0s
        ",
    );
    check_with(
        "all: patience=10s; web: needs=env:DB; worker:",
        "
        start worker.1      -> spawn worker.1
        spawned worker.1 12 ->
        ask 1: scale web=1  -> reach DB
        +10s                -> say missing DB 10s, let go DB, reply 1: web.1 not started 1, done 1
        ",
    );
}

#[test]
fn a_service_that_is_missing_again_is_the_end_of_what_has_ended_meanwhile() {
    check_with(
        "all: patience=1s; web: needs=env:DB on-exit=ignore; worker: on-exit=ignore",
        "
        start web.1 worker.1 -> reach DB, spawn worker.1
        spawned worker.1 12  ->
        +1s                  -> say missing DB 1s, let go DB, say never started web.1
        ask 1: up web        -> reach DB
        exited worker.1 0    -> say others go on worker.1 0
        +1s                  -> say missing DB 1s, let go DB, reply 1: web.1 not started 1, done 1, drain
        drained              -> finish 1
        ",
    );
    // A request may restart the last one in vain, too.
    check_with(
        "all: patience=1s; web: needs=env:DB",
        "
        start web.1          -> reach DB
        reached DB           -> spawn web.1
        spawned web.1 11     ->
        ask 1: restart web   -> terminate web.1
        exited web.1 0       -> reach DB
        +1s                  -> say missing DB 1s, let go DB, reply 1: web.1 not started 1, done 1, drain
        drained              -> finish 1
        ",
    );
}

#[test]
fn nobody_goes_on_who_is_given_up_at_the_same_time() {
    check_with(
        "all: patience=1s; web: needs=env:CACHE,env:DB on-exit=ignore; worker: needs=env:DB on-exit=ignore",
        "
        start web.1 worker.1 -> reach CACHE, reach DB
        +1s                  -> say missing CACHE 1s DB 1s, let go CACHE, let go DB, drain
        cause?               -> without CACHE
        drained              -> finish 1
        ",
    );
}

#[test]
fn a_service_is_let_go_when_nobody_waits_any_more() {
    check_with(
        "web: needs=env:DB; worker: needs=env:DB,env:CACHE",
        "
        start web.1 worker.1 -> reach DB, reach CACHE
        ask 1: stop worker   -> let go CACHE, reply 1: worker.1 down already, done 1
        ask 2: scale web=0   -> let go DB, reply 2: web.1 down already, done 2
        ask 3: up worker     -> reach DB, reach CACHE
        reached DB           ->
        status?              -> worker.1 held for CACHE
        SIGTERM              -> say nothing to stop for SIGTERM, let go CACHE, reply 3: worker.1 overtaken, done 3, drain
        drained              -> finish 0
        ",
    );
}

#[test]
fn processes_and_services_are_waited_for_together() {
    check_with(
        "web: needs=db,env:DB; db: ready=log",
        "
        start web.1 db.1 -> reach DB, say web.1 waits for db, spawn db.1
        spawned db.1 13  ->
        reached DB       ->
        ready db.1 13    -> say ready db.1 after 0s, spawn web.1
        ",
    );
}

#[test]
fn time_asleep_is_no_waiting() {
    check_with(
        "web: needs=env:DB",
        "
        start web.1    -> reach DB
        not-reached DB -> say no DB
        resumed +100s  ->
        next deadline? -> 160s
        +1s reached DB -> say DB after 1s, spawn web.1
        ",
    );
}
