//! `man/procman.1`: made of `man/procman.1.in` and of what the command line says about itself.
//!
//! `PROCMAN_BLESS=1 cargo test` writes it anew.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

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
            let needs_one = argument.get_action().takes_values() && !argument.is_positional();
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

/// Returns the man page.
fn page() -> String {
    let mut page = String::new();
    for line in TEMPLATE.lines().skip_while(|line| line.starts_with(r#".\""#)) {
        match line.strip_prefix('@') {
            Some("title") => page.push_str(&title()),
            Some("name") => page.push_str(&section(Man::render_name_section)),
            Some("synopsis") => page.push_str(&synopsis()),
            Some("options") => page.push_str(&options(&procman::cli::command())),
            Some("variables") => page.push_str(&variables()),
            Some(directive) => {
                let name = directive.strip_prefix("options ").unwrap();
                page.push_str(&options(procman::cli::command().find_subcommand(name).unwrap()));
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

/// Returns the options that a command does not have from the program as a whole.
fn options(command: &clap::Command) -> String {
    let is_root = command.get_name() == "procman";
    // Help and version belong to the program, though every command has the one and none the other.
    let is_own = |argument: &&clap::Arg| match argument.get_long() {
        Some("help" | "version") => is_root,
        Some(_) => argument.is_global_set() == is_root,
        None => false,
    };
    let own =
        command.get_arguments().filter(is_own).map(|argument| argument.clone().help_heading(None::<&str>));
    let only = clap::Command::new("procman").version("0").disable_help_flag(true).disable_version_flag(true);
    without_heading(Man::new(only.args(own)), Man::render_options_section)
}

/// Returns which variable stands for which option.
fn variables() -> String {
    let command = procman::cli::command();
    let mut roff = Roff::new();
    let start = command.find_subcommand("start").unwrap();
    let own = start.get_arguments().filter(|argument| !argument.is_global_set());
    for argument in command.get_arguments().chain(own) {
        let Some(variable) = argument.get_env() else { continue };
        let variable = variable.to_str().unwrap();
        let value = argument.get_value_names().unwrap()[0].as_str();
        roff.control("TP", []).text([bold(variable)]);
        let option = format!("--{}", argument.get_long().unwrap());
        roff.text([bold(option), roman(" "), italic(value.to_lowercase())]);
    }
    roff.to_roff()
}
