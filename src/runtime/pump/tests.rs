//! Holding output back, as transcripts: what comes, and what is shown.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::output::{Colour, Format, Merge, Moment, Returns, Source, Stamp, StreamKey, Style};
use crate::runtime::history::{Follow, History, Piece};
use crate::runtime::pump::hold::{Rest, Stage};
use crate::runtime::pump::journal::{Journal, Whose};

/// The streams of all tests: two processes of one name, one after the other, and another one.
const NAMES: [&str; 3] = ["web.1", "web.1", "db.1"];
const FIRST: usize = 0;
const SECOND: usize = 1;
const OTHER: usize = 2;

struct Scene {
    history: History,
    journal: Journal,
    merge: Merge,
    now: Moment,
}

impl Scene {
    fn new(format: Format) -> Scene {
        let style = Style {
            format,
            colour: Colour::Off,
            returns: Returns::Kept,
            stamp: Stamp::Seconds,
            zone: TimeZone::UTC,
            width: 6,
        };
        let system = Source { name: "system".to_owned(), pid: 1, position: None };
        let now = Moment { time: Duration::ZERO, wall: Timestamp::UNIX_EPOCH };
        let history = History::new(1024);
        let journal = Journal::new(history.clone(), &system);
        let mut scene = Scene { history, journal, merge: Merge::new(style, system, now), now };
        scene.open(FIRST);
        scene.open(OTHER);
        scene
    }

    fn stage(&mut self) -> Stage<'_> {
        // Every step takes a second.
        self.now.time += Duration::from_secs(1);
        self.now.wall += SignedDuration::from_secs(1);
        self.merge.set_time(self.now);
        Stage { journal: &mut self.journal, merge: &mut self.merge, now: self.now }
    }

    fn open(&mut self, key: usize) {
        self.open_as(key, NAMES[key]);
    }

    fn open_as(&mut self, key: usize, name: &str) {
        let source = Source { name: name.to_owned(), pid: 10, position: Some(key) };
        self.journal.open(StreamKey(key), &source);
        self.merge.open(StreamKey(key), source);
    }

    fn write(&mut self, key: usize, text: &str) {
        self.stage().take(StreamKey(key), &mut text.as_bytes().to_vec(), text.len());
    }

    fn say(&mut self, key: Option<usize>, text: &str) {
        self.stage().say(key.map(StreamKey), text);
    }

    fn end(&mut self, key: usize) {
        self.say(Some(key), "exited");
        self.journal.close(StreamKey(key));
        self.journal.forget(StreamKey(key)).into_iter().for_each(|key| self.merge.close(key));
    }

    fn hold(&mut self, whose: Whose) {
        self.stage().hold(whose);
    }

    fn release(&mut self, whose: &Whose) {
        self.stage();
        self.journal.release(whose);
        self.show_held();
    }

    fn show_held(&mut self) {
        let Scene { journal, merge, now, .. } = self;
        while (Stage { journal, merge, now: *now }).show_held() == Rest::Some {}
    }

    #[track_caller]
    fn shows(&mut self, expected: &[&str]) {
        let shown = String::from_utf8_lossy(self.merge.batch()).into_owned();
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
        self.merge.clear_batch();
    }
}

fn web() -> Whose {
    Whose::Instance("web.1".to_owned())
}

#[test]
fn what_was_held_is_shown_with_its_own_time() {
    let mut scene = Scene::new(Format::Text);
    scene.write(FIRST, "one\n");
    scene.hold(web());
    scene.write(FIRST, "two\n");
    scene.write(OTHER, "three\n");
    scene.write(FIRST, "four\n");
    scene.shows(&["00:00:01 web.1  | one", "00:00:04 db.1   | three"]);
    assert_eq!(scene.journal.held(), 9);
    scene.release(&web());
    scene.write(FIRST, "five\n");
    scene.shows(&["00:00:03 web.1  | two", "00:00:05 web.1  | four", "00:00:07 web.1  | five"]);
    assert_eq!(scene.journal.held(), 0);
}

#[test]
fn a_line_that_begins_before_goes_on_after() {
    let mut scene = Scene::new(Format::Text);
    scene.write(FIRST, "name? ");
    scene.hold(web());
    scene.shows(&["00:00:02 web.1  | name? "]);
    scene.write(FIRST, "Bob\nhello");
    scene.release(&web());
    scene.write(FIRST, " Bob\n");
    scene.shows(&["Bob", "00:00:05 web.1  | hello Bob"]);
}

#[test]
fn what_is_held_twice_takes_two_releases() {
    let mut scene = Scene::new(Format::Text);
    scene.hold(web());
    scene.hold(Whose::All);
    scene.hold(web());
    scene.write(FIRST, "one\n");
    scene.release(&web());
    scene.release(&Whose::All);
    scene.shows(&[]);
    scene.release(&web());
    scene.shows(&["00:00:04 web.1  | one"]);
    // One too many does no harm.
    scene.release(&web());
    scene.write(FIRST, "two\n");
    scene.shows(&["00:00:09 web.1  | two"]);
}

#[test]
fn when_everything_is_held_all_of_it_comes_in_the_order_of_time() {
    let mut scene = Scene::new(Format::Text);
    scene.hold(Whose::All);
    scene.write(OTHER, "one\n");
    scene.say(None, "two");
    scene.write(FIRST, "three\n");
    scene.write(OTHER, "four\n");
    scene.shows(&[]);
    scene.release(&Whose::All);
    scene.shows(&[
        "00:00:02 db.1   | one",
        "00:00:03 system | two",
        "00:00:04 web.1  | three",
        "00:00:05 db.1   | four",
    ]);
}

#[test]
fn what_is_gone_is_counted() {
    let mut scene = Scene::new(Format::Text);
    scene.write(FIRST, "beg");
    scene.hold(web());
    for _ in 0..20 {
        scene.write(FIRST, &"x".repeat(99));
        scene.write(FIRST, "\n");
    }
    scene.release(&web());
    let shown = String::from_utf8_lossy(scene.merge.batch()).into_owned();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "00:00:02 web.1  | beg");
    let (_, gone) = lines[1].split_once("system | web.1: ").unwrap();
    let gone: usize = gone.strip_suffix(" bytes written while attached are gone").unwrap().parse().unwrap();
    let left: usize = lines[2..].iter().map(|line| line.split_once(" | ").unwrap().1.len() + 1).sum();
    assert_eq!(gone + left, 2000);
}

#[test]
fn an_instance_that_ends_while_it_is_held_is_shown_before_its_successor() {
    let mut scene = Scene::new(Format::Text);
    scene.hold(web());
    scene.write(FIRST, "one");
    scene.end(FIRST);
    scene.open(SECOND);
    scene.say(Some(SECOND), "started");
    scene.write(SECOND, "two\n");
    scene.shows(&[]);
    scene.release(&web());
    scene.shows(&[
        "00:00:03 web.1  | one",
        "00:00:03 web.1  | exited",
        "00:00:04 web.1  | started",
        "00:00:05 web.1  | two",
    ]);
    scene.write(SECOND, "three\n");
    scene.shows(&["00:00:07 web.1  | three"]);
}

#[test]
fn those_that_end_while_they_are_held_do_not_pile_up() {
    let mut scene = Scene::new(Format::Text);
    scene.write(FIRST, "beg");
    scene.hold(web());
    scene.end(FIRST);
    for key in 100..1100 {
        scene.open_as(key, "web.1");
        scene.write(key, "one\n");
        scene.end(key);
    }
    assert!(scene.journal.streams() < 100, "{}", scene.journal.streams());
    scene.release(&web());
    let shown = String::from_utf8_lossy(scene.merge.batch()).into_owned();
    let lines: Vec<_> = shown.lines().map(|line| line.split_once(" | ").unwrap().1).collect();
    assert_eq!(lines[0], "beg");
    let gone = lines[1].strip_prefix("web.1: ").unwrap().split_once(" bytes").unwrap().0;
    let left: usize = lines[2..].iter().map(|line| line.len() + 1).sum();
    assert_eq!(gone.parse::<usize>().unwrap() + left, 7 + 1000 * 11);
    assert_eq!(scene.journal.streams(), 2);
}

#[test]
fn one_that_is_started_while_its_name_is_held_is_held() {
    let mut scene = Scene::new(Format::Text);
    scene.end(FIRST);
    scene.shows(&["00:00:01 web.1  | exited"]);
    scene.hold(web());
    scene.open(SECOND);
    scene.write(SECOND, "two\n");
    scene.shows(&[]);
    scene.journal.release_all();
    scene.show_held();
    scene.shows(&["00:00:03 web.1  | two"]);
}

#[test]
fn raw_output_has_nothing_of_procmans_even_if_it_was_held() {
    let mut scene = Scene::new(Format::Raw);
    scene.hold(Whose::All);
    scene.write(FIRST, "one");
    scene.end(FIRST);
    scene.say(None, "two");
    scene.release(&Whose::All);
    scene.shows(&["one"]);
}

#[test]
fn what_is_shown_is_recorded() {
    let mut scene = Scene::new(Format::Text);
    scene.hold(web());
    scene.write(FIRST, "one\n");
    scene.release(&web());
    scene.say(None, "two");
    scene.end(FIRST);
    scene.journal.end();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pieces = runtime.block_on(scene.history.follow(None, None, Follow::On).next()).unwrap();
    let text = |piece: &Piece| match piece {
        Piece::Line(line) => format!("{} {}", line.name, String::from_utf8_lossy(&line.bytes)),
        Piece::Skipped { .. } => String::new(),
    };
    let lines: Vec<_> = pieces.iter().map(text).collect();
    assert_eq!(lines, ["web.1 one", "system two", "web.1 exited"]);
}

#[test]
fn a_name_that_is_longer_than_all_before_makes_prefixes_wider() {
    let mut scene = Scene::new(Format::Text);
    scene.write(FIRST, "one\n");
    let source = Source { name: "longer.10".to_owned(), pid: 10, position: Some(2) };
    scene.merge.open(StreamKey(9), source);
    scene.write(FIRST, "two\n");
    scene.shows(&["00:00:01 web.1  | one", "00:00:02 web.1     | two"]);
}
