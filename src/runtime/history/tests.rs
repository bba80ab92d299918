//! What readers get of what is recorded, in which order, and what they are told about what they do not get.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::output::Source;
use crate::runtime::history::{Follow, Follower, History, Log, Piece, Tail, TailPiece};

const LIMIT: usize = 64 * 1024;

/// Long enough for what happens at all to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how long nothing happens where nothing may.
const MOMENT: Duration = Duration::from_millis(30);

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, future).await.unwrap() })
}

fn open(history: &History, name: &str) -> Log {
    history.open(&Source { name: name.to_owned(), pid: 7, position: Some(0) })
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(milliseconds)
}

fn write(log: &Log, text: &str, milliseconds: i64) {
    log.add(&mut text.as_bytes().to_vec(), text.len(), at(milliseconds));
}

fn show(pieces: Vec<Piece>) -> Vec<String> {
    let show = |piece| match piece {
        Piece::Line(line) => format!(
            "{}: {}{}{}",
            line.name,
            if line.own { "*" } else { "" },
            String::from_utf8_lossy(&line.bytes),
            if line.partial { "…" } else { "" }
        ),
        Piece::Skipped { name, lines } => format!("{name}: {lines} skipped"),
    };
    pieces.into_iter().map(show).collect()
}

async fn next(follower: &mut Follower) -> Vec<String> {
    show(follower.next().await.unwrap())
}

async fn is_quiet(follower: &mut Follower) -> bool {
    timeout(MOMENT, follower.next()).await.is_err()
}

#[test]
fn lines_of_several_come_in_the_order_of_time() {
    run(async {
        let history = History::new(LIMIT);
        let (web, worker) = (open(&history, "web.1"), open(&history, "worker.1"));
        write(&web, "one\n", 10);
        write(&worker, "two\n", 20);
        write(&web, "three\nfo", 30);
        worker.say("exited", at(40));
        let mut follower = history.follow(None, None, Follow::On);
        let expected = ["web.1: one", "worker.1: two", "web.1: three", "worker.1: *exited"];
        assert_eq!(next(&mut follower).await, expected);
        assert!(is_quiet(&mut follower).await);
        write(&web, "ur\n", 50);
        assert_eq!(next(&mut follower).await, ["web.1: four"]);
    });
}

#[test]
fn the_last_lines_of_each_come_first() {
    run(async {
        let history = History::new(LIMIT);
        let (web, worker) = (open(&history, "web.1"), open(&history, "worker.1"));
        write(&web, "one\ntwo\nthree\n", 10);
        write(&worker, "four\nfive\n> ", 20);
        let mut follower = history.follow(None, Some(1), Follow::On);
        assert_eq!(next(&mut follower).await, ["web.1: three", "worker.1: five"]);
        let mut follower = history.follow(None, Some(2), Follow::Off);
        assert_eq!(
            next(&mut follower).await,
            ["web.1: two", "web.1: three", "worker.1: five", "worker.1: > …"]
        );
        assert_eq!(follower.next().await, None);
    });
}

#[test]
fn a_name_is_that_of_an_instance_or_of_its_type() {
    run(async {
        let history = History::new(LIMIT);
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let (web, web_2) = (open(&history, "web.1"), open(&history, "web.2"));
        let (other, system) = (open(&history, "webber.1"), open(&history, "system"));
        let mut of_type = history.follow(names(&["web"]), None, Follow::On);
        let mut of_some = history.follow(names(&["web.2", "system"]), None, Follow::On);
        for log in [&web, &web_2, &other, &system] {
            write(log, "x\n", 0);
        }
        assert_eq!(next(&mut of_type).await, ["web.1: x", "web.2: x"]);
        assert_eq!(next(&mut of_some).await, ["web.2: x", "system: x"]);
        // One that comes later.
        assert!(is_quiet(&mut of_type).await);
        write(&open(&history, "web.3"), "y\n", 1);
        assert_eq!(next(&mut of_type).await, ["web.3: y"]);
        assert!(is_quiet(&mut of_some).await);
        assert_eq!(history.names(), ["web.1", "web.2", "webber.1", "system", "web.3"]);
    });
}

#[test]
fn one_that_does_not_follow_ends_where_the_record_did_and_is_told_what_it_has_lost() {
    run(async {
        let history = History::new(1024);
        let (web, worker) = (open(&history, "web.1"), open(&history, "worker.1"));
        write(&web, "one\ntwo", 0);
        let mut follower = history.follow(None, None, Follow::Off);
        write(&web, "three\nfour\n", 0);
        assert_eq!(next(&mut follower).await, ["web.1: one", "web.1: two…"]);
        assert_eq!(follower.next().await, None);

        (0..100).for_each(|number| write(&worker, &format!("{number:06}\n"), 0));
        let mut late = history.follow(None, None, Follow::Off);
        let mut too_late = history.follow(None, Some(3), Follow::Off);
        (100..150).for_each(|number| write(&worker, &format!("{number:06}\n"), 0));
        let got = next(&mut late).await;
        assert!(got[0].starts_with("worker.1: ") && got[0].ends_with(" skipped"), "{got:?}");
        assert_eq!(got[got.len() - 1], "worker.1: 000099");
        assert_eq!(late.next().await, None);
        (150..1000).for_each(|number| write(&worker, &format!("{number:06}\n"), 0));
        let got = next(&mut too_late).await;
        // Of one of which nothing is left that was there it gets the newest.
        assert!(got[0].starts_with("worker.1: ") && got[0].ends_with(" skipped"), "{got:?}");
        assert!(got.contains(&"worker.1: 000999".to_owned()), "{got:?}");
        assert_eq!(got[got.len() - 3..], ["web.1: one", "web.1: twothree", "web.1: four"]);
        assert_eq!(too_late.next().await, None);
    });
}

#[test]
fn the_record_goes_on_when_an_instance_is_started_again() {
    run(async {
        let history = History::new(LIMIT);
        write(&open(&history, "web.1"), "one\n", 0);
        write(&open(&history, "web.1"), "two\n", 1);
        let mut follower = history.follow(None, None, Follow::Off);
        assert_eq!(next(&mut follower).await, ["web.1: one", "web.1: two"]);
    });
}

#[test]
fn the_end_comes_after_what_is_left() {
    run(async {
        let history = History::new(LIMIT);
        let web = open(&history, "web.1");
        let mut follower = history.follow(None, None, Follow::On);
        let mut tail = history.tail("web.1", 0).await.unwrap();
        assert!(is_quiet(&mut follower).await);
        write(&web, "one", 0);
        history.close();
        assert_eq!(next(&mut follower).await, ["web.1: one…"]);
        assert_eq!(follower.next().await, None);
        assert_eq!(tail.next().await, Some(TailPiece::Bytes(b"one".to_vec())));
        assert_eq!(tail.next().await, None);
    });
}

#[test]
fn one_that_is_overtaken_is_told_and_goes_on_with_the_newest() {
    run(async {
        let history = History::new(LIMIT);
        let (web, worker) = (open(&history, "web.1"), open(&history, "worker.1"));
        let mut follower = history.follow(None, None, Follow::On);
        for number in 0..100_000 {
            write(&web, &format!("{number:06}\n"), 0);
        }
        let began = Instant::now();
        let got = next(&mut follower).await;
        let kept = got.len() - 1;
        assert!((200..400).contains(&kept), "{kept}");
        assert_eq!(got[0], format!("web.1: {} skipped", 100_000 - kept));
        assert_eq!(got[1], format!("web.1: {:06}", 100_000 - kept));
        assert_eq!(got[kept], "web.1: 099999");
        // It rests, and others are read meanwhile.
        write(&web, "more\n", 1);
        write(&worker, "one\n", 2);
        assert_eq!(next(&mut follower).await, ["worker.1: one"]);
        assert_eq!(next(&mut follower).await, ["web.1: more"]);
        assert!(began.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn one_that_keeps_up_gets_every_line_from_another_thread() {
    const LINES: usize = 20_000;
    let history = History::new(LIMIT);
    let logs = [open(&history, "a.1"), open(&history, "b.1")];
    let followers: Vec<_> = (0..2).map(|_| history.follow(None, None, Follow::On)).collect();
    let read = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            for number in 0..LINES {
                write(&logs[number % 2], &format!("{number}\n"), number as i64);
                // No faster than they read.
                let is_ahead = || read.iter().any(|read| number > read.load(Ordering::Acquire) + 2000);
                while is_ahead() && began.elapsed() < PATIENCE {
                    thread::yield_now();
                }
            }
            history.close();
        });
        for (mut follower, read) in followers.into_iter().zip(&read) {
            scope.spawn(move || {
                run(async {
                    let mut got = Vec::new();
                    while let Some(pieces) = follower.next().await {
                        got.extend(show(pieces));
                        read.store(got.len(), Ordering::Release);
                    }
                    let name = |number: usize| if number.is_multiple_of(2) { "a" } else { "b" };
                    let expected: Vec<_> =
                        (0..LINES).map(|number| format!("{}.1: {number}", name(number))).collect();
                    assert!(got == expected);
                });
            });
        }
    });
}

#[test]
fn nobody_is_left_behind_by_one_who_leaves() {
    run(async {
        let history = History::new(LIMIT);
        let web = open(&history, "web.1");
        for _ in 0..3 {
            let mut follower = history.follow(None, None, Follow::On);
            let mut tail = history.tail("web.1", 0).await.unwrap();
            assert!(is_quiet(&mut follower).await);
            assert!(timeout(MOMENT, tail.next()).await.is_err());
        }
        assert!(web.state().waiting.0.is_empty());
        assert!(history.directory().waiting.0.is_empty());
    });
}

async fn tail_next(tail: &mut Tail) -> String {
    match tail.next().await.unwrap() {
        TailPiece::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        TailPiece::Missed(bytes) => format!("{bytes} missed"),
        TailPiece::Said(text) => format!("*{text}"),
        TailPiece::Ended(text) => format!("*ended: {text}"),
    }
}

#[test]
fn a_tail_begins_with_what_the_process_has_written_last() {
    run(async {
        let history = History::new(LIMIT);
        write(&open(&history, "web.1"), "before", 0);
        let web = open(&history, "web.1");
        write(&web, "one", 1);
        let mut whole = history.tail("web.1", 100).await.unwrap();
        let mut last = history.tail("web.1", 2).await.unwrap();
        assert_eq!(tail_next(&mut whole).await, "one");
        assert_eq!(tail_next(&mut last).await, "ne");
        write(&web, "two\n", 2);
        write(&web, "three", 3);
        web.say("of it", at(4));
        web.say_end("exited", at(4));
        web.say("started", at(4));
        assert_eq!(tail_next(&mut whole).await, "two\nthree");
        for said in ["*of it", "*ended: exited", "*started"] {
            assert_eq!(tail_next(&mut whole).await, said);
        }
        let another = history.clone();
        let awaited = tokio::spawn(async move { another.tail("web.2", 0).await.is_some() });
        tokio::task::yield_now().await;
        open(&history, "web.2");
        assert!(awaited.await.unwrap());
        history.close();
        assert!(history.tail("web.3", 0).await.is_none());
    });
}

#[test]
fn a_tail_that_is_overtaken_is_told_and_goes_on_with_the_newest() {
    run(async {
        let history = History::new(LIMIT);
        let web = open(&history, "web.1");
        let mut tail = history.tail("web.1", 0).await.unwrap();
        for _ in 0..1000 {
            write(&web, &"x".repeat(999), 0);
        }
        write(&web, "end", 0);
        let kept = 16 * 1024;
        assert_eq!(tail_next(&mut tail).await, format!("{} missed", 999_003 - kept));
        let newest = tail_next(&mut tail).await;
        assert_eq!(newest.len(), kept);
        assert!(newest.ends_with("xend"));
    });
}

/// It used to wait for the end of the line, which a prompt does not have.
#[test]
fn a_prompt_is_followed_after_a_pause_and_goes_on() {
    let history = History::new(LIMIT);
    let log = open(&history, "web.1");
    write(&log, "one\nname? ", 0);
    let mut follower = history.follow(None, None, Follow::On);
    run(async {
        assert_eq!(show(follower.next().await.unwrap()), ["web.1: one"]);
        assert_eq!(show(follower.next().await.unwrap()), ["web.1: name? …"]);
        write(&log, "Bob\n", 5);
        assert_eq!(show(follower.next().await.unwrap()), ["web.1: Bob"]);
    });
}
