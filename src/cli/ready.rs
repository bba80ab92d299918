//! Which instances are ready, by what a procman says of its formation.
//!
//! Pure: all is in the arguments.

use crate::cli::table;
use crate::control::protocol::{Formation, Instance, State};
use crate::quote::{escaped, excerpt};

/// How many instances are named in one line.
const MOST: usize = 10;

/// Returns whether an instance is ready: it runs, or it has done the one thing that it had to do.
pub fn is_ready(instance: &Instance) -> bool {
    match (instance.state, instance.ready) {
        (State::Running, ready) => ready != Some(false),
        (State::Down, ready) => ready == Some(true),
        (State::Waiting | State::Starting | State::Stopping | State::BackingOff, _) => false,
    }
}

/// Returns whether an instance has to be ready. One that is down has been stopped, or is left down.
pub fn counts(instance: &Instance) -> bool {
    match instance.state {
        State::Down => instance.ready == Some(true),
        State::Waiting | State::Starting | State::Running | State::Stopping | State::BackingOff => true,
    }
}

/// Returns how an instance is, in few words: `unready`, `waiting for db`.
pub fn how(instance: &Instance) -> String {
    let state = table::state(instance);
    let needs: Vec<String> = instance.waits_for.iter().map(|need| escaped(need)).collect();
    if needs.is_empty() { state.to_owned() } else { format!("{state} for {}", needs.join(", ")) }
}

/// Returns the names of instances with how each is, of many the first.
pub fn list(instances: &[&Instance]) -> String {
    let shown = instances.iter().take(MOST);
    let mut names: Vec<String> = shown.map(|one| format!("{} ({})", excerpt(&one.name), how(one))).collect();
    if instances.len() > MOST {
        names.push(format!("and {} more", instances.len() - MOST));
    }
    names.join(", ")
}

/// Returns those of a formation that have to be ready and are not, and how many have to be.
pub fn lacking(formation: &Formation) -> (Vec<&Instance>, usize) {
    let counted: Vec<&Instance> = formation.instances.iter().filter(|one| counts(one)).collect();
    let all = counted.len();
    (counted.into_iter().filter(|one| !is_ready(one)).collect(), all)
}

#[cfg(test)]
pub mod tests {
    use super::{counts, is_ready, lacking, list};
    use crate::control::protocol::{Formation, Instance, State};

    /// Returns an instance.
    pub fn instance(name: &str, state: State, ready: Option<bool>) -> Instance {
        Instance {
            name: name.to_owned(),
            process: name.split('.').next().unwrap_or_default().to_owned(),
            number: 1,
            state,
            ready,
            waits_for: Vec::new(),
            returns_in: None,
            status: None,
            pid: None,
            uptime: None,
            restarts: 0,
            port: None,
            cpu: None,
            memory: None,
            last_exit: None,
            terminal: false,
        }
    }

    /// Returns a formation.
    pub fn formation(instances: Vec<Instance>) -> Formation {
        let types = ["web", "worker"].map(str::to_owned).to_vec();
        Formation { pid: 7, root: "/app".to_owned(), stopping: false, types, instances }
    }

    #[track_caller]
    fn check(state: State, ready: Option<bool>, expected: (bool, bool)) {
        let instance = instance("web.1", state, ready);
        assert_eq!((counts(&instance), is_ready(&instance)), expected, "{state:?} {ready:?}");
    }

    #[test]
    fn what_runs_is_ready_unless_it_is_said_not_to_be() {
        check(State::Running, Some(true), (true, true));
        check(State::Running, Some(false), (true, false));
        // An older procman does not say.
        check(State::Running, None, (true, true));
    }

    #[test]
    fn what_is_yet_to_come_has_to_be_ready_and_is_not() {
        for state in [State::Waiting, State::Starting, State::Stopping, State::BackingOff] {
            for ready in [None, Some(false), Some(true)] {
                check(state, ready, (true, false));
            }
        }
    }

    #[test]
    fn what_is_down_counts_only_if_it_is_done() {
        check(State::Down, Some(true), (true, true));
        check(State::Down, Some(false), (false, false));
        check(State::Down, None, (false, false));
    }

    #[test]
    fn those_that_are_not_ready_are_named() {
        let mut waiting = instance("web.1", State::Waiting, Some(false));
        waiting.waits_for = vec!["db".to_owned(), "X_URL (h:1)".to_owned()];
        let others = [
            instance("worker.1", State::Running, Some(false)),
            instance("worker.2", State::Down, None),
            instance("db.1", State::Running, Some(true)),
        ];
        let formation = formation([vec![waiting], others.to_vec()].concat());
        let (missing, all) = lacking(&formation);
        assert_eq!(list(&missing), "web.1 (waiting for db, X_URL (h:1)), worker.1 (unready)");
        assert_eq!(all, 3);
        let many = [missing[0]; 12];
        assert!(list(&many).ends_with(", and 2 more"));
    }
}
