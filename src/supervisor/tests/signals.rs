//! Signals that reach procman, in which copies, and what becomes of them; suspending is one of them.

use crate::supervisor::tests::transcript::check;

// Signals passed on

#[test]
fn other_signals_are_passed_on_to_every_instance() {
    for signal in ["SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGWINCH", "SIGRTMIN+2"] {
        check(&format!(
            "
            start web.1 worker.1 clock.1 -> spawn web.1
            spawned web.1 11             -> spawn worker.1
            spawned worker.1 12          -> spawn clock.1
            {signal}                     -> {signal} web.1, {signal} worker.1
            "
        ));
    }
}

#[test]
fn signals_are_passed_on_while_stopping_but_not_to_the_dead() {
    check(
        "
        start web.1 worker.1 -> spawn web.1
        spawned web.1 11     -> spawn worker.1
        spawned worker.1 12  ->
        exited web.1 0       -> say stopping for web.1, terminate worker.1
        SIGUSR1              -> SIGUSR1 worker.1
        exited worker.1 0    -> drain
        SIGUSR1              ->
        ",
    );
}

#[test]
fn signals_about_procman_itself_are_its_own() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGCONT          ->
        SIGCHLD          ->
        ",
    );
}

#[test]
fn terminals_signal_counts_at_the_guard_only() {
    check(
        "
        start web.1        -> spawn web.1
        spawned web.1 11   ->
        SIGQUIT@supervisor ->
        SIGQUIT            -> SIGQUIT web.1
        SIGQUIT            -> SIGQUIT web.1
        SIGINT@supervisor  ->
        SIGINT             -> say stopping for SIGINT, terminate web.1
        +1s                ->
        SIGINT@supervisor  ->
        SIGINT             -> say forced by SIGINT, kill web.1
        ",
    );
}

#[test]
fn terminals_signal_counts_at_the_supervisor_once_the_guard_is_gone() {
    check(
        "
        start web.1               -> spawn web.1
        spawned web.1 11          ->
        guard lost                -> say stopping for guard, terminate web.1
        SIGQUIT@supervisor        -> SIGQUIT web.1
        +501ms SIGINT@supervisor  -> say forced by SIGINT, kill web.1
        +501ms SIGTERM@supervisor -> finish 143
        ",
    );
    // It is lost while the formation stops for another reason.
    check(
        "
        start web.1 worker.1     -> spawn web.1
        spawned web.1 11         -> spawn worker.1
        spawned worker.1 12      ->
        exited worker.1 3        -> say stopping for worker.1, terminate web.1
        SIGINT@supervisor        ->
        guard lost               ->
        SIGINT@supervisor        ->
        +501ms SIGINT@supervisor -> say forced by SIGINT, kill web.1
        killed web.1 SIGKILL     -> drain
        drained                  -> finish 130
        ",
    );
}

#[test]
fn signal_sent_to_both_processes_is_passed_on_once() {
    check(
        "
        start web.1                -> spawn web.1
        spawned web.1 11           ->
        SIGUSR1 from 77            -> SIGUSR1 web.1
        SIGUSR1@supervisor from 77 ->
        SIGUSR1@supervisor from 77 -> SIGUSR1 web.1
        +500ms SIGUSR1 from 77     ->
        ",
    );
}

#[test]
fn signals_that_differ_are_no_copies() {
    check(
        "
        start web.1                       -> spawn web.1
        spawned web.1 11                  ->
        SIGUSR1 from 77                   -> SIGUSR1 web.1
        SIGUSR1 from 77                   -> SIGUSR1 web.1
        SIGUSR1@supervisor from 78        -> SIGUSR1 web.1
        SIGUSR2@supervisor from 77        -> SIGUSR2 web.1
        +501ms SIGUSR1@supervisor from 77 -> SIGUSR1 web.1
        ",
    );
}

#[test]
fn copies_of_a_second_request_are_not_a_third() {
    check(
        "
        start web.1                -> spawn web.1
        spawned web.1 11           ->
        SIGTERM from 77            -> say stopping for SIGTERM, terminate web.1
        SIGTERM@supervisor from 77 ->
        +1s SIGTERM from 77        -> say forced by SIGTERM, kill web.1
        SIGTERM@supervisor from 77 ->
        killed web.1 SIGKILL       -> drain
        ",
    );
}

// Suspending

#[test]
fn suspended_time_counts_for_no_deadline() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGTERM          -> say stopping for SIGTERM, terminate web.1
        +300ms SIGTSTP   -> stop web.1, suspend
        resumed +60s     -> continue web.1
        next deadline?   -> 65s
        stop deadline?   -> 65s
        # Half a second has not passed either.
        +200ms SIGTERM   ->
        +4500ms          -> say overdue web.1, kill web.1
        SIGTSTP          -> stop web.1, suspend
        resumed +60s     -> continue web.1
        +1999ms          ->
        +1ms             -> say unkillable web.1 11, drain
        SIGTSTP          -> suspend
        resumed +60s     ->
        stop deadline?   -> 185s
        +999ms           ->
        +1ms             -> finish 1
        ",
    );
}

#[test]
fn suspending_reaches_all_that_live() {
    check(
        "
        start web.1 worker.1 clock.1 -> spawn web.1
        spawned web.1 11             -> spawn worker.1
        spawned worker.1 12          -> spawn clock.1
        SIGTSTP                      -> stop web.1, stop worker.1, suspend
        resumed +1s                  -> continue web.1, continue worker.1
        ",
    );
}

#[test]
fn what_is_due_when_procman_falls_asleep_is_done_when_it_wakes_up() {
    check(
        "
        start web.1      -> spawn web.1
        spawned web.1 11 ->
        SIGTERM          -> say stopping for SIGTERM, terminate web.1
        +5s SIGTSTP      -> stop web.1, suspend
        resumed +60s     -> continue web.1, say overdue web.1, kill web.1
        ",
    );
}

#[test]
fn copy_of_the_signal_that_suspended_does_not_suspend_again() {
    // `kill -TSTP -GROUP`: the supervisor stops on the guard's copy and finds its own when it wakes up.
    check(
        "
        start web.1                -> spawn web.1
        spawned web.1 11           ->
        SIGTSTP from 77            -> stop web.1, suspend
        resumed +60s               -> continue web.1
        SIGTSTP@supervisor from 77 ->
        SIGTSTP from 77            -> stop web.1, suspend
        ",
    );
}

// Instances that stand still

#[test]
fn what_stops_an_instance_is_said_once() {
    check(
        "
        start web.1 worker.1     -> spawn web.1
        stopped web.1 SIGSTOP    ->
        spawned web.1 11         -> spawn worker.1
        stopped web.1 SIGSTOP    -> say stopped web.1 SIGSTOP
        stopped web.1 SIGSTOP    ->
        stopped worker.1 SIGSTOP ->
        spawned worker.1 12      ->
        stopped worker.1 SIGSTOP -> say stopped worker.1 SIGSTOP
        stopped web.1 SIGTTIN    -> say stopped web.1 SIGTTIN
        SIGTERM                  -> say stopping for SIGTERM, terminate web.1, terminate worker.1
        stopped web.1 SIGSTOP    ->
        exited web.1 0 leaving   ->
        stopped web.1 SIGTTIN    ->
        ",
    );
}
