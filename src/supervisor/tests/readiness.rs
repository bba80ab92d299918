//! Whether an instance is ready, and whether it is well: probes, signs, and what follows when they fail.

use crate::supervisor::tests::transcript::check_with;

#[test]
fn probes_go_on_until_one_passes() {
    check_with(
        "web: ready=probe",
        "
        start web.1           -> spawn web.1
        +1s spawned web.1 11  -> probe web.1 11
        next deadline?        -> 61s
        status?               -> web.1 running 11 since 1s unready
        +1s probed web.1 11 failed ->
        next deadline?        -> 2500ms
        +499ms                ->
        +1ms                  -> probe web.1 11
        +800ms probed web.1 11 -> say ready web.1 after 2300ms
        next deadline?        -> none
        status?               -> web.1 running 11 since 1s ready
        ",
    );
}

#[test]
fn a_line_or_a_word_is_a_sign() {
    for sign in ["log", "notify"] {
        check_with(
            &format!("web: ready={sign}"),
            "
            start web.1       -> spawn web.1
            spawned web.1 11  ->
            next deadline?    -> 60s
            probed web.1 11   ->
            ready web.1 12    ->
            +2s ready web.1 11 -> say ready web.1 after 2s
            ready web.1 11    ->
            next deadline?    -> none
            ",
        );
    }
    // Probes are not overruled.
    check_with(
        "web: ready=probe",
        "
        start web.1      -> spawn web.1
        spawned web.1 11 -> probe web.1 11
        ready web.1 11   ->
        status?          -> web.1 running 11 since 0s unready
        ",
    );
}

#[test]
fn results_of_another_life_or_of_no_probe_change_nothing() {
    check_with(
        "web: ready=probe restart=always",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       -> probe web.1 11
        exited web.1 3         -> say back in 1s web.1 3 (1)
        probed web.1 11        ->
        +1s                    -> spawn web.1
        spawned web.1 12       -> probe web.1 12
        probed web.1 11        ->
        probed ghost.1 11      ->
        probed web.1 12 failed ->
        probed web.1 12        ->
        status?                -> web.1 running 12 since 1s unready restarted 1 after 3
        ",
    );
}

#[test]
fn too_late_is_the_end_of_all() {
    check_with(
        "web: ready=probe deadline=10s; worker:",
        "
        start web.1 worker.1   -> spawn web.1
        spawned web.1 11       -> probe web.1 11, spawn worker.1
        spawned worker.1 12    ->
        +10s                   -> say stopping for web.1 late, terminate web.1, terminate worker.1
        probed web.1 11        ->
        exited web.1 0         ->
        exited worker.1 0      -> drain
        drained                -> finish 1
        ",
    );
}

#[test]
fn too_late_is_its_own_end_where_others_go_on() {
    check_with(
        "web: ready=log deadline=10s on-exit=ignore; worker:",
        "
        start web.1 worker.1   -> spawn web.1
        spawned web.1 11       -> spawn worker.1
        spawned worker.1 12    ->
        +10s                   -> say others go on web.1 late, terminate web.1
        killed web.1 SIGTERM   ->
        status?                -> web.1 down unready after SIGTERM, worker.1 running 12 since 0s
        exited worker.1 0      -> drain
        drained                -> finish 0
        ",
    );
    check_with(
        "web: ready=log deadline=10s on-exit=ignore",
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        +10s                 -> say rejected web.1 late, terminate web.1
        killed web.1 SIGTERM -> drain
        cause?               -> for web.1 late
        drained              -> finish 1
        ",
    );
    // Who only waits for it does not go on.
    check_with(
        "web: needs=db; db: ready=log deadline=10s on-exit=ignore",
        "
        start web.1 db.1    -> say web.1 waits for db, spawn db.1
        spawned db.1 13     ->
        +10s                -> say rejected db.1 late, terminate db.1
        killed db.1 SIGTERM -> say web.1 waits in vain for db.1, drain
        cause?              -> for db.1 late
        ",
    );
}

#[test]
fn the_first_failure_is_the_reason_whatever_ends_last() {
    check_with(
        "web: ready=log deadline=10s on-exit=ignore; worker: on-exit=ignore",
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        +10s                 -> say others go on web.1 late, terminate web.1
        killed web.1 SIGTERM ->
        exited worker.1 3    -> drain
        cause?               -> for web.1 late
        drained              -> finish 1
        ",
    );
    check_with(
        "web: ready=log deadline=10s on-exit=ignore",
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        exited web.1 0       -> drain
        cause?               -> for nothing
        drained              -> finish 0
        ",
    );
}

#[test]
fn too_late_is_an_end_in_a_row_however_long_it_ran() {
    let lives = [1, 2, 4, 8, 16, 30, 30, 30, 30].iter().zip(1..);
    let each = lives.map(|(pause, end)| {
        format!(
            "
            spawned web.1 {end}  ->
            +20s                 -> say restarting web.1 late, terminate web.1
            killed web.1 SIGTERM -> say back in {pause}s web.1 SIGTERM ({end})
            +{pause}s            -> spawn web.1
            "
        )
    });
    check_with(
        "web: ready=log deadline=20s restart=on-failure",
        &format!(
            "
            start web.1          -> spawn web.1
            {}
            spawned web.1 10     ->
            +20s                 -> say used up web.1 late, say stopping for web.1, terminate web.1
            killed web.1 SIGTERM -> drain
            drained              -> finish 1
            ",
            each.collect::<String>()
        ),
    );
}

#[test]
fn whoever_asks_for_more_time_has_it() {
    check_with(
        "web: ready=notify deadline=10s",
        "
        start web.1           -> spawn web.1
        spawned web.1 11      ->
        extended web.1 11 5s  ->
        next deadline?        -> 10s
        +8s extended web.1 11 9s ->
        next deadline?        -> 17s
        extended web.1 12 60s ->
        +8s ready web.1 11    -> say ready web.1 after 16s
        extended web.1 11 60s ->
        next deadline?        -> none
        ask 1: stop web.1     -> terminate web.1
        next deadline?        -> 21s
        +4s extended web.1 11 9s ->
        next deadline?        -> 29s
        SIGTERM               -> say stopping for SIGTERM
        stop deadline?        -> 25s
        next deadline?        -> 25s
        extended web.1 11 9s  ->
        next deadline?        -> 25s
        ",
    );
}

#[test]
fn what_says_that_it_ends_is_not_ready_any_more() {
    check_with(
        "web: ready=probe health=3",
        "
        start web.1        -> spawn web.1
        spawned web.1 11   -> probe web.1 11
        probed web.1 11    -> say ready web.1 after 0s
        +10s               -> examine web.1 11
        ends-soon web.1 12 ->
        ends-soon web.1 11 ->
        probed web.1 11    ->
        status?            -> web.1 running 11 since 0s unready
        next deadline?     -> none
        exited web.1 3     -> drain
        ",
    );
}

#[test]
fn a_one_shot_may_be_ready_before_it_is_done() {
    check_with(
        "migrate: one-shot ready=log; web: needs=migrate",
        "
        start web.1 migrate.1 -> say web.1 waits for migrate, spawn migrate.1
        spawned migrate.1 12  ->
        next deadline?        -> 60s
        +1s ready migrate.1 12 -> say ready migrate.1 after 1s, spawn web.1
        ",
    );
}

// Health

#[test]
fn failures_in_a_row_restart_it_whatever_the_policy() {
    check_with(
        "web: health=2",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        next deadline?         -> 10s
        +10s                   -> examine web.1 11
        +1s probed web.1 11 failed ->
        next deadline?         -> 21s
        +10s                   -> examine web.1 11
        probed web.1 11        ->
        +10s                   -> examine web.1 11
        probed web.1 11 failed ->
        +10s                   -> examine web.1 11
        probed web.1 11 failed -> say restarting web.1 unwell 2, terminate web.1
        next deadline?         -> 46s
        exited web.1 0         -> say back in 1s web.1 0 (1)
        +1s                    -> spawn web.1
        spawned web.1 12       ->
        next deadline?         -> 52s
        ",
    );
}

#[test]
fn health_is_looked_at_once_it_is_ready() {
    check_with(
        "web: ready=log health=1",
        "
        start web.1          -> spawn web.1
        spawned web.1 11     ->
        +20s ready web.1 11  -> say ready web.1 after 20s
        next deadline?       -> 30s
        +10s                 -> examine web.1 11
        next deadline?       -> none
        ",
    );
}

#[test]
fn a_request_overrules_what_health_has_decided() {
    for (request, follows) in
        [("stop web.1", "reply 1: web.1 stopped 0, done 1"), ("restart web.1", "spawn web.1")]
    {
        check_with(
            "web: health=1",
            &format!(
                "
                start web.1            -> spawn web.1
                spawned web.1 11       ->
                +10s                   -> examine web.1 11
                probed web.1 11 failed -> say restarting web.1 unwell 1, terminate web.1
                ask 1: {request}       ->
                exited web.1 0         -> {follows}
                "
            ),
        );
    }
    check_with(
        "web: health=1",
        "
        start web.1            -> spawn web.1
        spawned web.1 11       ->
        +10s                   -> examine web.1 11
        probed web.1 11 failed -> say restarting web.1 unwell 1, terminate web.1
        SIGTERM                -> say stopping for SIGTERM
        exited web.1 0         -> drain
        drained                -> finish 0
        ",
    );
}

#[test]
fn ill_health_uses_up_the_budget_too() {
    // A run of ten seconds is a success, so it has to fail before.
    let ends = [1, 2, 4, 8, 16, 30, 30, 30, 30].iter().zip(1..);
    let each = ends.map(|(pause, end)| {
        format!(
            "
            spawned web.1 {end} ->
            exited web.1 3      -> say back in {pause}s web.1 3 ({end})
            +{pause}s           -> spawn web.1
            "
        )
    });
    check_with(
        "web: health=1 restart=always",
        &format!(
            "
            start web.1 -> spawn web.1
            {}
            spawned web.1 99       ->
            +10s                   -> examine web.1 99
            probed web.1 99 failed -> say restarting web.1 unwell 1, terminate web.1
            exited web.1 0         -> say back in 1s web.1 0 (1)
            ",
            each.collect::<String>()
        ),
    );
}

#[test]
fn time_asleep_brings_no_probe_and_makes_nothing_late() {
    check_with(
        "web: ready=probe deadline=10s; worker: health=1",
        "
        start web.1 worker.1   -> spawn web.1
        spawned web.1 11       -> probe web.1 11, spawn worker.1
        spawned worker.1 12    ->
        probed web.1 11 failed ->
        resumed +60s           -> continue web.1, continue worker.1
        next deadline?         -> 60500ms
        +500ms                 -> probe web.1 11
        next deadline?         -> 70s
        ",
    );
}

#[test]
fn stop_while_unready_ends_it_at_once() {
    check_with(
        "web: ready=probe",
        "
        start web.1          -> spawn web.1
        spawned web.1 11     -> probe web.1 11
        SIGTERM              -> say stopping for SIGTERM, terminate web.1
        probed web.1 11      ->
        killed web.1 SIGTERM -> drain
        drained              -> finish 0
        ",
    );
}
