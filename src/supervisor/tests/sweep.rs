//! Every kind of event in every state: none panics, none breaks a promise, and none that does not belong
//! there changes anything. The ledger is the judge; here is only what it has to be shown.

use std::collections::BTreeSet;

use crate::process::Exit;
use crate::supervisor::Event;
use crate::supervisor::tests::transcript::{GRACE, Player, settings_with};

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

/// A policy of every sort.
const POLICIES: &str = "
    all: patience=50s supervised
    web: restart=on-failure needs=db,env:DB ready=probe deadline=20s health=2 grace=3s
    db: ready=notify deadline=40s on-exit=ignore stop-signal=SIGINT grace=9s
    migrate: one-shot needs=db
";

/// What policies add, by a way into it that goes on from the one before or begins anew.
const WAYS: &[(&str, &[&str])] = &[
    ("held", &["start web.1 db.1"]),
    ("down", &["ask 1: stop web.1"]),
    ("held", &["start web.1 db.1"]),
    ("needed and unready", &["spawned db.1 13"]),
    ("too late", &["+40s"]),
    ("held", &["start web.1 db.1", "spawned db.1 13"]),
    ("held for a service", &["ready db.1 13"]),
    ("held for one that is away", &["not-reached DB"]),
    ("starting", &["reached DB"]),
    ("being probed", &["spawned web.1 11"]),
    ("unready", &["probed web.1 11 failed"]),
    ("ready", &["+500ms", "probed web.1 11"]),
    ("being examined", &["+10s"]),
    ("failed once", &["probed web.1 11 failed"]),
    ("unwell", &["+10s", "probed web.1 11 failed"]),
    ("pausing", &["exited web.1 0"]),
    ("held anew", &["+1s"]),
    ("pausing longer", &["reached DB", "spawned web.1 11", "exited web.1 3"]),
    ("late", &["+2s", "reached DB", "spawned web.1 11", "+20s"]),
    ("late and killed", &["+3s"]),
    ("leaving", &["start web.1", "reached DB", "spawned web.1 11", "exited web.1 3 leaving"]),
    ("ending", &["start web.1", "reached DB", "spawned web.1 11", "ends-soon web.1 11"]),
    ("at work", &["start db.1 migrate.1", "spawned db.1 13", "ready db.1 13", "spawned migrate.1 14"]),
    ("needed by what works", &["SIGTERM"]),
    ("leaving what was needed", &["exited db.1 0 leaving"]),
    ("leaving what is done", &["start migrate.1", "spawned migrate.1 14", "exited migrate.1 0 leaving"]),
    (
        "done",
        &[
            "start migrate.1 db.1",
            "spawned db.1 13",
            "ready db.1 13",
            "spawned migrate.1 14",
            "exited migrate.1 0",
        ],
    ),
    (
        "waited for in vain",
        &["start web.1 db.1 clock.1", "spawned db.1 13", "spawned clock.1 12", "exited db.1 0"],
    ),
    (
        "needed",
        &[
            "start db.1",
            "spawned db.1 13",
            "ready db.1 13",
            "start web.1",
            "reached DB",
            "spawned web.1 11",
            "SIGTERM",
        ],
    ),
    ("needed no more", &["exited web.1 0"]),
];

/// Every kind of event that may mean something to a policy.
const EVENTS_OF_POLICIES: &[&str] = &[
    "start worker.1 web.1",
    "ask #: up",
    "ask #: stop web.1",
    "ask #: restart web.1",
    "ask #: restart db",
    "ask #: scale web=0",
    "ask #: scale web+1",
    "ask #: scale db=0",
    "ask #: quit",
    "spawned web.1 11",
    "spawned db.1 13",
    "spawn-failed web.1 127",
    "exited web.1 0",
    "exited web.1 3",
    "exited web.1 3 leaving",
    "exited db.1 0",
    "exited db.1 3 leaving",
    "exited migrate.1 0",
    "emptied web.1",
    "emptied db.1",
    "ready db.1 13",
    "ready web.1 11",
    "probed web.1 11",
    "probed web.1 11 failed",
    "probed web.1 12",
    "extended web.1 11 9s",
    "extended db.1 13 90s",
    "ends-soon web.1 11",
    "ends-soon db.1 13",
    "reached DB",
    "not-reached DB",
    "SIGTERM",
    "SIGTSTP",
    "resumed +60s",
    "+600ms",
    "+10s",
    "+60s",
    "+60s probed web.1 11",
];

#[test]
fn every_event_is_answered_in_every_state() {
    for state in STATES {
        sweep(&reach(state), EVENTS);
    }
}

#[test]
fn every_event_is_answered_in_every_state_of_policies() {
    for (_, player) in ways() {
        sweep(&player, EVENTS_OF_POLICIES);
    }
}

#[test]
fn ways_lead_to_every_state_of_policies() {
    let states: Vec<String> =
        ways().iter().map(|(_, player)| format!("{:?}", player.supervisor).replace(' ', "")).collect();
    let instance = "Held{ BackingOff{ Needed{ Down(Asked Down(Done Down(Ended next:BackOff next:StayDown(Done \
                    next:StayDown(Ended";
    let condition = "Unready{ Ready{ AtWork Ending Never At( UnderWay trouble:Some(Refused failures:1";
    for name in instance.split_whitespace().chain(condition.split(' ')) {
        assert!(states.iter().any(|state| state.contains(name)), "no state with {name}");
    }
}

fn ways() -> Vec<(&'static str, Player)> {
    let mut player = Player::with(settings_with(POLICIES));
    let way = |(name, steps): &(&'static str, &[&'static str])| {
        if steps[0].starts_with("start") {
            player = Player::with(settings_with(POLICIES));
        }
        for step in *steps {
            player.play(step);
        }
        (*name, player.clone())
    };
    WAYS.iter().map(way).collect()
}

fn sweep(reached: &Player, events: &[&str]) {
    for first in events {
        let mut after_first = reached.clone();
        after_first.play(&first.replace('#', "8"));
        for second in events {
            let mut player = after_first.clone();
            player.play(&second.replace('#', "9"));
            wind_down(player);
        }
    }
}

#[test]
fn table_names_every_state_once() {
    let states: BTreeSet<String> =
        STATES.iter().map(|state| format!("{:?}", reach(state).supervisor)).collect();
    assert_eq!(states.len(), STATES.len());
    let next =
        "Runs IsStopped( next:End next:StayDown( next:StartAgain next:Vanish rest:StayDown rest:Vanish";
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
