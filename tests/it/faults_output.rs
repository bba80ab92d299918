//! Much output: whole, in order, complete to the last word, in bounded memory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{App, End, peak, wait_until, wait_until_stuck};

#[test]
fn every_line_of_sixteen_writers_arrives_whole_and_in_order_while_one_is_killed() {
    // The writers go on after SIGTERM until all is written; the one that is killed writes for ever.
    let app = App::new(
        "killed: echo $$ > killed; i=0; while :; do i=$((i+1)); echo killed $i of many; done\n\
         writer: trap '' TERM; touch $PS; i=0; \
                 while [ $i -lt 20000 ]; do i=$((i+1)); echo $PS $i of twenty thousand; done\n",
    );
    let arguments = ["start", "--log-format", "raw", "-m", "writer=16,killed=1", "-t", "1000"];
    let (mut running, stdout) = app.run_unread(app.procman(&arguments));
    // Nobody reads yet, so nobody can have written everything when the one is killed.
    wait_until("all write", || (1..=16).all(|n| app.root().join(format!("writer.{n}")).exists()));
    wait_until_stuck(&stdout);
    let killed = std::fs::read_to_string(app.root().join("killed")).unwrap();
    kill(Pid::from_raw(killed.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    running.read(stdout);
    let end = running.finish();
    assert_eq!(end.status, Some(137));
    assert_eq!(end.stderr, "");

    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut cut = Vec::new();
    for line in end.stdout.lines() {
        let mut words = line.splitn(3, ' ');
        let (name, number, rest) = (words.next().unwrap(), words.next(), words.next());
        let whole = if name == "killed" { "of many" } else { "of twenty thousand" };
        match (number.and_then(|number| number.parse().ok()), rest) {
            (Some(number), Some(rest)) if rest == whole => {
                let last = last.entry(name).or_default();
                assert_eq!(number, *last + 1, "`{line}` follows {last}");
                *last = number;
            }
            _ => cut.push(line),
        }
    }
    assert!(last.remove("killed").is_some());
    assert_eq!(last.len(), 16, "{last:?}");
    assert!(last.values().all(|last| *last == 20_000), "{last:?}");
    assert_eq!(cut, [""; 0]);
}

#[test]
fn last_words_arrive_two_hundred_times_of_two_hundred() {
    let words: String = (1..=10_000).map(|n| format!("web.1  | {n}\n")).collect();
    for _ in 0..200 {
        let app = App::new("web: exec seq 1 10000\n");
        let end = app.start(&["--no-timestamp"]).finish();
        let (started, rest) = end.stdout.split_once('\n').unwrap();
        assert!(started.starts_with("web.1  | started with pid "), "{started}");
        // Not `assert_eq`, which would show both.
        assert!(
            rest == format!("{words}web.1  | exited with code 0\n"),
            "ends with {:?}",
            rest.lines().last()
        );
        assert_eq!(end.status, Some(0));
    }
}

#[test]
fn a_hundred_megabytes_without_a_newline_pass_in_bounded_memory() {
    const LENGTH: usize = 100_000_000;
    let app = App::new(&format!("web: head -c {LENGTH} /dev/zero; echo; echo end; exec sleep 1000\n"));
    let (running, mut stdout) = app.run_unread(app.procman(&["start", "--no-timestamp"]));
    let (mut zeros, mut others) = (0, Vec::new());
    let mut buffer = vec![0; 1024 * 1024];
    while !others.ends_with(b"| end\n") {
        let length = stdout.read(&mut buffer).unwrap();
        assert_ne!(length, 0);
        others.extend(buffer[..length].iter().filter(|byte| **byte != 0));
        zeros += buffer[..length].iter().filter(|byte| **byte == 0).count();
    }
    let text = String::from_utf8(others).unwrap();
    assert_eq!(zeros, LENGTH);
    assert!(text.ends_with("\nweb.1  | \nweb.1  | end\n"), "{text:?}");
    let peaks = [running.pid(), running.supervisor()].map(peak);
    assert!(peaks.iter().sum::<usize>() < 32 * 1024, "peaks of {peaks:?} kB");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}

/// Returns bytes in no order, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_grandchild_that_floods_the_output_delays_no_end_and_fills_no_memory() {
    const MEGABYTE: usize = 1_000_000;
    // In the group, where it is asked to end, and out of it, where nobody reads on.
    for prefix in ["", "setsid "] {
        // Short lines keep the pump busier than the writer.
        let app = App::new(&format!(
            "web: ({prefix}yes) & read go < go; exit 4\nkeeper: trap '' TERM; exec sleep 1000\n"
        ));
        let mut go = app.gate("go");
        let (running, stdout) = app.run_unread(app.procman(&["start", "--no-timestamp", "-t", "1000"]));
        let mut lines =
            BufReader::new(stdout).split(b'\n').map(|line| String::from_utf8(line.unwrap()).unwrap());
        // Until the pump is at full speed.
        let (mut keeper, mut flooded) = (None, 0);
        while keeper.is_none() || flooded < 8 * MEGABYTE {
            let line = lines.next().unwrap();
            keeper =
                keeper.or(line.strip_prefix("keeper.1 | started with pid ").map(|pid| pid.parse().unwrap()));
            flooded += line.len();
        }
        go.open();
        // What comes while it ends, and behind the word that it left somebody.
        let (mut flooded, mut noticed) = (0, None);
        loop {
            let line = lines.next().unwrap();
            if line == "web.1    | exited with code 4" {
                break;
            }
            flooded += line.len();
            assert!(flooded < 200 * MEGABYTE, "it never ends");
            if line.contains("left processes running") {
                noticed = Some(flooded);
            }
        }
        assert_eq!(noticed.is_some(), prefix.is_empty());
        let extra = noticed.map(|before| flooded - before);
        assert!(extra < Some(8 * MEGABYTE), "{extra:?} bytes after the end");
        let peak = peak(running.supervisor());
        assert!(peak < 32 * 1024, "a peak of {peak} kB");
        kill(Pid::from_raw(keeper.unwrap()), Signal::SIGKILL).unwrap();
        // No more than its pipe holds.
        let after: usize = lines.filter(|line| line.starts_with("web.1")).map(|line| line.len()).sum();
        assert!(after < 8 * MEGABYTE, "{after} bytes after the last line");
        assert_eq!(running.finish().status, Some(4));
        app.wait_until_nothing_is_left();
    }
}

#[test]
fn a_megabyte_of_bytes_arrives_whole_though_its_writer_has_ended() {
    let app = App::new("web: exec cat tail\n");
    let mut tail = noise(1_000_000);
    app.file("tail", &tail);
    tail.push(b'\n');
    for _ in 0..20 {
        let end = app.start(&["--log-format", "raw"]).finish();
        assert!(end.bytes == tail, "{} bytes of {}", end.bytes.len(), tail.len());
        assert_eq!(end.status, Some(0));
    }
}

#[test]
fn no_character_is_torn_by_a_buffer() {
    // Each line is longer than what is read at once, and each has its characters at other offsets.
    let line = |offset: usize| ["x".repeat(offset), "🚀".repeat(40_000)].concat();
    let lines: Vec<String> = (0..8).map(line).collect();
    let app = App::new("web: exec cat text\n");
    app.file("text", lines.join("\n"));
    let text = app.start(&["--no-timestamp"]).finish();
    let bytes = text.lines_of("web.1");
    assert!(bytes[1..9] == lines, "{:?}", bytes.iter().map(String::len).collect::<Vec<_>>());

    let json = app.start(&["--log-format", "json"]).finish();
    let mut joined = vec![String::new()];
    for line in json.stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record.get("lossy").is_none());
        joined.last_mut().unwrap().push_str(record["message"].as_str().unwrap());
        if record.get("partial").is_none() {
            joined.push(String::new());
        }
    }
    assert!(joined[1..9] == lines, "{:?}", joined.iter().map(String::len).collect::<Vec<_>>());
}

#[test]
fn a_progress_bar_is_shown_as_it_is_and_overwrites_no_line_of_others() {
    let app = App::new(
        "web: show() { for i in $(seq $1 $2); do printf '\\r%d%%' $i; done; }; \
              show 1 50; read go < go; show 51 100; echo; echo done; exec sleep 1000\n\
         worker: read tick < tick; echo tick; exec sleep 1000\n",
    );
    let (mut go, mut tick) = (app.gate("go"), app.gate("tick"));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("\r50%");
    tick.open();
    running.wait_for("| tick\n");
    go.open();
    running.wait_for("| done\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    let bar = |range: std::ops::RangeInclusive<u32>| range.map(|n| format!("\r{n}%")).collect::<String>();
    let [first, rest] = [bar(1..=50), bar(51..=100)];
    let expected = format!("web.1    | {first}\nworker.1 | tick\nweb.1    + {rest}\nweb.1    | done\n");
    assert!(end.stdout.contains(&expected), "{:?}", end.stdout);
}

/// Lets so many instances, which ignore SIGTERM and wait at `go`, begin when all are ready, and waits for the end:
/// none is ended by the end of another.
#[track_caller]
fn finish_together(app: &App, arguments: &[&str], count: usize) -> End {
    let mut go = app.gate("go");
    let running = app.start(&[arguments, &["-t", "1000"]].concat());
    running.wait_for_times("ready\n", count);
    (0..count).for_each(|_| go.open());
    running.finish()
}

#[test]
fn lines_of_four_kilobytes_never_mix() {
    const LINES: usize = 4000;
    let app = App::new(&format!(
        "web: trap '' TERM; echo ready; read go < go; exec seq -f \"$PS %04080.0f\" 1 {LINES}\n"
    ));
    let end = finish_together(&app, &["--log-format", "raw", "-m", "web=2"], 2);
    assert_eq!(end.status, Some(0));
    let mut seen = BTreeMap::new();
    for line in end.stdout.lines().filter(|line| *line != "ready") {
        let (name, number) = line.split_once(' ').unwrap();
        let count: &mut usize = seen.entry(name).or_default();
        *count += 1;
        assert!(number.len() == 4080 && number.parse() == Ok(*count), "{line} is line {count} of {name}");
    }
    assert_eq!(seen, BTreeMap::from([("web.1", LINES), ("web.2", LINES)]));
}

#[test]
fn times_never_go_back() {
    let app = App::new(
        "web: trap '' TERM; echo ready; read go < go; for n in $(seq 1 40); do echo $n; sleep 0.01; done\n",
    );
    let end = finish_together(&app, &["--timestamp=%s%.9f", "-m", "web=4"], 4);
    assert_eq!(end.status, Some(0));
    let mut times: Vec<&str> = end.stdout.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    assert!(times.len() > 160);
    assert!(times.is_sorted());
    times.dedup();
    assert!(times.len() > 10, "{times:?}");
}

#[test]
fn a_writer_of_single_bytes_loses_none_and_starves_nobody() {
    let app = App::new(
        "web: trap '' TERM; echo ready; read go < go; exec dd if=digits bs=1 2>/dev/null\n\
         worker: trap '' TERM; echo ready; read go < go; for n in $(seq 1 500); do echo $n; done\n",
    );
    let digits: String = (1..30_000).map(|n| n.to_string()).collect();
    app.file("digits", &digits);
    let end = finish_together(&app, &["--no-timestamp"], 2);
    assert_eq!(end.status, Some(0));
    let pieces =
        |prefix: &str| end.stdout.lines().filter_map(|line| line.strip_prefix(prefix)).collect::<Vec<_>>();
    let (first, rest) = (pieces("web.1    | "), pieces("web.1    + "));
    assert!(first[2].to_owned() + &rest.concat() == digits, "{} and {} pieces", first.len(), rest.len());
    let lines: Vec<u32> = pieces("worker.1 | ").iter().filter_map(|line| line.parse().ok()).collect();
    assert!(lines.into_iter().eq(1..=500));
}

#[test]
fn quiet_instances_have_their_turn_among_loud_ones() {
    let app = App::new("loud: exec yes\nquiet: read go < go; echo $PS is here; touch $PS; exec sleep 1000\n");
    let mut go = app.gate("go");
    let arguments = ["start", "--no-timestamp", "-m", "loud=3,quiet=50"];
    let (running, mut stdout) = app.run_unread(app.procman(&arguments));
    wait_until_stuck(&stdout);
    (1..=50).for_each(|_| go.open());
    wait_until("each has written", || (1..=50).all(|n| app.root().join(format!("quiet.{n}")).exists()));
    // The pipe, the batch that is being written, and what the loud ones have in one turn: less than this. Short
    // lines keep the pump busier than those who write them.
    let mut bytes = Vec::new();
    stdout.by_ref().take(8 * 1024 * 1024).read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches(" is here\n").count(), 50);
    drop(stdout);
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn a_time_zone_that_is_not_there_is_utc() {
    let now = || jiff::Timestamp::now().strftime("%H:%M").to_string();
    for zone in [":/no/such", "No/Such", "/dev/null", "\u{FFFD}"] {
        let app = App::new("web: echo hello\n");
        let mut command = app.procman(&["start", "--timestamp=%H:%M"]);
        command.env("TZ", zone);
        let before = now();
        let end = app.run(command).finish();
        let line = end.stdout.lines().next().unwrap();
        assert!([before, now()].contains(&line[..5].to_owned()), "TZ={zone}: {line}");
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    }
}
