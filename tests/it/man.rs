//! `man/procman.1`: made of `man/procman.1.in` and of what the command line says about itself.
//!
//! `PROCMAN_BLESS=1 cargo test` writes it anew.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use procman::control::wire;

use crate::support::{bless_or_compare, repository, skipped};

const TEMPLATE: &str = include_str!("../../man/procman.1.in");

#[test]
fn the_man_page_is_what_the_command_line_says() {
    bless_or_compare(&repository().join("man/procman.1"), &page());
}

#[test]
fn the_man_page_names_every_option_and_variable() {
    let page = page();
    let mut command = procman::cli::command();
    command.build();
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        for argument in command.get_arguments() {
            let long = argument.get_long().map(|long| format!("--{long}").replace('-', "\\-"));
            let variable = argument.get_env().map(|variable| variable.to_str().unwrap().to_owned());
            for name in long.into_iter().chain(variable) {
                assert!(page.contains(&name), "no {name} in the man page");
            }
            let has_variable = argument.get_env().is_some();
            // To `start`, the socket in its environment is that of the procman above it.
            let is_anothers = command.get_name() == "start" && argument.get_id() == "socket";
            let needs_one = argument.get_action().takes_values() && !argument.is_positional() && !is_anothers;
            assert_eq!(has_variable, needs_one, "PROCMAN_… of {argument}");
        }
    }
}

#[test]
fn the_man_page_renders_without_a_warning() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(page().as_bytes()).unwrap();
    let groff = ["-man", "-Tutf8", "-ww", "-z"];
    for (program, arguments) in [("groff", &groff[..]), ("mandoc", &["-Tlint", "-Wwarning"])] {
        let output = Command::new(program).args(arguments).arg(file.path()).stdin(Stdio::null()).output();
        let Ok(output) = output else {
            skipped(&format!("there is no {program} to render the man page with"));
            continue;
        };
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{program}");
    }
}

#[test]
fn the_man_page_has_an_example_of_everything_that_goes_over_the_socket() {
    let protocol = TEMPLATE.split_once(".SH PROTOCOL").unwrap().1.split_once("\n.SH ").unwrap().0;
    let examples = protocol.split(".EX\n").skip(1).map(|rest| rest.split_once("\n.EE").unwrap().0);
    // What goes on with a blank is one line.
    let examples: Vec<String> = examples
        .flat_map(|text| text.replace("\n ", "").lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.replace("\\(dq", "\"").replace("\\-", "-"))
        .collect();
    let mut seen = BTreeSet::new();
    for example in &examples {
        let line = example.as_bytes();
        let value: serde_json::Value = serde_json::from_str(example).unwrap();
        let named = value.get("request").unwrap_or(&value);
        seen.insert(named.as_object().unwrap().keys().next().unwrap().clone());
        let understood = [
            wire::decode_call(line).map(|call| serde_json::to_value(call).unwrap()),
            wire::decode_typed(line).map(|typed| serde_json::to_value(typed).unwrap()),
            wire::decode_answer(line).map(|answer| serde_json::to_value(answer).unwrap()),
        ];
        let understood = understood.into_iter().find_map(Result::ok);
        assert_eq!(understood, Some(value), "{example}");
    }
    let answers = [
        "formation",
        "outcome",
        "done",
        "refused",
        "finished",
        "line",
        "skipped",
        "attached",
        "output",
        "missed",
        "ended",
        "input",
        "resize",
    ];
    let all: BTreeSet<String> =
        wire::REQUESTS.iter().chain(&answers).map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, all);
}

/// Returns the man page.
fn page() -> String {
    let mut page = String::new();
    let mut told = BTreeSet::new();
    for line in TEMPLATE.lines().skip_while(|line| line.starts_with(r#".\""#)) {
        match line.strip_prefix('@') {
            Some("title") => page.push_str(&title()),
            Some("name") => page.push_str(&section(Man::render_name_section)),
            Some("synopsis") => page.push_str(&synopsis()),
            Some("options") => page.push_str(&options(&procman::cli::command(), &mut told)),
            Some("variables") => page.push_str(&variables()),
            Some(directive) => {
                let name = directive.strip_prefix("options ").unwrap();
                page.push_str(&options(procman::cli::command().find_subcommand(name).unwrap(), &mut told));
            }
            None => {
                page.push_str(line);
                page.push('\n');
            }
        }
    }
    page
}

fn title() -> String {
    let mut title = Vec::new();
    let man = Man::new(procman::cli::command()).title("PROCMAN").manual("User Commands");
    man.render_title(&mut title).unwrap();
    format!(
        ".\\\" Made by tests/it/man.rs of procman.1.in: edit that.\n{}",
        String::from_utf8(title).unwrap()
    )
}

/// Returns a section of clap_mangen's without its heading.
fn section(render: impl FnOnce(&Man, &mut dyn Write) -> io::Result<()>) -> String {
    without_heading(Man::new(procman::cli::command()), render)
}

fn without_heading(man: Man, render: impl FnOnce(&Man, &mut dyn Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    render(&man, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let body = text.split_once(".SH ").unwrap().1.split_once('\n').unwrap().1;
    body.to_owned()
}

/// Returns the usage of each command.
fn synopsis() -> String {
    let mut command = procman::cli::command();
    let mut roff = Roff::new();
    for command in command.get_subcommands_mut() {
        let usage = command.render_usage().to_string();
        let usage = usage.strip_prefix("Usage: ").unwrap();
        let (start, rest) = usage.split_at(usage.match_indices(' ').nth(1).map_or(usage.len(), |(at, _)| at));
        roff.text([bold(start), roman(rest.to_lowercase())]).control("br", []);
    }
    roff.to_roff()
}

/// Returns the options of a command that have not been told of with another one.
fn options(command: &clap::Command, told: &mut BTreeSet<String>) -> String {
    let is_root = command.get_name() == "procman";
    // Help and version belong to the program, though every command has the one and none the other.
    let is_own = |argument: &&clap::Arg| match argument.get_long() {
        Some("help" | "version") => is_root,
        Some(_) => argument.is_global_set() == is_root,
        None => false,
    };
    let mut is_new = |argument: &&clap::Arg| told.insert(argument.get_long().unwrap().to_owned());
    let own = command
        .get_arguments()
        .filter(is_own)
        .filter(&mut is_new)
        .map(|argument| argument.clone().help_heading(None::<&str>));
    let only = clap::Command::new("procman").version("0").disable_help_flag(true).disable_version_flag(true);
    without_heading(Man::new(only.args(own)), Man::render_options_section)
}

/// Returns which variable stands for which option.
fn variables() -> String {
    let command = procman::cli::command();
    let mut roff = Roff::new();
    let of_commands = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let own = of_commands.filter(|argument| !argument.is_global_set());
    let mut told = BTreeSet::new();
    for argument in command.get_arguments().chain(own) {
        let Some(variable) = argument.get_env() else { continue };
        let variable = variable.to_str().unwrap();
        if !told.insert(variable) {
            continue;
        }
        let value = argument.get_value_names().unwrap()[0].as_str();
        roff.control("TP", []).text([bold(variable)]);
        let option = format!("--{}", argument.get_long().unwrap());
        roff.text([bold(option), roman(" "), italic(value.to_lowercase())]);
    }
    roff.to_roff()
}
