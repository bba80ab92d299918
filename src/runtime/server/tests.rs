//! The control thread over real sockets, with a main loop that says what the test wants.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::control::protocol::{
    Answer, Call, Follow, Formation, Instance, Line, Outcome, Request, Size, State, Typed, VERSION, Wait,
};
use crate::control::wire::{self, LONGEST_CALL};
use crate::output::{Colour, Format, Returns, Source, Stamp, Style};
use crate::runtime::Terminals;
use crate::runtime::history::{History, Log};
use crate::runtime::pump::{Holder, Pump};
use crate::runtime::server::{Answers, Ask, Doors, Ending, Limits, Server, Services, may_ask};
#[cfg(target_os = "linux")]
use crate::sys::files;
use crate::sys::{pty, socket};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

const SMALL: pty::Size = pty::Size { rows: 24, columns: 60 };
const LARGE: Size = Size { rows: 50, columns: 200 };

struct World {
    _folder: TempDir,
    path: PathBuf,
    server: Option<Server>,
    history: History,
    terminals: Terminals,
    asks: UnboundedReceiver<Ask>,
}

impl World {
    fn new() -> World {
        World::within(Limits::default())
    }

    fn within(limits: Limits) -> World {
        World::after(limits, |_| {})
    }

    /// Lets something happen to the socket before it is served.
    fn after(limits: Limits, happens: impl FnOnce(&Path)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (sender, asks) = unbounded_channel();
        let listener = socket::listen_at(&path).unwrap();
        happens(&path);
        let history = History::new(256 * 1024);
        let terminals = Terminals::new(SMALL);
        let services = Services {
            asks: sender,
            history: history.clone(),
            terminals: terminals.clone(),
            holder: HOLDER.clone(),
        };
        let server = Server::start(Doors { listener: Some(listener), own: None }, services, limits).unwrap();
        World { _folder: folder, path, server: Some(server), history, terminals, asks }
    }

    fn connect(&self) -> Client {
        Client::new(&self.path)
    }

    /// Connects and asks, and returns what the main loop gets of it.
    fn ask(&mut self, request: Request) -> (Client, Ask) {
        let mut client = self.connect();
        client.ask(request);
        (client, self.asks.blocking_recv().unwrap())
    }

    /// Asks for logs, and lets the main loop say what there is if that is asked.
    fn follow(&mut self, names: &[&str], lines: Option<u64>, follow: Follow) -> Client {
        let mut client = self.connect();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let asks_more = !names.is_empty();
        client.ask(Request::Logs { names, lines, follow });
        if asks_more {
            let ask = self.asks.blocking_recv().unwrap();
            assert_eq!(ask.request, Request::Ps {});
            ask.answers.send(Answer::Formation(formation()));
        }
        client
    }

    /// Asks for a terminal, and lets the main loop say what there is.
    fn attach(&mut self, name: &str, formation: Formation) -> Client {
        let (client, ask) = self.ask(Request::Attach { name: name.to_owned(), size: LARGE });
        assert_eq!(ask.request, Request::Ps {});
        ask.answers.send(Answer::Formation(formation));
        client
    }

    /// Gives `web.1` a terminal and a record, and returns its end and that.
    fn terminal(&self) -> (File, Log) {
        let pair = pty::open(self.terminals.size()).unwrap();
        self.terminals.insert("web.1".to_owned(), pair.master);
        (pair.slave.into(), open(&self.history, "web.1"))
    }

    fn finish(&mut self, status: i32) {
        self.server.take().unwrap().finish(Ending { status, last: formation_of(&["web.7"]) });
    }

    /// Checks that a request is answered, whatever else is going on.
    #[track_caller]
    fn check_alive(&mut self) {
        let (mut client, ask) = self.ask(Request::Ps {});
        ask.answers.send(Answer::Done {});
        assert_eq!(client.answers(), [Answer::Done {}]);
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn new(path: &Path) -> Client {
        let stream = socket::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    fn ask(&mut self, request: Request) {
        self.say(wire::encode(&Call { version: VERSION, request }));
    }

    fn type_in(&mut self, text: &[u8]) {
        self.say(wire::encode(&Typed::Input { base64: wire::base64(text) }));
    }

    fn answer(&mut self) -> Option<Answer> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(wire::decode_answer(&line).unwrap()),
            // It was closed before all had been read that this side has said.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Returns all answers until the connection is closed.
    fn answers(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.answer()).collect()
    }

    #[track_caller]
    fn check_refused(&mut self, expected: &str) {
        match &self.answers()[..] {
            [Answer::Refused { message, .. }] => assert!(message.contains(expected), "{message}"),
            other => unreachable!("{other:?}"),
        }
    }
}

/// The holder of a pump that has nothing to show.
static HOLDER: LazyLock<Holder> = LazyLock::new(|| {
    let style = Style {
        format: Format::Text,
        colour: Colour::Off,
        returns: Returns::Kept,
        stamp: Stamp::Off,
        zone: TimeZone::UTC,
        width: 6,
    };
    let system = Source { name: "system".to_owned(), pid: 7, position: None };
    Pump::start(style, system, History::new(0), None).unwrap().0.holder()
});

/// One of `web.1`, which has a terminal, and none of `worker`.
fn formation() -> Formation {
    formation_of(&["web.1"])
}

fn formation_of(names: &[&str]) -> Formation {
    let instance = |name: &&str| Instance {
        name: (*name).to_owned(),
        process: "web".to_owned(),
        number: 1,
        state: State::Running,
        ready: None,
        waits_for: Vec::new(),
        returns_in: None,
        status: None,
        pid: Some(77),
        uptime: None,
        restarts: 0,
        port: None,
        cpu: None,
        memory: None,
        last_exit: None,
        terminal: true,
    };
    Formation {
        pid: 7,
        root: "/srv/shop".to_owned(),
        stopping: false,
        types: vec!["web".to_owned(), "worker".to_owned()],
        instances: names.iter().map(instance).collect(),
    }
}

fn write(log: &Log, bytes: &[u8]) {
    log.add(&mut bytes.to_vec(), bytes.len(), Timestamp::UNIX_EPOCH);
}

fn open(history: &History, name: &str) -> Log {
    history.open(&Source { name: name.to_owned(), pid: 77, position: Some(0) })
}

fn line(process: &str, message: &str) -> Answer {
    Answer::Line(Line {
        time: "1970-01-01T00:00:00.000000Z".to_owned(),
        process: process.to_owned(),
        position: Some(0),
        pid: 77,
        own: false,
        partial: false,
        message: Some(message.to_owned()),
        base64: None,
    })
}

fn outcome(instance: &str) -> Answer {
    Answer::Outcome(Outcome {
        instance: instance.to_owned(),
        ok: true,
        changed: true,
        text: "stopped".to_owned(),
    })
}

fn stop() -> Request {
    Request::Stop { names: vec!["web".to_owned()], wait: Wait::Outcome }
}

/// Waits until something is so.
#[track_caller]
fn wait_until(mut what: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < until, "it has not come about");
        std::thread::yield_now();
    }
}

#[test]
fn answers_come_in_order_up_to_the_last() {
    let mut world = World::new();
    let (mut client, ask) = world.ask(stop());
    assert_eq!(ask.request, stop());
    ask.answers.send(outcome("web.1"));
    assert_eq!(client.answer(), Some(outcome("web.1")));
    ask.answers.send(outcome("web.2"));
    ask.answers.send(Answer::Done {});
    ask.answers.send(outcome("web.3"));
    assert_eq!(client.answers(), [outcome("web.2"), Answer::Done {}]);
}

#[test]
fn the_end_of_what_is_said_ends_the_request_and_not_the_answers() {
    let mut world = World::new();
    let mut client = world.connect();
    client.say(wire::encode(&Call { version: VERSION, request: stop() }).trim_ascii_end());
    client.0.get_mut().shutdown(Shutdown::Write).unwrap();
    let ask = world.asks.blocking_recv().unwrap();
    assert_eq!(ask.request, stop());
    ask.answers.send(Answer::Done {});
    assert_eq!(client.answers(), [Answer::Done {}]);
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let mut world = World::new();
    let (client, ask) = world.ask(stop());
    assert!(ask.answers.is_heard());
    drop(client);
    wait_until(|| !ask.answers.is_heard());
    ask.answers.send(Answer::Done {});
    // And one that had said that it would say no more.
    let (client, ask) = world.ask(stop());
    client.0.get_ref().shutdown(Shutdown::Write).unwrap();
    drop(client);
    wait_until(|| !ask.answers.is_heard());
    world.check_alive();
}

#[test]
fn what_is_no_request_is_refused() {
    let mut world = World::new();
    for (said, expected) in [
        ("hello\n", "is not JSON"),
        ("\n", "is not JSON"),
        ("{\"version\":9}\n", "speaks version 1 of the protocol, and not 9"),
        ("{\"version\":1,\"request\":{\"dance\":{}}}\n", "there is no request `dance`"),
        ("\0\n", "NUL"),
    ] {
        let mut client = world.connect();
        client.say(said);
        client.check_refused(expected);
    }
    let mut client = world.connect();
    client.say("{\"version\":1,");
    client.0.get_mut().shutdown(Shutdown::Write).unwrap();
    client.check_refused("EOF while parsing");
    assert!(world.asks.try_recv().is_err(), "nothing of it is a request");
    world.check_alive();
}

#[test]
fn a_request_without_an_end_is_refused_at_its_limit() {
    let mut world = World::new();
    let mut client = world.connect();
    // As much as is taken; what comes after is not.
    client.say(vec![b'x'; LONGEST_CALL]);
    while client.0.get_mut().write(&[b'x'; 4096]).is_ok() {}
    client.check_refused("longer than 65536 bytes");
    world.check_alive();
}

#[test]
fn a_request_that_takes_too_long_is_refused() {
    let limits = Limits { request: Duration::from_millis(20), ..Limits::default() };
    let world = World::within(limits);
    let (mut silent, mut half) = (world.connect(), world.connect());
    half.say("{\"version\"");
    silent.check_refused("no whole request has come within 0.02 s");
    half.check_refused("no whole request has come within 0.02 s");
}

#[test]
fn the_oldest_that_asks_nothing_makes_room() {
    let mut world = World::within(Limits { connections: 4, ..Limits::default() });
    let (_client, asked) = world.ask(stop());
    let mut idle: Vec<Client> = (0..200).map(|_| world.connect()).collect();
    world.check_alive();
    for client in &mut idle[..197] {
        client.check_refused("more than 4 clients at once");
    }
    asked.answers.send(Answer::Done {});
}

#[test]
fn those_who_have_asked_keep_their_places() {
    let mut world = World::within(Limits { connections: 3, ..Limits::default() });
    let asked: Vec<(Client, Ask)> = (0..3).map(|_| world.ask(stop())).collect();
    world.connect().check_refused("more than 3 clients at once");
    // A place is taken until the main loop has done with the request, be the client gone.
    let mut asks: Vec<Ask> = asked.into_iter().map(|(_, ask)| ask).collect();
    wait_until(|| asks.iter().all(|ask| !ask.answers.is_heard()));
    world.connect().check_refused("more than 3 clients at once");
    asks.pop();
    world.check_alive();
}

#[test]
fn who_reads_no_answers_is_given_up_and_holds_up_nobody() {
    let mut world = World::within(Limits { answer: Duration::from_millis(20), ..Limits::default() });
    let (client, ask) = world.ask(stop());
    // More than the system keeps for it.
    (0..20_000).for_each(|_| ask.answers.send(outcome("web.1")));
    world.check_alive();
    wait_until(|| !ask.answers.is_heard());
    drop(client);
}

#[test]
fn all_who_wait_are_told_the_end() {
    let mut world = World::new();
    let (mut waits, ask) = world.ask(stop());
    let (mut was_told, told) = world.ask(Request::Quit { wait: Wait::Outcome });
    let mut idle = world.connect();
    // The place of the idle one is known to be taken once one that came later has been served.
    world.check_alive();
    ask.answers.send(outcome("web.1"));
    told.answers.send(Answer::Done {});
    drop(ask);
    world.finish(3);
    assert_eq!(waits.answers(), [outcome("web.1"), Answer::Finished { status: 3 }]);
    assert_eq!(was_told.answers(), [Answer::Done {}]);
    assert_eq!(idle.answers(), [Answer::Finished { status: 3 }]);
    assert!(!world.path.exists(), "the socket is gone");
}

#[test]
fn the_end_waits_for_nobody() {
    let mut world = World::within(Limits { farewell: Duration::from_millis(20), ..Limits::default() });
    let (_client, ask) = world.ask(stop());
    (0..20_000).for_each(|_| ask.answers.send(outcome("web.1")));
    let began = Instant::now();
    world.finish(0);
    // The default would let it sit there for longer.
    assert!(began.elapsed() < Limits::default().answer);
}

#[test]
fn a_server_that_is_dropped_leaves_nothing() {
    let mut world = World::new();
    let (mut client, _ask) = world.ask(stop());
    world.server = None;
    assert_eq!(client.answers(), []);
    assert!(!world.path.exists());
}

#[test]
fn a_main_loop_that_has_gone_leaves_the_word_to_the_end() {
    let mut world = World::new();
    let (mut client, ask) = world.ask(stop());
    drop(ask);
    world.asks.close();
    let mut late = world.connect();
    late.ask(stop());
    world.finish(7);
    assert_eq!(client.answers(), [Answer::Finished { status: 7 }]);
    assert!(matches!(late.answers()[..], [] | [Answer::Finished { status: 7 }]));
}

#[test]
fn a_socket_that_is_replaced_goes_on_and_stays() {
    let mut world = World::new();
    let mut client = world.connect();
    std::fs::remove_file(&world.path).unwrap();
    std::fs::write(&world.path, "precious").unwrap();
    client.ask(stop());
    world.asks.blocking_recv().unwrap().answers.send(Answer::Done {});
    assert_eq!(client.answers(), [Answer::Done {}]);
    world.finish(0);
    assert_eq!(std::fs::read_to_string(&world.path).unwrap(), "precious");
}

/// `PROCMAN_MALFORMED=100000` tries as many.
#[test]
fn malformed_requests_change_nothing() {
    let count = std::env::var("PROCMAN_MALFORMED").ok().and_then(|count| count.parse().ok());
    let count: u32 = count.unwrap_or(500);
    let mut world = World::new();
    let call = wire::encode(&Call { version: VERSION, request: stop() });
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..count {
        let mut said = match number % 5 {
            0 => (0..random.usize(..200)).map(|_| random.u8(..)).collect(),
            1 => call[..random.usize(..call.len() - 2)].to_vec(),
            2 => [&b"{\"version\":1,\"request\":"[..], &b"[".repeat(random.usize(17..60_000))].concat(),
            3 => {
                let mut said = call.clone();
                said[random.usize(..call.len() - 1)] = random.choice(*b"\0\xff").unwrap();
                said
            }
            _ => [&b"{\"version\":1,"[..], &call[1..]].concat(),
        };
        said.push(b'\n');
        let mut client = world.connect();
        // It may be refused before all of it has been said.
        let _ = client.0.get_mut().write_all(&said);
        let _ = client.0.get_mut().shutdown(Shutdown::Write);
        if random.u8(..8) > 0 {
            let mut answer = Vec::new();
            let _ = client.0.read_to_end(&mut answer);
            assert!(answer.starts_with(b"{\"refused\":") || said == b"\n", "{}", said.escape_ascii());
        }
    }
    assert!(world.asks.try_recv().is_err(), "nothing of it is a request");
    world.check_alive();
}

#[test]
fn logs_end_with_what_there_is() {
    let mut world = World::new();
    let log = open(&world.history, "web.1");
    write(&log, b"one\ntwo\n\xff\nhalf");
    let mut client = world.follow(&[], None, Follow::Off);
    let answers = client.answers();
    assert_eq!(answers[..2], [line("web.1", "one"), line("web.1", "two")]);
    assert!(matches!(&answers[2], Answer::Line(line) if line.base64.as_deref() == Some("/w==")));
    assert!(matches!(&answers[3], Answer::Line(line) if line.message.as_deref() == Some("half")));
    assert_eq!(answers[4..], [Answer::Done {}]);
    let mut client = world.follow(&["worker"], None, Follow::Off);
    assert_eq!(client.answers(), [Answer::Done {}], "of a type without instances there is nothing");
}

#[test]
fn whoever_asks_is_told_how_everything_was_at_the_end() {
    let mut world = World::new();
    let mut client = world.connect();
    client.ask(Request::Last {});
    world.check_alive();
    world.finish(3);
    let last = Answer::Formation(formation_of(&["web.7"]));
    assert_eq!(client.answers(), [last, Answer::Finished { status: 3 }]);
}

#[test]
fn logs_go_on_until_the_formation_has_ended() {
    let mut world = World::new();
    let log = open(&world.history, "web.1");
    write(&log, b"one\ntwo\n");
    let mut client = world.follow(&["web"], Some(1), Follow::On);
    assert_eq!(client.answer(), Some(line("web.1", "two")));
    write(&log, b"three\n");
    assert_eq!(client.answer(), Some(line("web.1", "three")));
    write(&open(&world.history, "worker.1"), b"not asked for\n");
    write(&log, b"last\n");
    world.history.close();
    world.finish(4);
    assert_eq!(client.answers(), [line("web.1", "last"), Answer::Finished { status: 4 }]);
}

#[test]
fn logs_of_nobody_are_refused_with_the_names_there_are() {
    let mut world = World::new();
    open(&world.history, "web.2");
    for name in ["wbe", "web.3", ""] {
        let mut client = world.follow(&["web.1", name], None, Follow::On);
        let message = format!("unknown process `{name}`");
        let hint = Some("known are `web`, `worker`, `web.1`, `system`".to_owned());
        assert_eq!(client.answers(), [Answer::Refused { message, hint }]);
    }
    // One that has been scaled away is known by what it has written.
    let mut client = world.follow(&["system", "web.2"], None, Follow::Off);
    assert_eq!(client.answers(), [Answer::Done {}]);
}

#[test]
fn fifty_follow_one_and_miss_nothing() {
    let mut world = World::new();
    let log = open(&world.history, "web.1");
    let mut clients: Vec<Client> = (0..50).map(|_| world.follow(&[], None, Follow::On)).collect();
    for number in 0..1000 {
        write(&log, format!("{number}\n").as_bytes());
    }
    for client in &mut clients {
        for number in 0..1000 {
            assert_eq!(client.answer(), Some(line("web.1", &number.to_string())));
        }
    }
    drop(clients);
    world.check_alive();
}

#[test]
fn a_follower_that_does_not_read_loses_lines_for_itself_alone() {
    let mut world = World::new();
    let log = open(&world.history, "web.1");
    let mut slow = world.follow(&[], None, Follow::On);
    let mut quick = world.follow(&[], None, Follow::On);
    let text = "x".repeat(999);
    for number in 0..5000 {
        write(&log, format!("{text}\n").as_bytes());
        assert_eq!(quick.answer(), Some(line("web.1", &text)), "{number}");
    }
    world.history.close();
    drop(quick);
    // The end comes once the slow one has read it, which it does now.
    let mut skipped = 0;
    let mut read = 0;
    while read + skipped < 5000 {
        match slow.answer() {
            Some(Answer::Line(_)) => read += 1,
            Some(Answer::Skipped { process, lines }) => {
                assert_eq!(process, "web.1");
                skipped += lines;
            }
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(read + skipped, 5000);
    assert!(skipped > 0);
    world.finish(0);
    assert_eq!(slow.answers(), [Answer::Finished { status: 0 }]);
}

fn attached() -> Answer {
    Answer::Attached { instance: "web.1".to_owned(), pid: 77 }
}

fn output(text: &str) -> Answer {
    Answer::Output { base64: wire::base64(text.as_bytes()) }
}

#[test]
fn a_terminal_goes_both_ways() {
    let mut world = World::new();
    let (mut terminal, log) = world.terminal();
    log.say("started with pid 77", Timestamp::UNIX_EPOCH);
    write(&log, b"name? ");
    let mut client = world.attach("web", formation());
    assert_eq!(client.answer(), Some(attached()));
    assert_eq!(client.answer(), Some(output("name? ")));
    client.type_in(b"Ada\n");
    let mut typed = [0; 64];
    assert_eq!(terminal.read(&mut typed).unwrap(), 4);
    assert_eq!(&typed[..4], b"Ada\n");
    write(&log, b"hello\r\n");
    assert_eq!(client.answer(), Some(output("hello\r\n")));
    world.attach("web.1", formation()).check_refused("somebody else is attached");
    drop(client);
    // As soon as it has been noticed that one is gone, another may come.
    wait_until(|| world.attach("web.1", formation()).answer() == Some(attached()));
}

#[test]
fn the_end_of_an_instance_is_told_to_who_is_attached() {
    let mut world = World::new();
    let (_terminal, log) = world.terminal();
    let mut client = world.attach("web.1", formation());
    assert_eq!(client.answer(), Some(attached()));
    log.say("said of it", Timestamp::UNIX_EPOCH);
    write(&log, b"bye");
    assert_eq!(client.answer(), Some(output("bye")));
    world.terminals.remove("web.1");
    log.say_end("exited with code 1", Timestamp::UNIX_EPOCH);
    let ended = Answer::Ended { exit: "exited with code 1".to_owned() };
    assert_eq!(client.answers(), [ended, Answer::Done {}]);
}

#[test]
fn the_end_of_the_formation_is_told_to_who_is_attached() {
    let mut world = World::new();
    let (_terminal, log) = world.terminal();
    let mut client = world.attach("web.1", formation());
    assert_eq!(client.answer(), Some(attached()));
    write(&log, b"bye");
    world.history.close();
    world.finish(6);
    assert_eq!(client.answers(), [output("bye"), Answer::Finished { status: 6 }]);
}

#[test]
fn who_types_what_is_not_understood_is_told_and_detached() {
    let mut world = World::new();
    let (_terminal, _log) = world.terminal();
    for said in ["hello\n", "{\"input\":{\"base64\":\"?\"}}\n", "{\"dance\":{}}\n"] {
        let mut client = world.attach("web.1", formation());
        assert_eq!(client.answer(), Some(attached()), "the one before is detached");
        client.say(said);
        assert!(matches!(client.answers()[..], [Answer::Refused { .. }]));
    }
}

#[test]
fn who_types_far_ahead_and_leaves_is_noticed() {
    let mut world = World::new();
    let (_terminal, _log) = world.terminal();
    let mut client = world.attach("web.1", formation());
    assert_eq!(client.answer(), Some(attached()));
    client.0.get_ref().set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let line = wire::encode(&Typed::Input { base64: wire::base64(&b"x\n".repeat(4000)) });
    while client.0.get_mut().write_all(&line).is_ok() {}
    drop(client);
    wait_until(|| world.attach("web.1", formation()).answer() == Some(attached()));
}

#[test]
fn what_cannot_be_attached_to_is_refused() {
    let mut world = World::new();
    world.attach("wbe", formation()).check_refused("unknown process `wbe`");
    world.attach("web.2", formation()).check_refused("unknown process `web.2`");
    world.attach("worker", formation()).check_refused("`worker` has no terminal");
    for (state, expected) in [
        (State::Waiting, "`web.1` waits for db"),
        (State::Starting, "`web.1` is about to be started"),
        (State::BackingOff, "`web.1` has ended, and is started again in a while"),
        (State::Down, "`web.1` is down"),
    ] {
        let mut formation = formation();
        let instance = &mut formation.instances[0];
        (instance.state, instance.pid, instance.terminal) = (state, None, false);
        instance.waits_for = vec!["db".to_owned()];
        for name in ["web.1", "web"] {
            world.attach(name, formation.clone()).check_refused(expected);
        }
    }
    // Where there is one according to the main loop, it may just have gone.
    world.attach("web.1", formation()).check_refused("cannot attach to `web.1`: it has no terminal");
    let mut client = world.attach("web", formation_of(&["web.1", "web.2"]));
    let message = "`web` has 2 instances to attach to".to_owned();
    let hint = Some("say which: `web.1`, `web.2`".to_owned());
    assert_eq!(client.answers(), [Answer::Refused { message, hint }]);
}

#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "the gate counts what was skipped")]
fn another_user_gets_no_word_even_if_the_mode_was_loosened() {
    if files::own_user() != 0 {
        return eprintln!("skipped: only root can be another user");
    }
    let mut world = World::new();
    for path in [world.path.as_path(), world.path.parent().unwrap()] {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let answers = socket::as_user(65534, || {
        let mut stranger = world.connect();
        let _ = stranger.0.get_mut().write_all(&wire::encode(&Call { version: VERSION, request: stop() }));
        stranger.answers()
    });
    assert_eq!(answers, []);
    assert!(world.asks.try_recv().is_err());
    world.check_alive();
}

/// Only what went afterwards is told by inotify: whoever removed it earlier had left a procman that nobody found.
#[cfg(all(target_os = "linux", not(procman_portable)))]
#[test]
fn a_socket_that_went_before_it_was_watched_is_there_again() {
    let mut world = World::after(Limits::default(), |path| std::fs::remove_file(path).unwrap());
    let began = Instant::now();
    while socket::connect(&world.path).is_err() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    world.check_alive();
}

#[test]
fn only_the_same_user_and_root_may_ask() {
    assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
    assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
}

#[test]
fn a_handle_leads_to_its_receiver() {
    let (answers, mut receiver) = Answers::channel();
    answers.send(Answer::Done {});
    assert_eq!(receiver.blocking_recv(), Some(Answer::Done {}));
    drop(receiver);
    assert!(!answers.is_heard());
}
