//! Every kind of event in every state: none panics, none breaks a promise, and none that does not belong
//! there changes anything. The ledger is the judge; here is only what it has to be shown.

use std::collections::BTreeSet;

use crate::process::Exit;
use crate::supervisor::Event;
use crate::supervisor::tests::transcript::{GRACE, Player};

/// Every state, by a way into it.
const STATES: &[&[&str]] = &[
    &[],
    // web.1 of a running formation: starting, with others waiting or not, and running.
    &["start web.1"],
    &["start web.1 worker.1"],
    &["start web.1", "spawned web.1 11"],
    &["start web.1 worker.1", "spawned web.1 11"],
    &["start worker.1 web.1", "spawned worker.1 12", "spawned web.1 11"],
    // web.1 starting although it is to be stopped, kept down, started again or gone.
    &["start web.1 worker.1", "ask 1: stop web.1"],
    &["start web.1 worker.1", "ask 1: restart web.1"],
    &["start web.1 worker.1", "ask 1: scale web=0"],
    &["start worker.1", "spawned worker.1 12", "ask 1: scale web=1"],
    // The same while it is terminated, leaves something behind, is killed, cannot be killed.
    &["start web.1 worker.1", "spawned web.1 11", "spawned worker.1 12", "ask 1: stop web.1"],
    &["start web.1 worker.1", "spawned web.1 11", "spawned worker.1 12", "ask 1: restart web.1"],
    &["start web.1 worker.1", "spawned web.1 11", "spawned worker.1 12", "ask 1: scale web=0"],
    &["start web.1", "spawned web.1 11", "ask 1: restart web.1", "exited web.1 0 leaving"],
    &["start web.1", "spawned web.1 11", "ask 1: restart web.1", "exited web.1 0 leaving", "+5s"],
    &["start web.1", "spawned web.1 11", "ask 1: stop web.1", "+5s"],
    &["start web.1", "spawned web.1 11", "ask 1: stop web.1", "+5s", "+2s"],
    &["start web.1", "spawned web.1 11", "ask 1: scale web=0", "exited web.1 0 leaving", "+5s", "+2s"],
    // Down, and waiting to be started again.
    &["start web.1", "spawned web.1 11", "ask 1: stop web.1", "exited web.1 0"],
    &["start web.1", "spawned web.1 11", "ask 1: stop web.1", "escapees left", "exited web.1 0"],
    &[
        "start worker.1 web.1",
        "spawned worker.1 12",
        "spawned web.1 11",
        "ask 1: restart",
        "exited worker.1 0",
        "exited web.1 0",
    ],
    // Stopping because an instance ended, which nobody asked for, with web.1 starting, terminated, killed.
    &["start worker.1 web.1", "spawned worker.1 12", "exited worker.1 3"],
    &["start worker.1 web.1", "spawned worker.1 12", "spawned web.1 11", "exited worker.1 3"],
    &["start worker.1 web.1", "spawned worker.1 12", "spawned web.1 11", "exited worker.1 3", "+5s"],
    &["start web.1 worker.1", "spawned web.1 11", "spawn-failed worker.1 127"],
    &["start web.1", "spawned web.1 11", "exited web.1 3 leaving"],
    &["start web.1", "spawned web.1 11", "exited web.1 3 leaving", "+5s"],
    // Stopping because of something else.
    &["start web.1", "spawned web.1 11", "output closed"],
    &["start web.1", "spawned web.1 11", "guard lost"],
    &["start web.1", "spawned web.1 11", "ask 1: quit"],
    &["start web.1", "spawned web.1 11", "ask 1: stop", "SIGTERM"],
    &["start web.1 worker.1", "SIGTERM"],
    &["start web.1", "spawned web.1 11", "SIGTERM"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+5s"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "exited web.1 3 leaving"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "exited web.1 3 leaving", "+5s"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "guard lost"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "escapees left", "exited web.1 0"],
    // Asked a second time.
    &["start web.1", "SIGTERM", "+1s SIGTERM"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+1s SIGTERM"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+1s SIGTERM", "killed web.1 SIGKILL leaving"],
    // Draining, after no, one and two requests, and after giving up.
    &["start web.1", "spawn-failed web.1 127"],
    &["start web.1", "spawned web.1 11", "exited web.1 3"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "exited web.1 3"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+1s SIGTERM", "killed web.1 SIGKILL"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+5s", "+2s"],
    // Finished.
    &["start web.1", "spawned web.1 11", "exited web.1 3", "drained"],
    &["start web.1", "spawned web.1 11", "SIGTERM", "+1s SIGTERM", "+1s SIGTERM"],
];

/// Every kind of event, about an instance that may be there and about one that never is.
const EVENTS: &[&str] = &[
    "start web.1",
    "start ghost.1 clock.1",
    "ask #: start clock.1 web.1",
    "ask #: stop web.1",
    "ask #: restart web",
    "ask #: restart web.1 web.2",
    "ask #: up",
    "ask #: scale web=0",
    "ask #: scale web+1",
    "ask #: scale web=1 ghost=1",
    "ask #: signal SIGKILL web.1",
    "ask #: quit",
    "spawned web.1 11",
    "spawned ghost.9 66",
    "spawn-failed web.1 127",
    "spawn-failed ghost.9 127",
    "stopped web.1 SIGTTIN",
    "stopped ghost.9 SIGSTOP",
    "exited web.1 0",
    "exited web.1 3",
    "exited web.1 3 leaving",
    "killed web.1 SIGKILL",
    "killed web.1 SIGSEGV leaving",
    "exited ghost.9 3",
    "exited ghost.9 3 leaving",
    "emptied web.1",
    "emptied ghost.9",
    "SIGTERM",
    "SIGINT from 77",
    "SIGHUP@supervisor from 77",
    "SIGTERM@supervisor",
    "+600ms SIGTERM",
    "SIGTSTP",
    "SIGTSTP@supervisor",
    "SIGCONT",
    "SIGCHLD",
    "SIGUSR1",
    "SIGUSR1 from 77",
    "SIGUSR1@supervisor from 77",
    "out-of-memory 2",
    "escapees left",
    "escapees gone",
    "output closed",
    "guard lost",
    "resumed +60s",
    "drained",
    "+0s",
    "+1ms",
    "+5s",
    "+3600s",
    "+3600s exited web.1 3 leaving",
    "+3600s spawned web.1 11",
];

#[test]
fn every_event_is_answered_in_every_state() {
    for state in STATES {
        let reached = reach(state);
        for first in EVENTS {
            let mut after_first = reached.clone();
            after_first.play(&first.replace('#', "8"));
            for second in EVENTS {
                let mut player = after_first.clone();
                player.play(&second.replace('#', "9"));
                wind_down(player);
            }
        }
    }
}

#[test]
fn table_names_every_state_once() {
    let states: BTreeSet<String> =
        STATES.iter().map(|state| format!("{:?}", reach(state).supervisor)).collect();
    assert_eq!(states.len(), STATES.len());
    // `BackingOff` is for restarts.
    let next = "Runs IsStopped( next:End next:StayDown next:StartAgain next:Vanish rest:StayDown rest:Vanish";
    let instance = "Waiting{ Starting{ Running{ Stopping{ Unkillable{ Down Alive Ended( Terminated{ Killed{";
    let whole =
        "phase:Running{ phase:Stopping{ phase:Draining{ phase:Finished asked:Never asked:Once( asked:Twice(";
    for name in instance.split(' ').chain(next.split(' ')).chain(whole.split(' ')) {
        assert!(states.iter().any(|state| state.replace(' ', "").contains(name)), "no state with {name}");
    }
}

fn reach(state: &[&str]) -> Player {
    let mut player = Player::new(GRACE);
    for step in state {
        player.play(step);
    }
    player
}

/// Asks to stop and does nothing more than let time pass: the end has to come by itself.
fn wind_down(mut player: Player) {
    player.play("SIGTERM");
    for id in player.ledger.ordered() {
        player.tell(player.now, Event::SpawnFailed { id, exit: Exit::Code(127) });
    }
    while let Some(deadline) = player.supervisor.next_deadline() {
        player.tell(deadline, Event::TimePassed);
    }
    assert!(player.ledger.is_finished(), "no finish came after\n\n{}", player.transcript());
}
