//! `--since`: a time as people write it.

use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::quote::excerpt;

/// A time that is known once it is known what time it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago: `10m`, `2h30m`.
    Ago(SignedDuration),
    /// When the clock last showed this: `12:00`.
    Clock(Time),
    /// On the clock of the place, with a date: `2026-11-29 12:00`.
    Local(DateTime),
    /// A moment: RFC 3339.
    At(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Since, String> {
        let ago = || duration(text).map(Since::Ago);
        // Only after these, for they pass over an offset at the end.
        let clock = || text.parse().ok().filter(|_| text.contains(':')).map(Since::Clock);
        let local = || text.parse().ok().map(Since::Local);
        let moment = text.parse().ok().map(Since::At);
        let since = moment.or_else(ago).or_else(local).or_else(clock);
        since.ok_or_else(|| {
            format!("`{}` is not a time such as 10m, 2h30m, 12:00 or 2026-11-29 12:00", excerpt(text))
        })
    }
}

impl Since {
    /// Returns the moment, counted from `now` in `zone`.
    pub fn moment(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let of = |time: DateTime| zone.to_ambiguous_timestamp(time).compatible().unwrap_or(Timestamp::MIN);
        match self {
            Since::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
            Since::At(moment) => moment,
            Since::Local(time) => of(time),
            Since::Clock(time) => {
                let today = zone.to_datetime(now).date();
                let moment = of(today.to_datetime(time));
                match today.yesterday() {
                    Ok(yesterday) if moment > now => of(yesterday.to_datetime(time)),
                    Ok(_) | Err(_) => moment,
                }
            }
        }
    }
}

/// Returns `1d2h30m10s` as a duration: any of the four, the larger before the smaller.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    for (unit, length) in [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit)
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            seconds = number.parse::<i64>().ok()?.checked_mul(length)?.checked_add(seconds)?;
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty()).then(|| SignedDuration::from_secs(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::{Offset, TimeZone};

    use super::Since;

    /// Checks a time, where it is 13:30 on 29 November 2026 an hour east of Greenwich.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let now: Timestamp = "2026-11-29T12:30:00Z".parse().unwrap();
        let zone = TimeZone::fixed(Offset::constant(1));
        let since: Since = text.parse().unwrap();
        assert_eq!(since.moment(now, &zone).to_string(), expected, "{text}");
    }

    #[test]
    fn a_duration_counts_back_from_now() {
        check("10m", "2026-11-29T12:20:00Z");
        check("2h30m", "2026-11-29T10:00:00Z");
        check("90s", "2026-11-29T12:28:30Z");
        check("1d1s", "2026-11-28T12:29:59Z");
        check("0s", "2026-11-29T12:30:00Z");
    }

    #[test]
    fn a_clock_is_that_of_the_place_and_has_been() {
        check("12:00", "2026-11-29T11:00:00Z");
        check("13:29:59", "2026-11-29T12:29:59Z");
        check("14:00", "2026-11-28T13:00:00Z");
    }

    #[test]
    fn a_date_is_of_the_place_unless_it_says_otherwise() {
        check("2026-11-29 12:00", "2026-11-29T11:00:00Z");
        check("2026-11-29T12:00:30", "2026-11-29T11:00:30Z");
        check("2026-11-28", "2026-11-27T23:00:00Z");
        check("2026-11-29T12:00:00Z", "2026-11-29T12:00:00Z");
        check("2026-11-29T12:00:00.5-05:00", "2026-11-29T17:00:00.5Z");
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in
            ["", "m", "10", "10x", "30m2h", "-5m", "25:00", "yesterday", "99999999999999999999d", "1.5h"]
        {
            let error = text.parse::<Since>().unwrap_err();
            assert!(error.contains("is not a time such as"), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_before_all_time_is_the_first() {
        let since: Since = "100000000000d".parse().unwrap();
        assert_eq!(since.moment(Timestamp::UNIX_EPOCH, &TimeZone::UTC), Timestamp::MIN);
    }
}
