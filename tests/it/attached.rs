//! Attached to an instance of a real formation, from another terminal (`attach`) and from the beginning
//! (`start --attach`): what goes over, what is held back meanwhile, and that the terminal is afterwards as it was.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::termios::{ControlFlags, InputFlags, LocalFlags, OutputFlags};
use nix::unistd::{Pid, mkfifo};

use crate::support::{
    App, IDLE_ON, Keyboard, Running, child_of, guard_of, procman, skipped, state, supervisor_of, wait_until,
};

/// An instance that answers what is typed.
const ECHO: &str = "echo begun; while read line; do echo \"heard $line\"; done";

/// An instance on another screen, with the cursor hidden, in red.
const SCREEN: &str = "printf '\\033[?1049h\\033[?25l\\033[31mhello'";

/// What puts that right.
const RESET: [&str; 4] = ["\x1b[?1049l", "\x1b[?25h", "\x1b[0m", "\x1b[?2004l"];

/// A terminal of a shell, in which procman runs.
struct Terminal {
    running: Running,
    keyboard: Keyboard,
    before: Settings,
}

type Settings = (InputFlags, OutputFlags, ControlFlags, LocalFlags, Vec<u8>);

impl Terminal {
    /// Runs procman with these arguments below a shell, as people do: without one, a terminal goes away with the process
    /// that has it.
    fn new(app: &App, arguments: &str) -> Terminal {
        Terminal::with_shell(app, "", arguments)
    }

    fn with_shell(app: &App, first: &str, arguments: &str) -> Terminal {
        let mut command = app.command("/bin/sh");
        let script = format!(
            "trap : INT; {first} stty rows 30 cols 100; read line; \"$0\" {arguments}; echo status $?; read line; echo left"
        );
        command.arg("-c").arg(script).arg(procman()).env("TERM", "xterm").env("NO_COLOR", "1");
        let (running, mut keyboard) = app.run_on_terminal(command);
        let is_sized =
            || running.output().is_empty() && keyboard.settings().local_flags.contains(LocalFlags::ECHO);
        wait_until("the shell waits", is_sized);
        let before = settings(&keyboard);
        keyboard.press("\n");
        Terminal { running, keyboard, before }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.press(keys);
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        self.running.wait_for(text);
    }

    /// Waits until the terminal is raw.
    #[track_caller]
    fn wait_until_raw(&self) {
        wait_until("the terminal is raw", || {
            !self.keyboard.settings().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ISIG)
        });
    }

    /// Waits until everything is as before.
    #[track_caller]
    fn wait_until_restored(&self) {
        wait_until("the settings are back", || settings(&self.keyboard) == self.before);
        wait_until("the screen is back", || {
            let shown = self.running.output();
            // What was held is shown after that.
            let after = shown.split_once("hello").unwrap_or_default().1;
            RESET.iter().all(|sequence| after.contains(sequence))
        });
    }

    /// Lets the shell end, and returns everything that was shown.
    #[track_caller]
    fn finish(mut self) -> String {
        self.wait_for("status ");
        self.press("\n");
        self.wait_for("left");
        self.running.finish().stdout
    }

    /// Returns procman's guard.
    fn guard(&self) -> Pid {
        guard_of(self.running.pid())
    }
}

fn settings(keyboard: &Keyboard) -> Settings {
    let settings = keyboard.settings();
    let flags = (settings.input_flags, settings.output_flags, settings.control_flags, settings.local_flags);
    (flags.0, flags.1, flags.2, flags.3, settings.control_chars.to_vec())
}

/// Starts a formation on terminals, with a socket of its own.
fn start(app: &App) -> Running {
    app.start(&["--no-timestamp", "--pty", "always", "--socket", "s"])
}

#[track_caller]
fn stop(app: &App, running: Running) -> String {
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0), "{end:?}");
    end.stdout
}

#[test]
fn keys_and_output_go_both_ways_and_nothing_is_lost_afterwards() {
    let app = App::new(&format!("web: {ECHO}\nworker: read tick < tick; echo tick; {IDLE_ON}\n"));
    let mut tick = app.gate("tick");
    let running = start(&app);
    running.wait_for("| begun");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_for("attached to web.1; ctrl-] detaches");
    // What it has written before.
    terminal.wait_for("begun\r\n");
    terminal.wait_until_raw();
    terminal.press("one\r");
    terminal.wait_for("heard one\r\n");
    // The others go on.
    tick.open();
    running.wait_for("| tick");
    assert!(!running.output().contains("heard"), "{}", running.output());
    // A second one has to wait.
    let end = app.done(&["attach", "web", "--socket", "s"]);
    assert_eq!(end.stderr.lines().next(), Some("procman: standard input is not a terminal"));
    let second = Terminal::new(&app, "attach web.1 --socket s").finish();
    assert!(
        second.contains("procman: cannot attach to `web.1`: somebody else is attached to it\r\nstatus 1")
    );
    terminal.press("\x1d");
    terminal.wait_for("detached from web.1\r\nstatus 0");
    running.wait_for("| heard one\n");
    // At once again.
    let mut again = Terminal::new(&app, "attach web.1 --socket s --detach-key ctrl-p,q");
    again.wait_for("heard one\r\n");
    again.press("two\rp\x10\r");
    again.wait_for("heard two\r\n");
    again.press("\x10q");
    assert!(again.finish().contains("detached from web.1\r\nstatus 0"));
    running.wait_for("| heard two\n");
    terminal.finish();
    stop(&app, running);
}

#[test]
fn what_was_held_is_shown_with_the_times_at_which_it_came() {
    let app = App::new(&format!("web: {ECHO}\n"));
    let running = app.start(&["--timestamp=%s.%6f", "--pty", "always", "--socket", "s"]);
    running.wait_for("| begun");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_until_raw();
    terminal.press("one\r");
    terminal.wait_for("heard one");
    let seen = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    terminal.press("\x1d");
    terminal.finish();
    running.wait_for("| heard one");
    let shown = stop(&app, running);
    let line = shown.lines().find(|line| line.ends_with("| heard one")).unwrap();
    let time: f64 = line.split(' ').next().unwrap().parse().unwrap();
    assert!(time <= seen, "{seen}: {shown}");
}

#[test]
fn the_instance_has_the_size_of_the_window_and_gets_its_own_back() {
    let app = App::new(&format!("web: trap 'echo now $(stty size)' WINCH; {IDLE_ON}\n"));
    let running = start(&app);
    running.wait_for("| ready");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_for("now 30 100\r\n");
    for (rows, columns) in [(40, 120), (10, 30), (50, 500)] {
        terminal.keyboard.resize(rows, columns);
        terminal.wait_for(&format!("now {rows} {columns}\r\n"));
    }
    terminal.press("\x1d");
    terminal.finish();
    running.wait_for("| now 24 80\n");
    stop(&app, running);
}

#[test]
fn a_progress_bar_overwrites_itself() {
    let bar = "for i in 1 2 3; do printf '\\r%d%%' $i; done; read line; printf '\\rdone\\n'";
    let app = App::new(&format!("web: echo begun; read line; {bar}; {IDLE_ON}\n"));
    let running = start(&app);
    running.wait_for("| begun");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_until_raw();
    terminal.press("\r");
    terminal.wait_for("\r1%\r2%\r3%");
    terminal.press("\r");
    terminal.wait_for("\rdone\r\n");
    terminal.press("\x1d");
    terminal.finish();
    running.wait_for("done\n");
    stop(&app, running);
}

#[test]
fn much_that_is_typed_at_once_arrives_whole() {
    // More than a terminal holds, as a paste; it is counted as it comes.
    let app = App::new("web: stty -echo -icanon; echo begun; head -c 65536 | cksum; exec sleep 1000\n");
    let running = start(&app);
    running.wait_for("| begun");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_until_raw();
    terminal.press(&"0123456789abcde\n".repeat(4096));
    let expected = {
        app.file("paste", "0123456789abcde\n".repeat(4096));
        let output =
            app.command("cksum").stdin(std::fs::File::open(app.root().join("paste")).unwrap()).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    };
    terminal.wait_for(&expected);
    terminal.press("\x1d");
    terminal.finish();
    stop(&app, running);
}

#[test]
fn whoever_is_attached_is_told_how_it_ended() {
    let app = App::new(&format!("web: {ECHO}; exit 3\nworker: {IDLE_ON}\n"));
    for (request, expected) in [
        (&["restart", "web"][..], "web.1 terminated by SIGTERM"),
        (&["stop", "web"], "web.1 terminated by SIGTERM"),
        (&["scale", "web=0"], "web.1 terminated by SIGTERM"),
        (&["quit"], "web.1 terminated by SIGTERM"),
    ] {
        let running = start(&app);
        running.wait_for("| begun");
        running.wait_for("| ready");
        let mut terminal = Terminal::new(&app, "attach web --socket s");
        terminal.wait_until_raw();
        terminal.press("last words\r");
        terminal.wait_for("heard last words\r\n");
        let end = app.done(&[request, &["--socket", "s"]].concat());
        assert_eq!(end.status, Some(0), "{request:?}: {end:?}");
        let shown = terminal.finish();
        assert!(shown.contains(&format!("{expected}\r\nstatus 0")), "{request:?}: {shown}");
        running.wait_for("| heard last words\n");
        running.wait_for("web.1    | terminated by SIGTERM\n");
        if request == ["quit"] {
            assert_eq!(running.finish().status, Some(0));
            app.assert_nothing_is_left();
        } else {
            stop(&app, running);
        }
    }
}

#[test]
fn a_client_that_is_killed_or_stands_still_holds_up_nobody() {
    let app = App::new("web: echo begun; read line; seq 1 200000; echo end; read line; echo over\n");
    let running = start(&app);
    running.wait_for("| begun");
    let mut terminal = Terminal::new(&app, "attach web --socket s");
    terminal.wait_until_raw();
    let keeper = child_of(terminal.running.pid(), &["procman"]);
    let client = child_of(keeper, &["procman"]);
    kill(client, Signal::SIGSTOP).unwrap();
    wait_until("the client stands still", || state(client.as_raw()) == Some('T'));
    wait_until("the terminal is back meanwhile", || settings(&terminal.keyboard) == terminal.before);
    // Its keeper stands still with it, where a shell has no job control too. Continued before, it would stop afterwards.
    wait_until("its keeper stands still", || state(keeper.as_raw()) == Some('T'));
    kill(keeper, Signal::SIGCONT).unwrap();
    terminal.wait_until_raw();
    terminal.press("\r");
    terminal.wait_for("end\r\n");
    kill(client, Signal::SIGKILL).unwrap();
    let shown = terminal.finish();
    assert!(shown.contains("status 137"), "{shown}");
    // All that was held is there, or counted.
    running.wait_for("| end\n");
    let mut again = Terminal::new(&app, "attach web --socket s");
    again.wait_until_raw();
    again.press("\r");
    again.wait_for("web.1 exited with code 0");
    again.finish();
    running.wait_for("| over\n");
    running.finish();
    app.assert_nothing_is_left();
}

#[test]
fn what_has_no_terminal_cannot_be_attached_to() {
    let app = App::new(&format!("web: {IDLE_ON}\nworker: {IDLE_ON}\n"));
    let running = app.start(&["--no-timestamp", "--socket", "s", "-m", "web=2"]);
    running.wait_for_times("| ready", 2);
    for (name, expected) in [
        ("web.1", "procman: `web.1` has no terminal"),
        ("web", "procman: `web` has no terminal"),
        ("wep", "procman: unknown process `wep`"),
        ("worker", "procman: `worker` has no terminal"),
    ] {
        let shown = Terminal::new(&app, &format!("attach {name} --socket s")).finish();
        assert!(shown.contains(expected) && shown.contains("hint: "), "{shown}");
        assert!(shown.contains("status 1"), "{shown}");
    }
    stop(&app, running);
}

#[test]
fn who_waits_for_another_is_attached_to_once_it_is_started() {
    let app = App::new("db: read line < fifo; echo up; exec sleep 1000\nweb: read line; echo got $line\n");
    app.file("procman.toml", "[process.db]\nready = { log = 'up' }\n[process.web]\nneeds = ['db']\n");
    mkfifo(&app.root().join("fifo"), Mode::S_IRWXU).unwrap();
    let mut terminal = Terminal::new(&app, "start --no-timestamp --socket s --attach web");
    // Until then lines are shown.
    terminal.wait_for("web.1 waits for db");
    terminal.wait_for("web.1 is attached to when it is started");
    let other = Terminal::new(&app, "attach web.1 --socket s").finish();
    assert!(other.contains("procman: `web.1` waits for db"), "{other}");
    std::fs::write(app.root().join("fifo"), "").unwrap();
    terminal.wait_for("attached to web.1; ctrl-] detaches");
    terminal.wait_until_raw();
    terminal.press("this\r");
    terminal.wait_for("web.1 exited with code 0");
    let shown = terminal.finish();
    assert!(shown.contains("got this"), "{shown}");
    app.assert_nothing_is_left();
}

/// Starts attached to what is on another screen.
fn start_attached(app: &App, more: &str) -> Terminal {
    let terminal = Terminal::new(app, &format!("start --no-timestamp --socket s --attach web {more}"));
    terminal.wait_for("attached to web.1; ctrl-] detaches");
    terminal.wait_for("hello");
    terminal.wait_until_raw();
    terminal
}

#[test]
fn one_that_starts_attached_goes_on_as_any_other_after_detaching() {
    let app = App::new(&format!("web: {SCREEN}; {ECHO}\nworker: {IDLE_ON}\n"));
    let arguments = "start --no-timestamp --socket s --attach web";
    let wrong = Terminal::with_shell(&app, "export PROCMAN_DETACH_KEY=ctrl-1;", arguments).finish();
    assert!(
        wrong.contains("procman: PROCMAN_DETACH_KEY: `ctrl-1` is not a key") && wrong.contains("status 2")
    );
    let mut terminal = start_attached(&app, "");
    terminal.press("one\r");
    terminal.wait_for("heard one\r\n");
    terminal.keyboard.resize(40, 90);
    // To the instance it is a byte like any other, for procman would be an end.
    terminal.press("\x16\x03\r");
    terminal.wait_for("heard \x03\r\n");
    assert!(!terminal.running.output().contains(" | "), "{}", terminal.running.output());
    terminal.press("\x1d");
    terminal.wait_until_restored();
    terminal.wait_for("detached from web.1\r\n");
    for line in ["worker.1 | ready\r\n", "web.1    | started with pid ", "web.1    | heard one\r\n"] {
        terminal.wait_for(line);
    }
    // Somebody may attach again, from elsewhere.
    let mut other = Terminal::new(&app, "attach web --socket s");
    other.wait_until_raw();
    other.press("two\r");
    other.wait_for("heard two");
    other.press("\x1d");
    other.finish();
    terminal.wait_for("web.1    | heard two\r\n");
    terminal.press("\x03");
    let shown = terminal.finish();
    assert!(shown.contains("| SIGINT received") && shown.contains("status 0"), "{shown}");
    // Shown again, it takes no screen: that is over.
    assert_eq!(shown.matches("\x1b[?1049h").count(), 1, "{shown:?}");
    assert!(shown.contains("web.1    | \x1b[31mhellobegun"), "{shown:?}");
    app.assert_nothing_is_left();
}

#[test]
fn started_attached_the_terminal_is_put_back_when_the_instance_ends() {
    let app = App::new(&format!("web: {SCREEN}; read line; echo bye; exit 3\nworker: {IDLE_ON}\n"));
    for (more, status) in [("", "3"), ("--no-socket", "3")] {
        let mut terminal = start_attached(&app, more);
        terminal.press("\r");
        terminal.wait_until_restored();
        let before = terminal.before.clone();
        terminal.wait_for(&format!("status {status}"));
        assert_eq!(settings(&terminal.keyboard), before);
        let shown = terminal.finish();
        let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text:?} in {shown:?}"));
        assert!(at("web.1 exited with code 3\r\n") < at("web.1    | started with pid"), "{shown:?}");
        assert!(at("\x1b[?1049l") < at("worker.1 | started with pid"), "{shown:?}");
        at("web.1    | exited with code 3\r\n");
        at("worker.1 | terminated by SIGTERM\r\n");
        app.assert_nothing_is_left();
    }
}

/// Checks that the terminal is put back whatever happens to the guard and the supervisor.
#[track_caller]
fn check_restored(happen: impl FnOnce(Pid, Pid), status: &str) {
    let app = App::new(&format!("web: {SCREEN}; {IDLE_ON}\n"));
    let terminal = start_attached(&app, "");
    let guard = terminal.guard();
    happen(guard, supervisor_of(guard));
    terminal.wait_for(&format!("status {status}\r\n"));
    terminal.wait_until_restored();
    terminal.finish();
    app.wait_until_nothing_is_left();
}

#[test]
fn started_attached_the_terminal_is_put_back_when_procman_is_asked_to_end() {
    check_restored(|guard, _| kill(guard, Signal::SIGTERM).unwrap(), "0");
    check_restored(|guard, _| kill(guard, Signal::SIGHUP).unwrap(), "0");
    check_restored(|_, supervisor| kill(supervisor, Signal::SIGTERM).unwrap(), "0");
}

#[test]
fn started_attached_the_terminal_is_put_back_when_either_process_is_killed() {
    check_restored(|_, supervisor| kill(supervisor, Signal::SIGKILL).unwrap(), "137");
    check_restored(|guard, _| kill(guard, Signal::SIGKILL).unwrap(), "137");
}

#[test]
fn started_attached_the_terminal_is_put_back_while_procman_stands_still() {
    let app = App::new(&format!("web: {SCREEN}; {ECHO}\n"));
    // A shell with jobs, which gives the terminal back.
    let job =
        "set -m; start() { \"$0\" start --no-timestamp --socket s --attach web; echo stopped $?; fg; }; true";
    let script = format!(
        "{job} || \"$0\"; trap : INT; stty rows 30 cols 100; read line; start; echo status $?; read line; echo left"
    );
    let mut command = app.command("/bin/sh");
    command.arg("-c").arg(script).arg(procman()).env("TERM", "xterm").env("NO_COLOR", "1");
    let (running, mut keyboard) = app.run_on_terminal(command);
    let before = settings(&keyboard);
    keyboard.press("\n");
    let mut terminal = Terminal { running, keyboard, before };
    terminal.wait_for("hello");
    terminal.wait_until_raw();
    let guard = terminal.guard();
    kill(guard, Signal::SIGTSTP).unwrap();
    terminal.wait_for("stopped ");
    // `fg` follows at once, and the screen is the instance's again.
    wait_until("it goes on", || terminal.running.output().matches("\x1b[?1049h").count() >= 2);
    terminal.wait_until_raw();
    terminal.press("one\r");
    terminal.wait_for("heard one");
    terminal.press("\x1d");
    terminal.wait_until_restored();
    terminal.press("\x03");
    terminal.finish();
    app.assert_nothing_is_left();
}

#[test]
fn what_cannot_be_attached_to_is_said_before_anything_is_started() {
    let app = App::new("web: touch started\nworker: touch started\n");
    for (arguments, expected) in [
        (
            "--attach wep",
            "procman: unknown process `wep` to attach to; the formation has `web.1`, `worker.1`\r\n",
        ),
        (
            "-m web=2 --attach web",
            "procman: `web` has 2 instances to attach to\r\nhint: say which: `web.1`, `web.2`\r\n",
        ),
        (
            "-m web=2 --attach worker",
            "unknown process `worker` to attach to; the formation has `web.1`, `web.2`",
        ),
        ("--attach web --pty never", "procman: with `--pty never` there is no terminal to attach to\r\n"),
        ("--attach web < /dev/null", "procman: standard input is not a terminal\r\n"),
        ("--attach web > /dev/null", "procman: standard output is not a terminal\r\n"),
    ] {
        let shown = Terminal::new(&app, &format!("start {arguments}")).finish();
        assert!(shown.contains(expected) && shown.contains("status 1"), "{arguments}: {shown}");
    }
    assert!(!app.root().join("started").exists());
}

#[test]
fn in_the_background_nobody_attaches() {
    let app = App::new("web: touch started\n");
    let Ok(output) = app.command("sh").args(["-c", "set -m"]).output() else { return };
    if !output.status.success() {
        return skipped("this shell has no jobs");
    }
    let shown = Terminal::with_shell(&app, "set -m;", "start --attach web & wait $!").finish();
    assert!(shown.contains("procman: in the background there is no terminal to attach with"), "{shown}");
    assert!(!app.root().join("started").exists());
}
