//! The schema of `procman.toml` for editors, made of the types that read it, and kept as `schema.json`.
//!
//! What a value may be is said by the types here, for those that read it take any text; all of this is for the test.

// Never made, only described.
#![allow(dead_code, missing_docs)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::config::probe::{HealthTable, ReadyTable};
use crate::config::process::Process;

/// Describes values in place, under no name of their own.
macro_rules! values {
    ($($name:ident: $schema:tt;)*) => {$(
        pub struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

values! {
    Budget: { "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": 1000 };
    Count: { "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 0, "maximum": 10000 };
    EnvPrecedence: { "enum": ["file", "shell"] };
    Failures: { "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1 };
    Files: { "type": ["string", "array"], "items": { "type": "string" } };
    LogFormat: { "enum": ["text", "json", "raw"] };
    OnExit: { "enum": ["stop-all", "ignore"] };
    Port: { "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 0, "maximum": 65535 };
    ReadyWord: { "enum": ["port", "notify"] };
    HealthWord: { "enum": ["port"] };
    Restart: { "enum": ["never", "on-failure", "always"] };
    Seconds: { "type": ["number", "string"], "pattern": "^[0-9]+([.][0-9]+)?$", "minimum": 0, "maximum": 31536000 };
    Signal: { "type": ["string", "integer"] };
    Size: { "type": ["string", "integer"], "pattern": "^[0-9]+ *([kKmMgG]([iI]?[bB])?|[bB])?$", "minimum": 1 };
    Socket: { "type": ["string", "boolean"] };
    Span: { "type": ["number", "string"], "pattern": "^[0-9]+([.][0-9]+)?$", "exclusiveMinimum": 0, "maximum": 31536000 };
    Status: { "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 100, "maximum": 599 };
    Switch: { "enum": [true, false, "true", "false"] };
    Target: { "type": "string", "pattern": "^(/|[hH][tT][tT][pP]://)" };
    Timestamp: { "type": ["boolean", "string"] };
    True: { "enum": [true, "true"] };
    User: { "type": ["string", "integer"] };
    When: { "enum": ["auto", "always", "never", true, false, "true", "false"] };
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ready {
    Word(#[schemars(with = "ReadyWord")] String),
    Table(ReadyTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Health {
    Word(#[schemars(with = "HealthWord")] String),
    Table(HealthTable),
}

pub type Processes = BTreeMap<String, Process>;

/// Returns the alternatives of which just one may hold: that there is one of these keys.
pub fn just_one(keys: &[&str]) -> Vec<serde_json::Value> {
    keys.iter().map(|key| serde_json::json!({ "required": [key] })).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::path::Path;

    use regex_lite::Regex;
    use serde_json::Value;

    use crate::config::{Options, SCHEMA, from_toml};

    /// Returns the schema as it is made of the types.
    fn made() -> Value {
        let mut schema = serde_json::to_value(schemars::schema_for!(Options)).unwrap();
        without_defaults(&mut schema);
        schema
    }

    /// Removes what serde takes for what is not there, which TOML cannot write.
    fn without_defaults(schema: &mut Value) {
        if let Some(object) = schema.as_object_mut() {
            object
                .retain(|key, value| key != "default" || !value.is_null() && *value != Value::Array(vec![]));
            object.values_mut().for_each(without_defaults);
        } else if let Some(array) = schema.as_array_mut() {
            array.iter_mut().for_each(without_defaults);
        }
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        let made = serde_json::to_string_pretty(&made()).unwrap() + "\n";
        if std::env::var_os("PROCMAN_BLESS").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/schema.json");
            std::fs::write(path, made).unwrap();
        } else {
            assert_eq!(SCHEMA, made, "`PROCMAN_BLESS=1 cargo test --lib config::schema` writes it anew");
        }
    }

    #[test]
    fn the_schema_says_to_users_what_it_is_of() {
        let words = "Options of procman, and how the instances of each type are supervised.";
        assert_eq!(made()["description"], words);
    }

    #[test]
    fn every_key_is_described() {
        fn check(schema: &Value) {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (key, value) in properties {
                    assert!(value.get("description").is_some(), "{key} has no description");
                }
            }
            let children = schema.as_object().into_iter().flat_map(|object| object.values());
            children.chain(schema.as_array().into_iter().flatten()).for_each(check);
        }
        check(&made());
    }

    /// Returns what is wrong with a value by a schema, for as much of JSON Schema as ours has: anything else panics.
    fn fault(value: &Value, schema: &Value, whole: &Value) -> Option<String> {
        let object = schema.as_object().unwrap();
        let holds = |schema: &Value| fault(value, schema, whole).is_none();
        object.iter().find_map(|(keyword, by)| {
            let is_right = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let pointer = by.as_str().unwrap().strip_prefix('#').unwrap();
                    return fault(value, whole.pointer(pointer).unwrap(), whole);
                }
                "type" => {
                    let names = by.as_array().cloned().unwrap_or_else(|| vec![by.clone()]);
                    names.iter().any(|name| is_of_type(value, name.as_str().unwrap()))
                }
                "enum" => by.as_array().unwrap().contains(value),
                "const" => by == value,
                "anyOf" => by.as_array().unwrap().iter().any(holds),
                "oneOf" => by.as_array().unwrap().iter().filter(|one| holds(one)).count() == 1,
                "required" => {
                    by.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "minimum" => value.as_f64().is_none_or(|number| number >= by.as_f64().unwrap()),
                "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > by.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= by.as_f64().unwrap()),
                "pattern" => {
                    value.as_str().is_none_or(|text| Regex::new(by.as_str().unwrap()).unwrap().is_match(text))
                }
                "items" => {
                    return value.as_array().into_iter().flatten().find_map(|item| fault(item, by, whole));
                }
                "properties" => {
                    let properties = by.as_object().unwrap().iter();
                    let mut there = properties.filter_map(|(key, by)| Some((key, value.get(key)?, by)));
                    return there
                        .find_map(|(key, value, by)| Some(format!("{key}: {}", fault(value, by, whole)?)));
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    let others = value.as_object().into_iter().flatten();
                    let mut others =
                        others.filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                    return if *by == Value::Bool(false) {
                        others.next().map(|(key, _)| format!("{key} is unknown"))
                    } else {
                        others.find_map(|(key, value)| Some(format!("{key}: {}", fault(value, by, whole)?)))
                    };
                }
                other => panic!("what is `{other}` in a schema?"),
            };
            (!is_right).then(|| format!("{value} against {keyword} {by}"))
        })
    }

    fn is_of_type(value: &Value, name: &str) -> bool {
        match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("what is the type `{other}`?"),
        }
    }

    fn fault_of(text: &str) -> Option<String> {
        let table: toml::Table = text.parse().unwrap();
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        fault(&serde_json::to_value(table).unwrap(), &schema, &schema)
    }

    #[test]
    fn schema_and_reader_are_of_one_mind() {
        for text in [
            "",
            "procfile = 'P'\nenv = ['a']\nport = 1\ntimeout = 0.5\nrestart = 'never'\nkeep-going = true",
            "env = 'a,b'\ntimestamp = false\ncolor = 'auto'\nlog-buffer = '64K'\nlog-size = 4096\nsocket = false",
            "user = 1000\npty = true\nwait-services = true\nwait-timeout = 10\nlog-format = 'json'",
            "[process.web]\ncount = 2\nrestart = 'always'\nstop-signal = 'INT'\ngrace = 3\non-exit = 'ignore'",
            "[process.web]\nneeds = ['db', 'env:A']\nready = 'port'\nhealth = { http = '/', failures = 2 }",
            "[process.web]\none-shot = true\nstop-signal = 2\npty = 'never'",
            "[process.web.ready]\nlog = 'x'\ndeadline = 3",
            "port = '1'\ntimeout = '0.5'\nkeep-going = 'true'\ncolor = 'true'\nlog-size = '4096'\nuser = '1000'",
            "[process.web]\ncount = '2'\nrestart-budget = '3'\nready = { port = 'true', interval = '0.5' }",
            "[process.web]\nhealth = { http = '/', status = '200', failures = '2' }",
        ] {
            assert_eq!((fault_of(text), from_toml(text).err()), (None, None), "{text}");
        }
        for text in [
            "prot = 1",
            "port = 70000",
            "timeout = -1",
            "restart = 'often'",
            "keep-going = 'maybe'",
            "log-buffer = '64X'",
            "color = []",
            "process = 1",
            "[process.web]\ncuont = 1",
            "[process.web]\ncount = 20000",
            "[process.web]\nneeds = 'db'",
            "[process.web]\nready = 'notfiy'",
            "[process.web]\nready = {}",
            "[process.web]\nready = { port = true, exec = 'x' }",
            "[process.web]\nready = { port = false }",
            "[process.web]\nready = { http = 'https://x' }",
            "[process.web]\nready = { port = true, interval = 0 }",
            "[process.web]\nhealth = 'notify'",
            "[process.web]\nhealth = { log = 'x' }",
            "[process.web]\nhealth = { port = true, failures = 0 }",
        ] {
            assert!(fault_of(text).is_some() && from_toml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_files_of_the_repository_keep_to_the_schema() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut folders = vec![examples];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name == "procman.toml") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(fault_of(&text), None, "{}", path.display());
                }
            }
        }
    }
}
