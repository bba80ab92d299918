//! How many instances of each process type run: `web=2,all=1` ↔ counts.
//!
//! [`Request`] is what the user wrote after `-m`, [`Formation`] what it means for a certain Procfile. An instance is
//! known by its [`InstanceId`], shown as `web.1`; what it runs is up to [`plan`](crate::plan). What is said of a
//! formation that runs, `web.2` and `web+1`, is read in [`target`].

pub mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::procfile::{NameError, ProcessType};
use crate::quote::{self, excerpt};

pub use crate::formation::target::{Amount, Change, Target, TargetError};

/// One of the running instances of a process type, shown as `web.1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// What it is an instance of.
    pub process: ProcessType,
    /// Counted from 1.
    pub number: u32,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process, self.number)
    }
}

/// The counts a user asks for, such as `web=2,all=1`. Several `-m` are one request, joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    counts: BTreeMap<ProcessType, u32>,
    /// The count of every type that is not named.
    all: Option<u32>,
}

impl Request {
    /// The most instances of one type; beyond it, a slip of the finger is likelier than a wish.
    pub const MOST: u32 = 10_000;

    /// Returns the request for the formation in which these types have these counts, and all others what they have when
    /// nothing is asked for.
    pub fn of_counts(counts: impl Iterator<Item = (ProcessType, u32)>) -> Request {
        let mut request = Request { counts: BTreeMap::new(), all: Some(1) };
        for (process, count) in counts {
            request.counts.insert(process, count);
        }
        request
    }
}

impl FromStr for Request {
    type Err = RequestError;

    /// Returns the request that `text` writes, in which blanks round names and counts do not matter.
    fn from_str(text: &str) -> Result<Request, RequestError> {
        let mut request = Request::default();
        for item in text.split(',') {
            let (name, count) =
                item.split_once('=').ok_or_else(|| RequestError::Malformed { item: excerpt(item.trim()) })?;
            let (name, count) = (name.trim(), requested_count(name.trim(), count.trim())?);
            let before = match name {
                "all" => request.all.replace(count),
                _ => request.counts.insert(ProcessType::new(name)?, count),
            };
            if before.is_some() {
                return Err(RequestError::Duplicate { name: excerpt(name) });
            }
        }
        Ok(request)
    }
}

/// Why a text is not a formation. Each culprit is an [`excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum RequestError {
    #[error("`{item}` is not `name=count`")]
    Malformed { item: String },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("`{count}` is not a count of `{name}`: use a whole number from 0")]
    NotACount { name: String, count: String },
    #[error("`{name}={count}` is too many: {most} is the most", most = Request::MOST)]
    TooMany { name: String, count: String },
    #[error("`{name}` has more than one count")]
    Duplicate { name: String },
}

/// The count of every type of a Procfile, in the Procfile's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formation {
    counts: Vec<(ProcessType, u32)>,
    release_skipped: bool,
}

impl Formation {
    /// Returns the counts of `types` that a request (`-m`) and the names after `start` ask for.
    ///
    /// Without either, every type has 1. A request gives those it does not name what `all` says, else 0. With names
    /// just these run, with the count of the request, else 1. `release`, Heroku's release phase, ends by design
    /// and would take the others with it: it runs only when it is itself named, by either.
    pub fn resolve(
        types: &[ProcessType],
        request: Option<&Request>,
        names: &[String],
    ) -> Result<Formation, FormationError> {
        let known: BTreeSet<&str> = types.iter().map(ProcessType::as_str).collect();
        let requested =
            request.into_iter().flat_map(|request| request.counts.keys()).map(ProcessType::as_str);
        if let Some(at) = names.iter().position(|name| !name.is_empty() && !quote::is_plain(name)) {
            return Err(FormationError::NoName { position: at + 1, known: types.to_vec() });
        }
        if let Some(unknown) =
            names.iter().map(String::as_str).chain(requested).find(|name| !known.contains(name))
        {
            return Err(FormationError::Unknown {
                name: excerpt(unknown),
                nearest: nearest(unknown, types).cloned(),
                known: types.to_vec(),
            });
        }
        let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let asked = |name: &str| request.and_then(|request| request.counts.get(name)).copied();
        let all = request.and_then(|request| request.all);
        let unnamed = all.unwrap_or(if request.is_some() { 0 } else { 1 });
        let count = |name: &str| {
            if named.contains(name) {
                asked(name).or(all).unwrap_or(1)
            } else if !named.is_empty() {
                0
            } else {
                asked(name).unwrap_or(if name == RELEASE { 0 } else { unnamed })
            }
        };
        let formation = Formation {
            counts: types.iter().map(|process| (process.clone(), count(process.as_str()))).collect(),
            release_skipped: named.is_empty()
                && known.contains(RELEASE)
                && asked(RELEASE).is_none()
                && unnamed > 0,
        };
        if formation.counts.iter().any(|(_, count)| *count > 0) {
            Ok(formation)
        } else if formation.counts.iter().all(|(process, _)| process.as_str() == RELEASE)
            && formation.release_skipped
        {
            Err(FormationError::OnlyRelease)
        } else {
            Err(FormationError::Nothing)
        }
    }

    /// Returns the formation in which nothing runs, for a one-off beside it.
    pub fn idle(types: &[ProcessType]) -> Formation {
        let counts = types.iter().map(|process| (process.clone(), 0)).collect();
        Formation { counts, release_skipped: false }
    }

    /// Returns every type of the Procfile with its count, be it 0, in the Procfile's order.
    pub fn counts(&self) -> &[(ProcessType, u32)] {
        &self.counts
    }

    /// Returns every instance: `web.1`, `web.2`, `worker.1`.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> {
        self.counts.iter().flat_map(|(process, count)| {
            (1..=*count).map(|number| InstanceId { process: process.clone(), number })
        })
    }

    /// Returns whether `release` would run if it were any other type; the user is told so once.
    pub fn release_skipped(&self) -> bool {
        self.release_skipped
    }

    /// Returns the width of the widest possible name of an instance, at least 6: foreman's rule, by which the types
    /// that do not run count too and the largest count gives the digits for all.
    pub fn name_width(&self) -> usize {
        let most = self.counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let digits = most.to_string().len();
        let widest = self.counts.iter().map(|(process, _)| process.as_str().len() + 1 + digits).max();
        widest.unwrap_or(0).max(6)
    }
}

/// Why there is no formation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum FormationError {
    #[error("unknown process `{name}`{}; the Procfile has {}", suggestion(nearest), listed(known))]
    Unknown { name: String, nearest: Option<ProcessType>, known: Vec<ProcessType> },
    #[error("argument {position} is not a process name; the Procfile has {}", listed(known))]
    NoName { position: usize, known: Vec<ProcessType> },
    #[error("nothing to run: every process has a count of 0")]
    Nothing,
    #[error("nothing to run: `release` runs only when asked for by name or with `-m release=1`")]
    OnlyRelease,
}

/// Returns the first type of a request that is to have instances, and is not among the names after `start`, if there are
/// any: of what one has written together, a part would be left out in silence.
pub fn left_out(request: &str, names: &[String]) -> Option<ProcessType> {
    let request: Request = request.parse().ok().filter(|_| !names.is_empty())?;
    let mut counts = request.counts.into_iter();
    counts
        .find(|(process, count)| *count > 0 && !names.iter().any(|name| name == process.as_str()))
        .map(|(process, _)| process)
}

/// Heroku's release phase.
pub const RELEASE: &str = "release";

fn requested_count(name: &str, text: &str) -> Result<u32, RequestError> {
    let (shown_name, count) = (excerpt(name), excerpt(text));
    parse_count(text).map_err(|fault| match fault {
        CountFault::NotANumber => RequestError::NotACount { name: shown_name, count },
        CountFault::TooMany => RequestError::TooMany { name: shown_name, count },
    })
}

/// Why a text is no count.
enum CountFault {
    NotANumber,
    TooMany,
}

/// Returns the count that `text` writes.
fn parse_count(text: &str) -> Result<u32, CountFault> {
    // `parse` would let `+1` pass.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CountFault::NotANumber);
    }
    match text.parse() {
        Ok(number) if number <= Request::MOST => Ok(number),
        Ok(_) | Err(_) => Err(CountFault::TooMany),
    }
}

/// Returns the type that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, types: &'a [ProcessType]) -> Option<&'a ProcessType> {
    quote::nearest(name, types, ProcessType::as_str)
}

fn suggestion(nearest: &Option<ProcessType>) -> String {
    nearest.as_ref().map_or_else(String::new, |process| format!(", did you mean `{process}`"))
}

/// Returns names as they stand in a message: the first 20, and how many more there are.
pub fn listed<T: fmt::Display>(all: &[T]) -> String {
    const MOST: usize = 20;
    let mut names: Vec<String> = all.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if all.len() > MOST {
        names.push(format!("… and {} more", all.len() - MOST));
    }
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{Formation, InstanceId, ProcessType, Request, left_out};

    fn types(names: &[&str]) -> Vec<ProcessType> {
        names.iter().map(|name| ProcessType::new(name).unwrap()).collect()
    }

    /// Resolves `-m request` and names against web, worker and release; `!` marks that release was skipped.
    fn resolve(request: &str, names: &[&str]) -> String {
        let request = match request {
            "" => None,
            _ => match request.parse::<Request>() {
                Ok(request) => Some(request),
                Err(error) => return error.to_string(),
            },
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        match Formation::resolve(&types(&["web", "worker", "release"]), request.as_ref(), &names) {
            Ok(formation) => {
                let counts: Vec<String> =
                    formation.counts().iter().map(|(_, count)| count.to_string()).collect();
                format!("{}{}", counts.join(" "), if formation.release_skipped() { " !" } else { "" })
            }
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(request: &str, names: &[&str], expected: &str) {
        assert_eq!(resolve(request, names), expected);
    }

    #[test]
    fn without_a_request_every_type_has_one_but_release() {
        check("", &[], "1 1 0 !");
    }

    #[test]
    fn a_request_gives_unnamed_types_nothing_unless_it_says_all() {
        check("web=2", &[], "2 0 0");
        check("worker=3,all=1", &[], "1 3 0 !");
        check("all=2", &[], "2 2 0 !");
        check("all=0,web=1", &[], "1 0 0");
    }

    #[test]
    fn names_run_just_these_one_each_unless_the_request_says_otherwise() {
        check("", &["worker"], "0 1 0");
        check("", &["worker", "web", "web"], "1 1 0");
        check("web=3", &["web", "worker"], "3 1 0");
        check("all=2", &["web"], "2 0 0");
        check("worker=2", &["web"], "1 0 0");
    }

    #[test]
    fn a_count_of_what_is_not_named_is_left_out() {
        let check = |request: &str, names: &[&str], expected: Option<&str>| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(left_out(request, &names).as_ref().map(ProcessType::as_str), expected, "{request}");
        };
        check("worker=2", &["web"], Some("worker"));
        check("web=2,worker=2", &["web"], Some("worker"));
        check("web=2,worker=2", &["web", "worker"], None);
        check("worker=0,all=2", &["web"], None);
        check("worker=2", &[], None);
    }

    #[test]
    fn release_runs_when_it_is_named() {
        check("release=1", &[], "0 0 1");
        check("release=1,all=1", &[], "1 1 1");
        check("", &["release"], "0 0 1");
        check("release=0,all=1", &[], "1 1 0");
    }

    #[test]
    fn counts_that_are_usual_leave_the_others_as_they_are() {
        let all = types(&["web", "worker", "release"]);
        let request = Request::of_counts([(all[0].clone(), 3)].into_iter());
        let formation = Formation::resolve(&all, Some(&request), &[]).unwrap();
        let counts: Vec<u32> = formation.counts().iter().map(|(_, count)| *count).collect();
        assert_eq!((counts, formation.release_skipped()), (vec![3, 1, 0], true));
    }

    #[test]
    fn blanks_in_a_request_do_not_matter() {
        check(" web = 2 , worker=1\t", &[], "2 1 0");
    }

    #[test]
    fn nothing_left_to_run_is_an_error() {
        const NOTHING: &str = "nothing to run: every process has a count of 0";
        check("all=0", &[], NOTHING);
        check("web=0", &["web"], NOTHING);
        let none = Request::of_counts(types(&["web", "worker"]).into_iter().map(|process| (process, 0)));
        let all = types(&["web", "worker", "release"]);
        let nothing = Formation::resolve(&all, Some(&none), &[]).unwrap_err();
        assert_eq!(nothing.to_string(), "nothing to run: every process has a count of 0");
        let only = Formation::resolve(&types(&["release"]), None, &[]).unwrap_err();
        let words = "nothing to run: `release` runs only when asked for by name or with `-m release=1`";
        assert_eq!(only.to_string(), words);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_likeliest_one() {
        let known = "the Procfile has `web`, `worker`, `release`";
        check("", &["wbe"], &format!("unknown process `wbe`, did you mean `web`; {known}"));
        check("wroker=1", &[], &format!("unknown process `wroker`, did you mean `worker`; {known}"));
        check("", &["clock"], &format!("unknown process `clock`; {known}"));
        // It may be a URL, with a password.
        check("", &["web", "x\x1b"], &format!("argument 2 is not a process name; {known}"));
    }

    #[test]
    fn a_malformed_request_names_its_culprit() {
        check("web", &[], "`web` is not `name=count`");
        check("web=1,", &[], "`` is not `name=count`");
        check("web=-1", &[], "`-1` is not a count of `web`: use a whole number from 0");
        check("web=+1", &[], "`+1` is not a count of `web`: use a whole number from 0");
        check("web=1.5", &[], "`1.5` is not a count of `web`: use a whole number from 0");
        check("web=", &[], "`` is not a count of `web`: use a whole number from 0");
        check("web=1=2", &[], "`1=2` is not a count of `web`: use a whole number from 0");
        check("web=10000", &[], "10000 0 0");
        check("web=10001", &[], "`web=10001` is too many: 10000 is the most");
        check("web=99999999999999999999", &[], "`web=99999999999999999999` is too many: 10000 is the most");
        check("web=1,web=1", &[], "`web` has more than one count");
        check("all=1,all=2", &[], "`all` has more than one count");
        check("../x=1", &[], "`../x` is not a process name: use letters, digits, `_` and `-`");
        check("=1", &[], "a process name is missing");
    }

    #[test]
    fn instances_come_in_the_order_of_the_procfile() {
        let formation =
            Formation::resolve(&types(&["web", "a"]), Some(&"a=1,web=2".parse().unwrap()), &[]).unwrap();
        let shown: Vec<String> = formation.instances().map(|instance| instance.to_string()).collect();
        assert_eq!(shown, ["web.1", "web.2", "a.1"]);
    }

    #[test]
    fn instances_of_a_type_are_ordered_by_number() {
        let process = ProcessType::new("web").unwrap();
        let id = |number| InstanceId { process: process.clone(), number };
        assert!(id(2) < id(10));
    }

    #[test]
    fn nothing_runs_in_an_idle_formation() {
        assert_eq!(Formation::idle(&types(&["web"])).instances().next(), None);
    }

    #[test]
    fn the_width_is_that_of_the_widest_possible_name() {
        #[track_caller]
        fn check(names: &[&str], request: &str, expected: usize) {
            let request = request.parse().unwrap();
            let formation = Formation::resolve(&types(names), Some(&request), &[]).unwrap();
            assert_eq!(formation.name_width(), expected);
        }
        check(&["web"], "web=1", 6);
        check(&["web"], "web=10", 6);
        check(&["web"], "web=100", 7);
        check(&["web", "longest-name"], "web=10", 15);
    }
}
