//! `procman.toml` and `.foreman`: a key sets its option or is reported where it lies; what is written of the options
//! is read as the same, by either; line ends, byte order mark and comments mean nothing.

use std::path::Path;
use std::time::Duration;

use procman::config::process::{Budget, Count, Process, Processes};
use procman::config::{
    ByteSize, ColorChoice, EnvPrecedence, Flag, LogFormat, Options, Port, PtyChoice, Socket, Timeout,
    Timestamp,
};
use procman::config::{Fault, from_foreman, from_toml};
use procman::policy::{Health, OnExit, Probe, Readiness, Restart, Sign};

use super::text::{check_message, commented, dos, introduced, marked, place, unix};

/// Checks everything for one `procman.toml`.
pub fn check_toml(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let result = from_toml(text);
    let table = text.parse::<toml::Table>();
    match &result {
        Ok(options) => {
            let table = table.as_ref().expect("what is read is TOML");
            let set: Vec<&str> = keys(options);
            assert!(table.keys().all(|key| set.contains(&key.as_str())), "no key is lost: {table}");
            assert!(set.iter().all(|key| table.contains_key(*key)), "nothing else is set: {table}");
            check_options(options);
        }
        Err(error) => {
            check_message(&error.message);
            let (before, rest) = place(text.as_bytes(), error.line, error.column);
            if let Some(unknown) = error.message.strip_prefix("unknown key `") {
                let key = unknown.split(['`', '…']).next().unwrap_or_default();
                let is_there = rest.starts_with(key) || rest.starts_with(['"', '\'']);
                assert!(is_there, "`{key}` stands between {before:?} and {rest:?}");
            }
        }
    }
    let again = |text: Vec<u8>| from_toml(&String::from_utf8_lossy(&text));
    assert_eq!(again(marked(text.as_bytes())), result, "a byte order mark vanishes");
    // A carriage return at the very end would become one before a newline, which it may be.
    let plain = unix(text.as_bytes());
    assert_eq!(again(commented(&plain)).ok(), again(plain.clone()).ok(), "a comment says nothing");
    let lower = again(introduced(text.as_bytes()));
    let lower = lower.map_err(|error| (error.line - 1, error.column, error.message));
    let result = result.map_err(|error| (error.line, error.column, error.message));
    assert_eq!(lower, result, "a comment says nothing");
    // In a text of several lines, line ends are a part of the value.
    if !text.contains("'''") && !text.contains("\"\"\"") {
        // An escaped line end is told in other words for each of the two.
        let read = |text| again(text).map_err(|error| error.line);
        assert_eq!(read(dos(&plain)), read(plain), "carriage returns vanish");
    }
}

/// Checks everything for one `.foreman`.
pub fn check_foreman(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let (options, faults) = from_foreman(text);
    check_options(&options);
    for fault in &faults {
        check_message(&fault.kind.to_string());
        let (_, line) = place(text.as_bytes(), fault.line, 1);
        assert!(!line.trim().is_empty() && !line.trim().starts_with('#'), "{fault:?} in {line:?}");
    }
    assert!(faults.is_sorted_by(|one, next| one.line < next.line));

    let told: Vec<Fault> =
        (1..).zip(text.split('\n')).flat_map(|(line, text)| told_alone(line, text)).collect();
    assert_eq!(faults, told, "each line is told on its own");
    let again = |text: Vec<u8>| from_foreman(&String::from_utf8_lossy(&text));
    let result = (options, faults);
    assert_eq!(again(dos(&unix(text.as_bytes()))), result, "carriage returns vanish");
    assert_eq!(again(marked(text.as_bytes())), result, "a byte order mark vanishes");
    assert_eq!(again(commented(text.as_bytes())), result, "a comment says nothing");
    let (options, mut faults) = again(introduced(text.as_bytes()));
    faults.iter_mut().for_each(|fault| fault.line -= 1);
    assert_eq!((options, faults), result, "a comment says nothing");
}

/// Returns the fault of a line; one that has none sets at most one option.
fn told_alone(line: usize, text: &str) -> Option<Fault> {
    // Only at the start of a file is a byte order mark one.
    let (options, faults) = if line == 1 { from_foreman(text) } else { from_foreman(&format!("\n{text}")) };
    assert!(keys(&options).len() + faults.len() <= 1, "one line, one option: {text:?}");
    faults.into_iter().next().map(|fault| Fault { line, ..fault })
}

/// Checks what holds for options wherever they come from.
fn check_options(options: &Options) {
    let none = Options::default();
    assert_eq!(&options.clone().or(none.clone()), options);
    assert_eq!(&none.or(options.clone()), options);
    assert_eq!(from_toml(&written(options, Form::Toml)).as_ref(), Ok(options), "what is written is read");
    if fits_foreman(options) {
        let (read, faults) = from_foreman(&written(options, Form::Foreman));
        assert_eq!((&read, faults), (options, vec![]), "what is written is read");
    }
}

/// Returns whether a `.foreman` can say the same: in flat lines, with commas between files.
fn fits_foreman(options: &Options) -> bool {
    let texts = [options.formation.as_deref(), options.procfile.as_deref().map(shown)];
    let paths = [&options.root, &options.log, &options.run, &options.template];
    let paths = paths.into_iter().map(|path| path.as_deref().map(shown));
    let texts = texts.into_iter().chain(paths).chain([timestamp_format(options)]).flatten();
    let files = options.env.iter().flatten().map(|file| shown(file));
    let is_listable = |file: &str| !file.is_empty() && !file.contains(',') && file.trim() == file;
    let is_line = |text: &str| !text.contains(['\n', '\r']);
    let is_said = options.env_precedence.is_none() && options.log_format.is_none() && options.pty.is_none();
    let log = options.log_buffer.is_none() && options.log_file.is_none() && options.log_size.is_none();
    let lives = options.restart.is_none() && options.keep_going.is_none() && options.processes.is_empty();
    let waits = options.wait_services.is_none() && options.wait_timeout.is_none();
    let is_said = is_said && log && lives && waits && options.socket.is_none();
    is_said && files.clone().all(is_listable) && texts.chain(files).all(is_line)
}

/// Returns the keys that are set. Every option stands here, so that none can be forgotten.
fn keys(options: &Options) -> Vec<&'static str> {
    let Options {
        procfile,
        root,
        env,
        port,
        env_precedence,
        formation,
        timeout,
        restart,
        keep_going,
        wait_services,
        wait_timeout,
        timestamp,
        color,
        log_format,
        pty,
        log_buffer,
        log_file,
        log_size,
        socket,
        app,
        log,
        run,
        user,
        template,
        processes,
    } = options;
    let set = [
        ("procfile", procfile.is_some()),
        ("root", root.is_some()),
        ("env", env.is_some()),
        ("port", port.is_some()),
        ("env-precedence", env_precedence.is_some()),
        ("formation", formation.is_some()),
        ("timeout", timeout.is_some()),
        ("restart", restart.is_some()),
        ("keep-going", keep_going.is_some()),
        ("wait-services", wait_services.is_some()),
        ("wait-timeout", wait_timeout.is_some()),
        ("timestamp", timestamp.is_some()),
        ("color", color.is_some()),
        ("log-format", log_format.is_some()),
        ("pty", pty.is_some()),
        ("log-buffer", log_buffer.is_some()),
        ("log-file", log_file.is_some()),
        ("log-size", log_size.is_some()),
        ("socket", socket.is_some()),
        ("app", app.is_some()),
        ("log", log.is_some()),
        ("run", run.is_some()),
        ("user", user.is_some()),
        ("template", template.is_some()),
        ("process", !processes.is_empty()),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

#[derive(Clone, Copy)]
enum Form {
    Toml,
    Foreman,
}

/// Returns a file that sets these options.
fn written(options: &Options, form: Form) -> String {
    let quoted = |text: &str| match form {
        Form::Toml => toml::Value::from(text).to_string(),
        Form::Foreman => format!("'{}'", text.replace('\'', "''")),
    };
    let sign = match form {
        Form::Toml => " = ",
        Form::Foreman => ": ",
    };
    let line = |key: &str| {
        let value = match key {
            "procfile" => quoted(shown(options.procfile.as_deref()?)),
            "root" => quoted(shown(options.root.as_deref()?)),
            "env" => {
                let files: Vec<&str> = options.env.iter().flatten().map(|file| shown(file)).collect();
                match form {
                    Form::Toml => toml::Value::from(files).to_string(),
                    Form::Foreman => quoted(&files.join(",")),
                }
            }
            "port" => options.port.map(|Port(port)| port.to_string())?,
            "env-precedence" => quoted(match options.env_precedence? {
                EnvPrecedence::File => "file",
                EnvPrecedence::Shell => "shell",
            }),
            "formation" => quoted(options.formation.as_deref()?),
            "timeout" => quoted(&options.timeout.map(|Timeout(time)| seconds(time))?),
            "restart" => quoted(word_of_restart(options.restart?)),
            "keep-going" => options.keep_going?.0.to_string(),
            "wait-services" => options.wait_services?.0.to_string(),
            "wait-timeout" => quoted(&options.wait_timeout.map(|Timeout(time)| seconds(time))?),
            "timestamp" => match options.timestamp.as_ref()? {
                Timestamp::Off => "false".to_owned(),
                Timestamp::Default => "true".to_owned(),
                Timestamp::Format(format) => quoted(format),
            },
            "color" => quoted(match options.color? {
                ColorChoice::Auto => "auto",
                ColorChoice::Always => "always",
                ColorChoice::Never => "never",
            }),
            "log-format" => quoted(match options.log_format? {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
                LogFormat::Raw => "raw",
            }),
            "pty" => quoted(word_of_pty(options.pty?)),
            "log-buffer" => options.log_buffer.map(|ByteSize(bytes)| bytes.to_string())?,
            "log-file" => quoted(shown(options.log_file.as_deref()?)),
            "log-size" => options.log_size.map(|ByteSize(bytes)| bytes.to_string())?,
            "socket" => match options.socket.as_ref()? {
                Socket::Off => "false".to_owned(),
                Socket::At(path) => quoted(shown(path)),
            },
            "app" => quoted(options.app.as_ref()?.as_str()),
            "log" => quoted(shown(options.log.as_deref()?)),
            "run" => quoted(shown(options.run.as_deref()?)),
            "user" => quoted(options.user.as_ref()?.as_str()),
            "template" => quoted(shown(options.template.as_deref()?)),
            "process" => return Some(tables(&options.processes)),
            _ => return None,
        };
        Some(format!("{key}{sign}{value}\n"))
    };
    keys(options).into_iter().filter_map(line).collect()
}

/// Returns the tables of types, which come last in a file.
fn tables(processes: &Processes) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let table = |name: &str, process: &Process| {
        let Process {
            count,
            restart,
            restart_budget,
            stop_signal,
            grace,
            on_exit,
            needs,
            ready,
            health,
            pty,
            one_shot,
        } = process;
        let needs: Vec<&str> = needs.iter().map(|need| need.get_ref().as_str()).collect();
        let lines = [
            count.map(|Count(count)| format!("count = {count}")),
            restart.map(|restart| format!("restart = {}", quoted(word_of_restart(restart)))),
            restart_budget.map(|Budget(budget)| format!("restart-budget = {budget}")),
            stop_signal.map(|signal| format!("stop-signal = {}", signal.0)),
            grace.map(|Timeout(time)| format!("grace = {}", quoted(&seconds(time)))),
            on_exit.map(|on_exit| match on_exit {
                OnExit::StopAll => "on-exit = 'stop-all'".to_owned(),
                OnExit::Ignore => "on-exit = 'ignore'".to_owned(),
            }),
            Some(format!("needs = {}", toml::Value::from(needs))),
            ready.as_ref().map(|ready| {
                let Readiness { sign, interval, timeout, deadline } = ready.get_ref();
                let sign = match sign {
                    Sign::Probe(probe) => written_probe(probe),
                    Sign::Log(pattern) => format!("log = {}", quoted(pattern)),
                    Sign::Notify => "notify = true".to_owned(),
                };
                let [interval, timeout, deadline] = [interval, timeout, deadline].map(|time| quoted(&seconds(*time)));
                format!("ready = {{ {sign}, interval = {interval}, timeout = {timeout}, deadline = {deadline} }}")
            }),
            health.as_ref().map(|health| {
                let Health { probe, interval, timeout, failures } = health.get_ref();
                let [interval, timeout] = [interval, timeout].map(|time| quoted(&seconds(*time)));
                let probe = written_probe(probe);
                format!("health = {{ {probe}, interval = {interval}, timeout = {timeout}, failures = {failures} }}")
            }),
            pty.map(|pty| format!("pty = {}", quoted(word_of_pty(pty)))),
            one_shot.map(|Flag(is_one_shot)| format!("one-shot = {is_one_shot}")),
        ];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        format!("[process.{}]\n{}\n", basic(name), lines.join("\n"))
    };
    processes.iter().map(|(name, process)| table(name.get_ref(), process)).collect()
}

fn written_probe(probe: &Probe) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    match probe {
        Probe::Port => "port = true".to_owned(),
        Probe::Http { target, status: Some(status) } => {
            format!("http = {}, status = {status}", quoted(target))
        }
        Probe::Http { target, status: None } => format!("http = {}", quoted(target)),
        Probe::Exec(command) => format!("exec = {}", quoted(command)),
    }
}

/// Returns a key in quotes, which a text of several lines may not be.
fn basic(text: &str) -> String {
    let escaped: String = text.chars().map(|character| format!("\\U{:08X}", u32::from(character))).collect();
    format!("\"{escaped}\"")
}

fn word_of_restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Never => "never",
        Restart::OnFailure => "on-failure",
        Restart::Always => "always",
    }
}

fn word_of_pty(pty: PtyChoice) -> &'static str {
    match pty {
        PtyChoice::Auto => "auto",
        PtyChoice::Always => "always",
        PtyChoice::Never => "never",
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path from a text is a text")
}

fn timestamp_format(options: &Options) -> Option<&str> {
    match options.timestamp.as_ref()? {
        Timestamp::Format(format) => Some(format),
        Timestamp::Off | Timestamp::Default => None,
    }
}

fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}
