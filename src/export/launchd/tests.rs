//! The property lists of the app with every kind of trouble, and what another reader makes of any.

use std::io::Cursor;
use std::time::Duration;

use plist::{Dictionary, Value};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;
use proptest::{prop_assert_eq, proptest};

use super::{is_xml_character, render};
use crate::export::app::tests::{torture, torture_in};
use crate::export::tests::golden;
use crate::export::{Access, App, Format};
use crate::trials::trials;

#[test]
fn the_lists_are_the_golden_ones() {
    golden::check(Format::Launchd, &render(&torture()).unwrap());
}

#[test]
fn every_list_holds_values_and_is_secret() {
    for file in render(&torture()).unwrap() {
        assert_eq!(file.access, Access::Secret);
    }
}

#[test]
fn a_list_says_what_an_instance_runs() {
    let list = list(&torture(), "shop-web-2.plist");
    let text = |value: Option<&Value>| value.and_then(Value::as_string).map(str::to_owned).unwrap();
    assert_eq!(text(list.get("Label")), "shop-web-2");
    assert_eq!(text(list.get("WorkingDirectory")), "/srv/my shop");
    assert_eq!(text(list.get("UserName")), "deploy");
    assert_eq!(text(list.get("StandardErrorPath")), "/var/log/shop/shop-web-2.log");
    let arguments = list["ProgramArguments"].as_array().unwrap();
    let arguments: Vec<_> = arguments.iter().map(|value| value.as_string().unwrap()).collect();
    assert_eq!(arguments, ["/bin/sh", "-c", &torture().processes[0].command]);
    let mut expected = torture().variables;
    expected.extend([("PORT".to_owned(), "5001".to_owned()), ("PS".to_owned(), "web.2".to_owned())]);
    assert_eq!(variables(&list), expected);
}

#[test]
fn launchd_never_waits_without_end() {
    for (grace, expected) in
        [(Duration::ZERO, 1), (Duration::from_millis(5500), 6), (Duration::MAX, 0x7fff_ffff)]
    {
        let list = list(&torture_in(grace), "shop-web-1.plist");
        assert_eq!(list["ExitTimeOut"].as_unsigned_integer(), Some(expected));
    }
}

#[test]
fn what_xml_cannot_hold_is_refused() {
    for character in ['\0', '\u{1b}', '\r', '\u{ffff}'] {
        let variables = vec![("A".to_owned(), character.to_string())];
        let error = render(&App { variables, ..torture() }).unwrap_err().to_string();
        assert!(error.starts_with("the variable `A` cannot be written for launchd: "), "{error}");
    }
}

#[test]
fn no_name_ends_a_comment() {
    let app = App { name: "a--->-".to_owned(), ..torture() };
    let file = render(&App { name: app.name.replace('>', ""), ..app }).unwrap().remove(0);
    let comment = file.content.split("<!--").nth(1).unwrap().split("-->").next().unwrap();
    assert!(!comment.contains("--") && !comment.ends_with('-'), "{comment}");
}

proptest! {
    #![proptest_config(trials(200))]

    #[test]
    fn a_reader_finds_what_was_written(
        command in text(),
        values in vec(text(), 0..4),
    ) {
        let named = values.into_iter().enumerate().map(|(number, value)| (format!("V{number}"), value));
        let mut app = App { variables: named.collect(), ..torture() };
        app.processes[0].command.clone_from(&command);
        let list = list(&app, "shop-web-1.plist");
        prop_assert_eq!(list["ProgramArguments"].as_array().unwrap()[2].as_string(), Some(&*command));
        let found = variables(&list);
        prop_assert_eq!(&found[..found.len() - 2], &*app.variables);
    }
}

/// Returns texts that XML can hold, in which what is special to it is no rarity.
fn text() -> impl Strategy<Value = String> {
    let character = proptest::prop_oneof![
        1 => proptest::sample::select("<>&\"'];-! \t\n%$\\é🚀\u{7f}\u{85}\u{2028}".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    vec(character.prop_filter("XML does not have it", |next| is_xml_character(*next)), 0..30)
        .prop_map(String::from_iter)
}

fn list(app: &App, path: &str) -> Dictionary {
    let file = render(app).unwrap().into_iter().find(|file| file.path.to_str() == Some(path)).unwrap();
    Value::from_reader_xml(Cursor::new(file.content)).unwrap().into_dictionary().unwrap()
}

fn variables(list: &Dictionary) -> Vec<(String, String)> {
    let variables = list["EnvironmentVariables"].as_dictionary().unwrap();
    variables.iter().map(|(name, value)| (name.clone(), value.as_string().unwrap().to_owned())).collect()
}
