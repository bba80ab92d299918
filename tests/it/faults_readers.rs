//! Output that somebody reads slowly, late or no more, or that no room is left for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ChildStdout, Command};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::support::{App, IDLE, Running, peak, procman, skipped, wait_until, wait_until_stuck};

/// Returns how many lines an instance has added to a file so far.
fn ticks(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// Waits until an instance that appends to a file every tenth of a second has done so that many times more.
#[track_caller]
fn wait_for_ticks(file: &Path, count: usize) {
    let before = ticks(file);
    wait_until("time has passed", || ticks(file) >= before + count);
}

/// The messages about the end go where nobody reads either.
#[test]
fn a_reader_of_both_outputs_that_leaves_after_a_while_ends_the_formation_gracefully() {
    let app = App::new(&format!(
        "web: while :; do echo out; echo err >&2; done\n\
         worker: trap 'echo asked | tee asked; exit 0' TERM; {IDLE}\n\
         stubborn: trap '' TERM; echo ready; exec sleep 1000\n"
    ));
    let mut command = app.command("sh");
    command.args(["-c", "exec \"$0\" start --no-timestamp -t 0.3 2>&1"]).arg(procman());
    let (running, stdout) = app.run_unread(command);
    let lines = BufReader::new(stdout).lines().map(Result::unwrap);
    let (mut ready, mut others) = (0, 0);
    for line in lines {
        if line.ends_with(" | ready") {
            ready += 1
        } else {
            others += 1
        };
        if ready == 2 && others > 10_000 {
            break;
        }
    }
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(std::fs::read_to_string(app.root().join("asked")).unwrap(), "asked\n");
}

#[test]
fn a_named_pipe_that_nobody_reads_does_not_stop_the_stop() {
    let app = App::new("web: exec yes\nworker: trap '' TERM; exec yes no\n");
    let path = app.root().join("pipe");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let pipe = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    // The second is its own reader, so that it never breaks.
    for redirection in [">pipe", "1<>pipe"] {
        let mut command = app.command("sh");
        command.args(["-c", &format!("exec \"$0\" start -t 0.3 {redirection}")]).arg(procman());
        let running = app.run(command);
        wait_until_stuck(&pipe);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0), "{end:?}");
        assert!(end.stderr.ends_with(" bytes of output could not be written\n"), "{}", end.stderr);
        assert_eq!(end.stderr.lines().count(), 1);
    }
}

#[test]
fn ctrl_s_holds_the_output_and_neither_the_stop_nor_the_exit() {
    // Its lines are long, so that few of them fill its pipe.
    let app = App::new(&format!(
        "web: i=0; while :; do i=$((i+1)); echo line $i of {}; echo $i > at; sleep 0.01; done\n\
         clock: while :; do echo tick >> ticks; sleep 0.1; done\n\
         polite: trap 'echo asked > asked; exit 0' TERM; while :; do sleep 0.1; done\n\
         stubborn: trap '' TERM; exec sleep 1000\n",
        "many".repeat(1000)
    ));
    let [at, clock, asked] = ["at", "ticks", "asked"].map(|name| app.root().join(name));
    let (running, mut keyboard) = app.run_on_terminal(app.procman(&["start", "--no-timestamp", "-t", "0.3"]));
    for round in 1..=2 {
        running.wait_for_times(" of many", round * 20);
        keyboard.press("\x13");
        let (mut before, mut unchanged) = (Vec::new(), 0);
        wait_until("the instance stands still", || {
            let now = std::fs::read(&at).unwrap_or_default();
            unchanged = if now == before && !now.is_empty() { unchanged + 1 } else { 0 };
            before = now;
            unchanged > 30
        });
        if round == 1 {
            keyboard.press("\x11");
        }
    }
    // Who writes nothing is not held.
    wait_for_ticks(&clock, 3);
    running.signal(Signal::SIGTERM);
    wait_until("it is asked to end", || asked.exists());
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    let lines = end.stdout.lines().filter_map(|line| line.split(" | line ").nth(1)?.split_once(" of many"));
    assert!(lines.enumerate().all(|(index, (number, _))| number.parse() == Ok(index + 1)));
}

#[test]
fn a_slow_reader_costs_neither_memory_nor_lines() {
    let app = App::new("web: exec seq 1 1500000\n");
    let (mut running, mut stdout) = app.run_unread(app.procman(&["start", "--no-timestamp"]));
    let supervisor = running.supervisor();
    let mut sips = Vec::new();
    let mut peaks = Vec::new();
    // Large enough for every pipe to have grown, and for some turns of the pump.
    for _ in 0..8 {
        wait_until_stuck(&stdout);
        peaks.push(peak(supervisor));
        stdout.by_ref().take(2 * 1024 * 1024).read_to_end(&mut sips).unwrap();
    }
    assert!(peaks.iter().all(|peak| *peak < 32 * 1024), "peaks of {peaks:?} kB");
    stdout.read_to_end(&mut sips).unwrap();
    running.read(io::empty());
    assert_eq!(running.finish().status, Some(0));
    let text = String::from_utf8(sips).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("web.1  | ")?.parse::<u32>().ok());
    assert!(lines.eq(1..=1_500_000));
}

/// Runs a script that has procman, `"$@"`, write to `disk/out`, where there is room for 64 KiB until `make_room`
/// has been called. A line that was torn by it had the next one appended.
fn run_without_room(script: &str, make_room: impl FnOnce(&App, &Running)) {
    let app = App::new(
        "web: while :; do seq -f 'line %g of many' 1 500; sleep 0.01; done\n\
         clock: while :; do echo tick >> ticks; [ -e room ] && rm -f disk/ballast; sleep 0.1; done\n",
    );
    std::fs::create_dir(app.root().join("disk")).unwrap();
    let mut command = app.command("sh");
    command.args(["-c", script, "sh"]).arg(procman()).args(["start", "--no-timestamp"]);
    let running = app.run(command);
    running.wait_for("procman: cannot write to standard output: ");
    // Long enough for a new attempt to have failed.
    wait_for_ticks(&app.root().join("ticks"), 15);
    make_room(&app, &running);
    // The disk may be one that only procman sees.
    let output = format!("/proc/{}/root{}/disk/out", running.pid(), app.root().display());
    let size = || std::fs::metadata(&output).map_or(0, |file| file.len());
    wait_until("there is more", || size() > 128 * 1024);
    let output = File::open(output).unwrap();
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0), "{end:?}");
    assert!(end.stdout.ends_with(" bytes of output could not be written\n"), "{end:?}");
    assert_eq!(end.stdout.lines().count(), 2, "{end:?}");
    let text = io::read_to_string(output).unwrap();
    let is_whole = |line: &&str| {
        line.starts_with("system")
            || line.contains("| started with pid ")
            || line.ends_with(" of many") && line.matches(" | ").count() == 1
            || line.contains("| terminated by SIGTERM")
    };
    // Its last line may be one that the writer was killed in.
    let next = text.lines().skip(1).chain([""]);
    let lines = text.lines().zip(next).filter(|(_, next)| !next.contains("| terminated by SIGTERM"));
    let torn: Vec<&str> = lines.map(|(line, _)| line).filter(|line| !is_whole(line)).collect();
    assert!(torn.len() <= 1, "{torn:?}");
    assert!(torn.iter().all(|line| "web.1    | line 500 of many".len() >= line.len()), "{torn:?}");
}

#[test]
fn a_disk_that_was_full_for_a_while_has_whole_lines_afterwards() {
    let script = "mount -t tmpfs -o size=8m disk disk && head -c $((8*1024*1024-65536)) /dev/zero > disk/ballast && exec \"$@\" 2>&1 > disk/out";
    let mounts = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !mounts.is_ok_and(|output| output.status.success()) {
        return skipped("nothing can be mounted here");
    }
    let script = format!("exec unshare -rm sh -c '{script}' sh \"$@\"");
    run_without_room(&script, |app, _| {
        app.file("room", "");
    });
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    run_without_room("ulimit -S -f 128; exec \"$@\" 2>&1 > disk/out", |_, running| {
        let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the call reads one limit.
        #[allow(unsafe_code, reason = "nothing safe sets the limit of another process")]
        let result = unsafe {
            libc::prlimit(
                running.supervisor().as_raw(),
                libc::RLIMIT_FSIZE,
                &raw const limit,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(result, 0);
    });
}

/// The kernel's signal for it came to procman, which passed it on, and it ended every instance.
#[test]
fn a_limit_of_file_sizes_ends_nobody() {
    let app = App::new(
        "web: while :; do seq 1 500; sleep 0.01; done\n\
         clock: while :; do echo tick >> ticks; sleep 0.1; done\n",
    );
    let mut command = app.command("sh");
    command.args(["-c", "ulimit -S -f 128; exec \"$0\" start > out 2>&1"]).arg(procman());
    let running = app.run(command);
    let out = app.root().join("out");
    wait_until("it is full", || std::fs::metadata(&out).is_ok_and(|file| file.len() == 64 * 1024));
    wait_for_ticks(&app.root().join("ticks"), 10);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn an_output_in_either_mode_is_written_whole_and_left_in_its_mode() {
    // Of standard input, output and error, as `open` has them.
    let modes = |pid: Pid| {
        ["0", "1", "2"].map(|descriptor| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).unwrap();
            let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
            OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK)
        })
    };
    for mode in [OFlag::empty(), OFlag::O_NONBLOCK] {
        let app = App::new("web: seq 1 200000; exec sleep 1000\n");
        let (reader, writer) = io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(mode)).unwrap();
        let mut running = app.run_into(app.procman(&["start", "--no-timestamp"]), writer);
        let expected = [false, mode == OFlag::O_NONBLOCK, false];
        wait_until_stuck(&reader);
        assert_eq!([running.pid(), running.supervisor()].map(modes), [expected; 2]);
        running.read(reader);
        running.wait_for("| 200000\n");
        assert_eq!([running.pid(), running.supervisor()].map(modes), [expected; 2]);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
        let lines = end.stdout.lines().filter_map(|line| line.strip_prefix("web.1  | ")?.parse::<u32>().ok());
        assert!(lines.eq(1..=200_000));
    }
}

/// More pipes than the pump is told of at once: lines whose rest was in a pipe seemed to have paused.
#[test]
fn no_line_of_three_hundred_writers_is_torn_by_a_reader_that_pauses() {
    // Of a length with which pipes become full within a line.
    let text = "x".repeat(3000);
    let app = App::new(&format!(
        "clock: while :; do echo tick >> ticks; sleep 0.1; done\nweb: touch $PS; exec yes $PS {text}\n"
    ));
    let arguments = ["start", "--no-timestamp", "-m", "clock=1,web=300"];
    let (running, mut stdout) = app.run_unread(app.procman(&arguments));
    wait_until("all write", || (1..=300).all(|n| app.root().join(format!("web.{n}")).exists()));
    let mut bytes = Vec::new();
    let mut read = |stdout: &mut ChildStdout, megabytes: u64| {
        stdout.take(megabytes * 1024 * 1024).read_to_end(&mut bytes).unwrap();
    };
    // Until the pump holds the beginning of a line of each.
    read(&mut stdout, 24);
    wait_until_stuck(&stdout);
    // Longer than a line waits for its rest.
    wait_for_ticks(&app.root().join("ticks"), 4);
    // Two rounds, each of 64 KiB from everybody.
    read(&mut stdout, 48);
    drop(stdout);
    assert_eq!(running.finish().status, Some(0));
    let output = String::from_utf8(bytes).unwrap();
    let mut lines: Vec<&str> = output.lines().collect();
    lines.pop();
    let mut writers = BTreeSet::new();
    for line in lines.into_iter().filter(|line| !line.contains("started with pid ")) {
        let (name, rest) = line.split_once(" | ").unwrap_or_default();
        let whole = rest.strip_prefix(name.trim_end()).is_some_and(|rest| rest.trim_start() == text);
        assert!(whole, "behind {} writers: {line}", writers.len());
        writers.insert(name);
    }
    assert_eq!(writers.len(), 300);
}
