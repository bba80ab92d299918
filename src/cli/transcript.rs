//! What `logs` shows of the lines that it gets: they look as `start` shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::control::protocol::Line;
use crate::control::wire;
use crate::output::{Format, Merge, Moment, Plain, Source, StreamKey, Style};

/// Lines of many instances, on their way to standard output.
#[derive(Debug)]
pub struct Transcript {
    merge: Merge,
    format: Format,
    now: Moment,
    streams: BTreeMap<String, Stream>,
    keys: usize,
}

/// An instance that has written.
#[derive(Debug)]
struct Stream {
    key: StreamKey,
    pid: i32,
    position: Option<usize>,
    /// Whether its last line that was shown goes on.
    goes_on: bool,
    /// What is left of that line, on a terminal.
    plain: Plain,
}

/// Returns what a line says.
pub fn bytes(line: &Line) -> Vec<u8> {
    match (&line.message, &line.base64) {
        (Some(message), _) => message.as_bytes().to_vec(),
        (None, Some(text)) => wire::bytes(text).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

/// Returns when a line came; the beginning of time where it does not say so.
pub fn time(line: &Line) -> Timestamp {
    line.time.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Transcript {
    /// Returns a transcript of nothing.
    pub fn new(style: Style) -> Transcript {
        let now = Moment { time: Duration::ZERO, wall: Timestamp::UNIX_EPOCH };
        let format = style.format;
        let merge = Merge::new(style, system(0), now);
        Transcript { merge, format, now, streams: BTreeMap::new(), keys: 0 }
    }

    /// Shows a line.
    pub fn show(&mut self, line: &Line) {
        self.set_time(time(line));
        let key = self.stream(line);
        let mut text = bytes(line);
        if line.own || line.position.is_none() {
            self.merge.say(key, &String::from_utf8_lossy(&text));
            return;
        }
        if let Some(stream) = self.streams.get_mut(&line.process) {
            if self.merge.is_for_terminal() {
                // What does not end with its line takes no other one with it.
                if !stream.goes_on {
                    stream.plain = Plain::default();
                }
                text = stream.plain.take(text);
            }
            stream.goes_on = line.partial;
        }
        if !line.partial {
            text.push(b'\n');
        }
        self.merge.feed(key, &text);
        if line.partial {
            // The pause that was waited for where it was written must not be waited for again.
            self.set_time(self.now.wall);
            self.merge.show_paused();
        }
    }

    /// Takes note of a line that is not shown: one that is shown before it does not go on with one that is shown later.
    pub fn pass_over(&mut self, line: &Line) {
        self.end_line(&line.process);
    }

    fn end_line(&mut self, process: &str) {
        if let Some(stream) = self.streams.get_mut(process)
            && stream.goes_on
        {
            stream.goes_on = false;
            self.merge.feed(stream.key, b"\n");
        }
    }

    /// Shows that lines of an instance are lost. Returns what is to be said elsewhere, where the format has no place
    /// for it.
    pub fn skip(&mut self, process: &str, lines: u64, now: Timestamp) -> Option<String> {
        // With them went the rest of one that had begun.
        self.end_line(process);
        let text = skipped(process, lines);
        match self.format {
            Format::Text => {
                self.set_time(now);
                self.merge.say_system(&text);
                None
            }
            Format::Json | Format::Raw => Some(format!("procman: {text}")),
        }
    }

    /// Ends every line that has not ended.
    pub fn finish(&mut self) {
        for (_, stream) in std::mem::take(&mut self.streams) {
            self.merge.close(stream.key);
        }
    }

    /// Returns what is to be written.
    pub fn batch(&self) -> &[u8] {
        self.merge.batch()
    }

    /// Forgets what has been written.
    pub fn clear_batch(&mut self) {
        self.merge.clear_batch();
    }

    /// Returns the stream of an instance: a new one for a new process.
    fn stream(&mut self, line: &Line) -> StreamKey {
        let before = self.streams.get(&line.process);
        let is_same = |stream: &&Stream| (stream.pid, stream.position) == (line.pid, line.position);
        if let Some(stream) = before.filter(is_same) {
            return stream.key;
        }
        if let Some(stream) = before {
            self.merge.close(stream.key);
        }
        let key = StreamKey(self.keys);
        self.keys += 1;
        let (pid, position) = (line.pid, line.position);
        self.merge.open(key, Source { name: line.process.clone(), pid, position });
        self.streams.insert(
            line.process.clone(),
            Stream { key, pid, position, goes_on: false, plain: Plain::default() },
        );
        key
    }

    /// Sets the time that the next line bears. For the merge, every line comes long after the one before.
    fn set_time(&mut self, wall: Timestamp) {
        self.now = Moment { time: self.now.time.saturating_add(Duration::from_secs(1)), wall };
        self.merge.set_time(self.now);
    }
}

fn system(pid: i32) -> Source {
    Source { name: "system".to_owned(), pid, position: None }
}

fn skipped(process: &str, lines: u64) -> String {
    let plural = if lines == 1 { "" } else { "s" };
    format!("{process}: {lines} line{plural} skipped: this reader is too slow")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::Transcript;
    use crate::control::protocol::Line;
    use crate::output::{Colour, Format, Returns, Stamp, Style};

    fn transcript(format: Format) -> Transcript {
        transcript_where(format, Returns::Kept)
    }

    fn transcript_where(format: Format, returns: Returns) -> Transcript {
        Transcript::new(Style {
            format,
            colour: Colour::Off,
            returns,
            stamp: Stamp::Seconds,
            zone: TimeZone::UTC,
            width: 6,
        })
    }

    fn line(process: &str, second: u32, message: &str) -> Line {
        Line {
            time: format!("2026-11-29T12:00:{second:02}.250000Z"),
            process: process.to_owned(),
            position: Some(0),
            pid: 7,
            own: false,
            partial: false,
            message: Some(message.to_owned()),
            base64: None,
        }
    }

    fn own(process: &str, message: &str) -> Line {
        Line { own: true, ..line(process, 1, message) }
    }

    fn partial(process: &str, message: &str) -> Line {
        Line { partial: true, ..line(process, 2, message) }
    }

    #[track_caller]
    fn check(format: Format, lines: &[Line], expected: &str) {
        let mut transcript = transcript(format);
        lines.iter().for_each(|line| transcript.show(line));
        transcript.finish();
        assert_eq!(String::from_utf8_lossy(transcript.batch()), expected);
    }

    fn some() -> Vec<Line> {
        let system = Line { position: None, ..line("system", 4, "sending SIGTERM") };
        let bytes = Line { message: None, base64: Some("/2E=".to_owned()), ..line("web.1", 3, "") };
        vec![own("web.1", "started with pid 7"), line("web.1", 2, "hello"), bytes, system]
    }

    #[test]
    fn lines_look_as_they_looked_when_they_came() {
        check(
            Format::Text,
            &some(),
            "12:00:01 web.1  | started with pid 7\n12:00:02 web.1  | hello\n12:00:03 web.1  | \u{fffd}a\n\
             12:00:04 system | sending SIGTERM\n",
        );
    }

    #[test]
    fn a_record_is_what_start_writes() {
        check(
            Format::Json,
            &some()[2..],
            "{\"time\":\"2026-11-29T12:00:03.250000Z\",\"process\":\"web.1\",\"pid\":7,\"message\":\"\u{fffd}a\",\
             \"lossy\":true}\n{\"time\":\"2026-11-29T12:00:04.250000Z\",\"process\":\"system\",\"pid\":7,\
             \"message\":\"sending SIGTERM\"}\n",
        );
    }

    #[test]
    fn raw_lines_are_the_bytes_and_nothing_else() {
        let mut transcript = transcript(Format::Raw);
        some().iter().for_each(|line| transcript.show(line));
        assert_eq!(transcript.batch(), b"hello\n\xFFa\n");
    }

    #[test]
    fn a_line_in_pieces_is_one_unless_others_come_between() {
        let pieces = [partial("web.1", "name? "), line("web.1", 5, "Ada")];
        check(Format::Text, &pieces, "12:00:02 web.1  | name? Ada\n");
        let [begun, rest] = pieces;
        check(
            Format::Text,
            &[begun.clone(), line("api.1", 3, "x"), rest],
            "12:00:02 web.1  | name? \n12:00:03 api.1  | x\n12:00:05 web.1  + Ada\n",
        );
        // A prompt is seen although nothing follows.
        let mut transcript = transcript(Format::Text);
        transcript.show(&begun);
        assert_eq!(transcript.batch(), b"12:00:02 web.1  | name? ");
    }

    #[test]
    fn another_process_begins_another_line() {
        let other = Line { pid: 8, ..line("web.1", 5, "new") };
        check(
            Format::Text,
            &[partial("web.1", "old"), other],
            "12:00:02 web.1  | old\n12:00:05 web.1  | new\n",
        );
    }

    #[test]
    fn a_line_whose_rest_is_passed_over_has_ended() {
        let mut transcript = transcript(Format::Text);
        transcript.show(&partial("web.1", "a"));
        transcript.pass_over(&line("web.1", 3, "b"));
        transcript.show(&line("web.1", 4, "c"));
        let shown = String::from_utf8_lossy(transcript.batch()).into_owned();
        assert_eq!(shown, "12:00:02 web.1  | a\n12:00:04 web.1  | c\n");
    }

    /// The terminal of whoever reads used to be left on another screen, and with other keys.
    #[test]
    fn a_terminal_is_told_nothing_but_colours() {
        let lines = [
            partial("web.1", "\x1b[?1049h\x1b[2"),
            line("web.1", 3, "J\x1b=\x1b[31mfile\x1b[m\x1b]0;title"),
            line("web.1", 4, "next"),
        ];
        let shown = |format, returns| {
            let mut transcript = transcript_where(format, returns);
            lines.iter().for_each(|line| transcript.show(line));
            String::from_utf8_lossy(transcript.batch()).into_owned()
        };
        let expected = "12:00:03 web.1  | \x1b[31mfile\x1b[m\n12:00:04 web.1  | next\n";
        assert_eq!(shown(Format::Text, Returns::Prefixed), expected);
        let whole = "\x1b[?1049h\x1b[2J\x1b=\x1b[31mfile\x1b[m\x1b]0;title\nnext\n";
        for returns in [Returns::Prefixed, Returns::Kept] {
            assert_eq!(shown(Format::Raw, returns), whole);
        }
        assert!(shown(Format::Text, Returns::Kept).contains("| \x1b[?1049h\x1b[2J"));
    }

    #[test]
    fn what_is_lost_is_said() {
        let mut text = transcript(Format::Text);
        assert_eq!(text.skip("web.1", 1234, Timestamp::UNIX_EPOCH), None);
        let expected = "00:00:00 system | web.1: 1234 lines skipped: this reader is too slow\n";
        assert_eq!(String::from_utf8_lossy(text.batch()), expected);
        let mut raw = transcript(Format::Raw);
        let said = raw.skip("web.1", 1, Timestamp::UNIX_EPOCH);
        assert_eq!(said.as_deref(), Some("procman: web.1: 1 line skipped: this reader is too slow"));
        assert_eq!(raw.batch(), b"");
    }

    /// What was left of it used to be the beginning of the next line.
    #[test]
    fn a_line_whose_rest_is_lost_ends() {
        let mut transcript = transcript(Format::Raw);
        let begun = Line { partial: true, ..line("web.1", 0, "begun") };
        transcript.show(&begun);
        assert!(transcript.skip("web.1", 3, Timestamp::UNIX_EPOCH).is_some());
        transcript.show(&line("web.1", 1, "next"));
        transcript.finish();
        assert_eq!(String::from_utf8_lossy(transcript.batch()), "begun\nnext\n");
    }
}
