//! How a line looks: its prefix, its colour, its time.

use std::io::Write;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, fmt::strtime};
use nu_ansi_term::{Color, Style as AnsiStyle};

/// The colours of process types, by their position in the Procfile.
const COLOURS: [Color; 12] = [
    Color::Cyan,
    Color::Yellow,
    Color::Green,
    Color::Purple,
    Color::Red,
    Color::Blue,
    Color::LightCyan,
    Color::LightYellow,
    Color::LightGreen,
    Color::LightPurple,
    Color::LightRed,
    Color::LightBlue,
];

/// What one line of output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12:00:00 web.1    | text`
    Text,
    /// One JSON object a line.
    Json,
    /// The processes' bytes line by line, without anything of procman's.
    Raw,
}

/// Whether prefixes are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// They are, and a line that leaves a colour on is followed by a reset.
    On,
    /// They are not, but a line that leaves a colour on is followed by a reset: for a terminal.
    Reset,
    /// No byte is added for colours: for a file.
    Off,
}

/// What becomes of a `\r` within a line, behind which the line would be written over its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing: for a file.
    Kept,
    /// The prefix follows it again: for a terminal.
    Prefixed,
}

/// The time in front of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// None.
    Off,
    /// `12:00:00`
    Seconds,
    /// A format of strftime's kind, which [`Stamp::parse`] has tried.
    Format(String),
}

/// The reason why a time format cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{format}` is not a time format: {reason}")]
pub struct StampError {
    /// The format as given.
    pub format: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Stamp {
    /// Returns the stamp for a format of strftime's kind, such as `%H:%M:%S.%3f`.
    pub fn parse(format: &str) -> Result<Self, StampError> {
        let zoned = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        match strtime::format(format, &zoned) {
            Ok(text) if text.contains('\n') => {
                Err(StampError { format: format.to_owned(), reason: "it contains a line break".to_owned() })
            }
            Ok(_) => Ok(Stamp::Format(format.to_owned())),
            Err(_) => Err(StampError { format: format.to_owned(), reason: fault(format, &zoned) }),
        }
    }
}

/// Returns what is wrong with a format: its first directive that is none.
fn fault(format: &str, zoned: &Zoned) -> String {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let directive = &rest[at..];
        let ends = directive.char_indices().map(|(at, character)| at + character.len_utf8());
        let Some(end) = ends.skip(1).find(|end| strtime::format(&directive[..*end], zoned).is_ok()) else {
            let beginning: String = directive.chars().take(2).collect();
            return format!("`{beginning}` begins no directive; a percent sign is `%%`");
        };
        rest = &directive[end..];
    }
    "its directives do not go together".to_owned()
}

/// Everything that decides how lines look.
#[derive(Clone, Debug)]
pub struct Style {
    /// What a line is.
    pub format: Format,
    /// Whether prefixes are coloured.
    pub colour: Colour,
    /// What a `\r` in lines of text does to their prefix.
    pub returns: Returns,
    /// The time in front of lines of text.
    pub stamp: Stamp,
    /// The zone that the time is shown in.
    pub zone: TimeZone,
    /// To how many columns names are padded.
    pub width: usize,
}

impl Style {
    /// Returns the time to show for a moment; empty where none is shown.
    pub fn time(&self, wall: Timestamp) -> String {
        match (self.format, &self.stamp) {
            (Format::Json, _) => format!("{wall:.6}"),
            (Format::Raw, _) | (Format::Text, Stamp::Off) => String::new(),
            (Format::Text, Stamp::Seconds) => self.strftime("%H:%M:%S", wall),
            (Format::Text, Stamp::Format(format)) => self.strftime(format, wall),
        }
    }

    /// Returns for how long [`Style::time`] gives the same answer as for `wall`: until which second.
    pub fn same_until(&self, wall: Timestamp) -> Timestamp {
        match (self.format, &self.stamp) {
            (Format::Raw, _) | (Format::Text, Stamp::Off) => Timestamp::MAX,
            (Format::Text, Stamp::Seconds) => {
                Timestamp::from_second(wall.as_second().saturating_add(1)).unwrap_or(Timestamp::MAX)
            }
            (Format::Json, _) | (Format::Text, Stamp::Format(_)) => wall,
        }
    }

    /// Returns how many columns the prefix of a line takes at this time. Only a time format of one's own may make it
    /// change.
    pub fn prefix_width(&self, wall: Timestamp) -> usize {
        let mut prefix = Vec::new();
        let style = Style { colour: Colour::Off, ..self.clone() };
        style.write_prefix(&mut prefix, &style.time(wall), "", None, '|');
        String::from_utf8_lossy(&prefix).chars().count()
    }

    fn strftime(&self, format: &str, wall: Timestamp) -> String {
        // The format has been tried, so the empty answer stands for nothing that happens.
        strtime::format(format, &wall.to_zoned(self.zone.clone())).unwrap_or_default()
    }

    /// Appends the prefix of a line: time, name, separator, in the colour of the type at `position`.
    ///
    /// procman's own lines have no position. `separator` is `|`, or `+` before the rest of a line that had
    /// to be cut.
    pub fn write_prefix(
        &self,
        prefix: &mut Vec<u8>,
        time: &str,
        name: &str,
        position: Option<usize>,
        separator: char,
    ) {
        if self.format != Format::Text {
            return;
        }
        let paint = match (self.colour, position) {
            (Colour::Reset | Colour::Off, _) => AnsiStyle::new(),
            (Colour::On, Some(position)) => COLOURS[position % COLOURS.len()].normal(),
            (Colour::On, None) => AnsiStyle::new().bold(),
        };
        let gap = if time.is_empty() { "" } else { " " };
        let width = self.width;
        let (on, off) = (paint.prefix(), paint.suffix());
        // Writing into memory cannot fail.
        let _ = write!(prefix, "{on}{time}{gap}{name:width$} {separator} {off}");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{Colour, Format, Returns, Stamp, Style};

    fn style(colour: Colour, stamp: Stamp) -> Style {
        let (format, returns) = (Format::Text, Returns::Kept);
        Style { format, colour, returns, stamp, zone: TimeZone::UTC, width: 8 }
    }

    #[track_caller]
    fn check(style: &Style, position: Option<usize>, name: &str, expected: &str) {
        let mut prefix = Vec::new();
        style.write_prefix(&mut prefix, &style.time(Timestamp::UNIX_EPOCH), name, position, '|');
        assert_eq!(String::from_utf8_lossy(&prefix), expected);
    }

    #[test]
    fn a_prefix_is_time_name_and_separator() {
        check(&style(Colour::Off, Stamp::Seconds), Some(0), "web.1", "00:00:00 web.1    | ");
        check(&style(Colour::Off, Stamp::Off), Some(0), "web.1", "web.1    | ");
        check(&style(Colour::Off, Stamp::Seconds), None, "system", "00:00:00 system   | ");
    }

    #[test]
    fn the_width_of_a_prefix_is_that_of_what_is_seen() {
        let own = Stamp::parse("um %H Uhr – ").expect("a good format");
        for (stamp, expected) in [(Stamp::Off, 11), (Stamp::Seconds, 20), (own, 24)] {
            for colour in [Colour::On, Colour::Off] {
                assert_eq!(style(colour, stamp.clone()).prefix_width(Timestamp::UNIX_EPOCH), expected);
            }
        }
        for format in [Format::Json, Format::Raw] {
            let style = Style { format, ..style(Colour::On, Stamp::Seconds) };
            assert_eq!(style.prefix_width(Timestamp::UNIX_EPOCH), 0);
        }
    }

    #[test]
    fn only_the_prefix_is_coloured_by_position() {
        let on = style(Colour::On, Stamp::Off);
        for (position, code) in [36, 33, 32, 35, 31, 34, 96, 93, 92, 95, 91, 94, 36].into_iter().enumerate() {
            check(&on, Some(position), "web.1", &format!("\x1b[{code}mweb.1    | \x1b[0m"));
        }
    }

    #[test]
    fn a_format_of_ones_own_is_tried_first() {
        let stamp = Stamp::parse("%Y-%m-%dT%H:%M:%S%.3f").expect("a good format");
        check(&style(Colour::Off, stamp), Some(0), "web.1", "1970-01-01T00:00:00.000 web.1    | ");
        let begins_none = |directive| format!("`{directive}` begins no directive; a percent sign is `%%`");
        for (bad, reason) in [
            ("%", begins_none("%")),
            ("%H%%%.3f 100% ", begins_none("% ")),
            ("%!%é", begins_none("%!")),
            ("%é", begins_none("%é")),
            ("%H\n", "it contains a line break".to_owned()),
        ] {
            assert_eq!(Stamp::parse(bad).map_err(|error| error.reason), Err(reason), "{bad:?}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_followed() {
        let (text, json) = (
            style(Colour::Off, Stamp::Seconds),
            Style { format: Format::Json, ..style(Colour::Off, Stamp::Off) },
        );
        for (wall, time, record) in [
            // Behind what 32 bits count.
            ("2106-02-07T06:28:16Z", "06:28:16", "2106-02-07T06:28:16.000000Z"),
            ("9999-12-30T22:00:00Z", "22:00:00", "9999-12-30T22:00:00.000000Z"),
        ] {
            let wall: Timestamp = wall.parse().expect("a time");
            assert_eq!([text.time(wall), json.time(wall)], [time, record]);
            assert!(text.same_until(wall) > wall);
        }
        assert_eq!(text.same_until(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(text.time(Timestamp::MIN).len(), 8);
    }
}
