//! Much output: whole, in order, complete to the last word, in bounded memory.

use std::collections::BTreeMap;
use std::io::Read;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{App, status_field, wait_until, wait_until_stuck};

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
    let peaks = [running.pid(), running.supervisor()].map(|pid| {
        let peak = status_field(pid, "VmHWM");
        peak.strip_suffix(" kB").unwrap().parse::<usize>().unwrap()
    });
    assert!(peaks.iter().sum::<usize>() < 32 * 1024, "peaks of {peaks:?} kB");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}
