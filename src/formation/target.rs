//! What a user says of a formation that runs: whom something is for, `web.2` ([`Target`]), and how many there shall be,
//! `web+1` ([`Change`]).
//!
//! This is grammar only. Whether there is such a type or instance knows the [`supervisor`](crate::supervisor).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::formation::{CountFault, InstanceId, Request, parse_count};
use crate::procfile::{NameError, ProcessType};
use crate::quote::excerpt;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every instance of a type: `web`.
    Type(ProcessType),
    /// One instance: `web.2`.
    Instance(InstanceId),
}

impl FromStr for Target {
    type Err = TargetError;

    /// Returns the target that `text` names, written as procman shows it: `web.02` is none.
    fn from_str(text: &str) -> Result<Target, TargetError> {
        let Some((name, number)) = text.rsplit_once('.') else {
            return Ok(Target::Type(ProcessType::new(text)?));
        };
        let process = ProcessType::new(name)?;
        match number.parse() {
            Ok(count @ 1..) if u32::to_string(&count) == number => {
                Ok(Target::Instance(InstanceId { process, number: count }))
            }
            Ok(_) | Err(_) => Err(TargetError::NotANumber { process, number: excerpt(number) }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Type(process) => process.fmt(f),
            Target::Instance(id) => id.fmt(f),
        }
    }
}

/// Why a text names nobody. `number` is an [`excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum TargetError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("`{number}` is not the number of an instance of `{process}`: use a whole number from 1")]
    NotANumber { process: ProcessType, number: String },
}

/// How many instances of a type there shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The type; `None` is every type that no other change names.
    pub process: Option<ProcessType>,
    /// How many.
    pub amount: Amount,
}

/// A count, or by how many it shall be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// `=3`
    Exactly(u32),
    /// `+3`
    More(u32),
    /// `-3`
    Fewer(u32),
}

impl FromStr for Change {
    type Err = ChangeError;

    /// Returns the change that `text` writes, in which blanks round name and count do not matter.
    ///
    /// A name may have `-` in it, but neither `=` nor `+`. So a `-` is a sign only where neither of those is and
    /// digits alone follow: whatever can be read as a change is one. `web-1` is one fewer of `web`, even if there is
    /// a type named `web-1`; that is changed by `web-1=3`, `web-1+1` and `web-1-1`.
    fn from_str(text: &str) -> Result<Change, ChangeError> {
        type Sign = fn(u32) -> Amount;
        let (name, sign, digits): (&str, Sign, &str) = if let Some((name, digits)) = text.split_once('=') {
            (name, Amount::Exactly, digits.trim())
        } else if let Some((name, digits)) = text.split_once('+') {
            (name, Amount::More, digits.trim())
        } else {
            match text.rsplit_once('-').map(|(name, digits)| (name, digits.trim())) {
                Some((name, digits)) if is_number(digits) => (name, Amount::Fewer, digits),
                Some(_) | None => return Err(ChangeError::Malformed { item: excerpt(text.trim()) }),
            }
        };
        let count = parse_count(digits).map_err(|fault| match fault {
            CountFault::NotANumber => {
                ChangeError::NotACount { name: excerpt(name.trim()), count: excerpt(digits) }
            }
            CountFault::TooMany => ChangeError::TooMany { item: excerpt(text.trim()) },
        })?;
        let process = match name.trim() {
            "all" => None,
            name => Some(ProcessType::new(name)?),
        };
        Ok(Change { process, amount: sign(count) })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.process.as_ref().map_or("all", ProcessType::as_str);
        match self.amount {
            Amount::Exactly(count) => write!(f, "{name}={count}"),
            Amount::More(count) => write!(f, "{name}+{count}"),
            Amount::Fewer(count) => write!(f, "{name}-{count}"),
        }
    }
}

/// Why a text is not a change. Each culprit is an [`excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum ChangeError {
    #[error("`{item}` is not `name=count`, `name+count` or `name-count`")]
    Malformed { item: String },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("`{count}` is not a count of `{name}`: use a whole number from 0")]
    NotACount { name: String, count: String },
    #[error("`{item}` is too many: {most} is the most", most = Request::MOST)]
    TooMany { item: String },
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{Amount, Change, Target};

    #[test]
    fn a_target_is_a_type_or_one_of_its_instances() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let shown = match text.parse::<Target>() {
                Ok(Target::Type(process)) => format!("all of {process}"),
                Ok(Target::Instance(id)) => format!("{} of {}", id.number, id.process),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, expected, "{text}");
        }
        check("web", "all of web");
        check("web.2", "2 of web");
        check("a-1", "all of a-1");
        check("a-1.10", "10 of a-1");
        check("web.4294967295", "4294967295 of web");
        let not_a_number = |number: &str| {
            format!("`{number}` is not the number of an instance of `web`: use a whole number from 1")
        };
        for number in ["", "0", "01", "+1", "-1", "1 ", "x", "4294967296"] {
            check(&format!("web.{number}"), &not_a_number(number));
        }
        check("web.\x1b", &not_a_number(r"\u{1b}"));
        check("", "a process name is missing");
        check(".1", "a process name is missing");
        check("web.1.2", "`web.1` is not a process name: use letters, digits, `_` and `-`");
        check("web 1", "`web 1` is not a process name: use letters, digits, `_` and `-`");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match text.parse::<Change>() {
            Ok(Change { process, amount }) => {
                let name = process.map_or("everything".to_owned(), |process| process.to_string());
                match amount {
                    Amount::Exactly(count) => format!("{count} of {name}"),
                    Amount::More(count) => format!("{count} more of {name}"),
                    Amount::Fewer(count) => format!("{count} fewer of {name}"),
                }
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn a_change_is_a_count_or_by_how_many_it_changes() {
        check("web=3", "3 of web");
        check("web+1", "1 more of web");
        check("web-1", "1 fewer of web");
        check("all=0", "0 of everything");
        check("all+2", "2 more of everything");
        check("all-2", "2 fewer of everything");
        check(" web = 3 ", "3 of web");
        check("web +1", "1 more of web");
        check("web - 1\t", "1 fewer of web");
        check("web=010", "10 of web");
        check("web=10000", "10000 of web");
    }

    #[test]
    fn whatever_can_be_read_as_a_change_is_one() {
        check("a-1", "1 fewer of a");
        check("a-1=3", "3 of a-1");
        check("a-1+3", "3 more of a-1");
        check("a-1-3", "3 fewer of a-1");
        check("a--3", "3 fewer of a-");
        check("a-b-3", "3 fewer of a-b");
        check("a-b", "`a-b` is not `name=count`, `name+count` or `name-count`");
        check("a-1b", "`a-1b` is not `name=count`, `name+count` or `name-count`");
    }

    #[test]
    fn a_malformed_change_names_its_culprit() {
        check("web", "`web` is not `name=count`, `name+count` or `name-count`");
        check("", "`` is not `name=count`, `name+count` or `name-count`");
        check("web-", "`web-` is not `name=count`, `name+count` or `name-count`");
        for (text, count) in
            [("=", ""), ("=-1", "-1"), ("=+1", "+1"), ("+", ""), ("+-1", "-1"), ("=1.5", "1.5")]
        {
            check(
                &format!("web{text}"),
                &format!("`{count}` is not a count of `web`: use a whole number from 0"),
            );
        }
        check("web=10001", "`web=10001` is too many: 10000 is the most");
        check("web+99999999999", "`web+99999999999` is too many: 10000 is the most");
        check("web-10001", "`web-10001` is too many: 10000 is the most");
        check("=1", "a process name is missing");
        check("-1", "a process name is missing");
        check("web.1=1", "`web.1` is not a process name: use letters, digits, `_` and `-`");
        check("x\x1b=1", r"`x\u{1b}` is not a process name: use letters, digits, `_` and `-`");
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["web=3", "a-1+1", "a-1-1", "all=0"] {
            assert_eq!(text.parse::<Change>().unwrap().to_string(), text);
        }
        for text in ["web", "a-1.10"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }
}
