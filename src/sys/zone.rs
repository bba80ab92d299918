//! The local time zone, found without the search that a library would make.
//!
//! jiff's own look-up lists every file below `/usr/share/zoneinfo` to know all names, which takes longer than
//! starting a formation. The name or the file of one zone is all that is needed here.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::sys::files;

/// Where zones lie by their names: tzset(3).
const ZONES: &str = "/usr/share/zoneinfo";

/// Returns the zone that `TZ`, or else `/etc/localtime`, names as tzset(3) has it; UTC when there is none.
pub fn local(variable: Option<&str>) -> TimeZone {
    let zone = match variable.map(|value| value.strip_prefix(':').unwrap_or(value)) {
        None => read(Path::new("/etc/localtime")),
        Some("") => None,
        Some(value) => read(&Path::new(ZONES).join(value)).or_else(|| TimeZone::posix(value).ok()),
    };
    zone.unwrap_or(TimeZone::UTC)
}

fn read(path: &Path) -> Option<TimeZone> {
    let name = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let name = name.strip_prefix(ZONES).unwrap_or(&name).to_string_lossy().into_owned();
    TimeZone::tzif(&name, &files::read(path).ok()?.bytes).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    #[track_caller]
    fn check(variable: &str, expected: &str) {
        let zone = super::local(Some(variable));
        assert_eq!(zone.to_offset(Timestamp::UNIX_EPOCH).to_string(), expected, "TZ={variable}");
    }

    #[test]
    fn a_zone_is_found_by_name_file_or_rule() {
        check("CET-1", "+01");
        check("EST5EDT,M3.2.0,M11.1.0", "-05");
        check("UTC", "+00");
        check("", "+00");
    }

    #[test]
    fn a_zone_that_is_not_there_is_utc() {
        check(":/no/such", "+00");
        check("No/Such", "+00");
    }
}
