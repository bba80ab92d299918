//! What is exported for engines of more than one machine, read by their own readers and by those of their languages.
//!
//! Each reader is asked for the commands and variables that it sees, and they have to be the app's. Where a reader is
//! not installed its test is skipped, and says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use procman::export::app::Port;
use procman::export::secret::is_secret;
use procman::export::{App, ExportError, File, Instance, Process, Supervision, compose, kubernetes, nomad};
use procman::policy::{Kind, Policy};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};
use serde_json::{Value, from_str};
use tempfile::TempDir;
use unicode_normalization::UnicodeNormalization;

use crate::support::{skipped, wait_until};

/// Values that one language or another takes for something else.
const VALUES: &[&str] = &[
    "",
    " ",
    "  a  b  ",
    "\t",
    "\n",
    "one\ntwo\n\tthree",
    "one\n\n",
    "\r\n",
    "a\rb",
    "no",
    "NO",
    "on",
    "y",
    "~",
    "null",
    "true",
    "1",
    "1e3",
    "0o7",
    "0777",
    "0x1F",
    "1:30",
    "1_000",
    ".5",
    ".inf",
    ".NaN",
    "2001-01-01",
    "=",
    "<<",
    "-",
    "- a",
    "---",
    "...",
    "a: b",
    "a:b=c,d;e",
    ":",
    "a #b#",
    "# a",
    "&a",
    "*a",
    "!a",
    "@a",
    "`id`",
    "|",
    "> a",
    "?",
    "[a",
    "{a",
    "a]",
    "{\"a\": [1]}",
    "'",
    "\"",
    "it's \"so\"",
    "''",
    "\\",
    r"C:\dir\app\",
    r"\n",
    r"\u0041",
    "%",
    "100% %h %% %n",
    "%{a}",
    "%%{a}",
    "$",
    "$$",
    "$$$",
    "pa$$w0rd",
    "$HOME",
    "${HOME}",
    "$${HOME}",
    "$$${HOME}",
    "${HOME:-a}",
    "${",
    "${}",
    "$(HOME)",
    "$$(HOME)",
    "${NOMAD_META_dollar}",
    "${env[\"HOME\"]}",
    "{{ env \"HOME\" }}",
    "Grüße 日本 🚀",
    "\u{7f}\u{85}\u{2028}\u{feff}",
    "\u{1}\u{1b}[31m",
    "\u{a0}",
    "\u{10ffff}",
    "--leading",
    "* a",
    "EOT",
    "<<EOT",
];

/// Returns an app with these values and some that chance decides, each as a variable and in a command, without the
/// characters that a format refuses.
fn torture(refused: fn(char) -> bool) -> App {
    let config =
        Config { rng_seed: RngSeed::Fixed(0), rng_algorithm: RngAlgorithm::ChaCha, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut random = || {
        let some = r#"([^\u{0}]|[$%]{1,3}[{(]|[ \n\\"':#-]|[a-z]{1,5}[})]?){0,12}"#;
        let text = proptest::string::string_regex(some).unwrap().new_tree(&mut runner).unwrap().current();
        // HCL holds this form only, and the others are none the worse for it.
        text.nfc().collect::<String>()
    };
    let mut values: Vec<String> = VALUES.iter().map(|value| (*value).to_owned()).collect();
    values.extend((0..100).map(|_| random()));
    values.iter_mut().for_each(|value| value.retain(|character| !refused(character)));
    // Names that YAML takes for something else, that HCL does not take for identifiers, that look like secrets.
    let names = ["NO", "Y", "null", "true", "on", "_", "A.B", "for", "if", "PASSWORD", "API_TOKEN"];
    let name = |at: usize| names.get(at).map_or_else(|| format!("V{at:03}"), |name| (*name).to_owned());
    let mut variables: Vec<_> =
        values.iter().enumerate().map(|(at, value)| (name(at), value.clone())).collect();
    variables.sort();
    let command =
        |text: &str| format!("printf '%s\n' \"$PORT\" \"$PS\" $$ {text}; exec ./serve ${{PORT:-1}}");
    let process = |name: &str, command: String, count: u32, base: u16| Process {
        port: Port::of(name, &command),
        name: name.to_owned(),
        command,
        instances: (1..=count)
            .zip(base..)
            .map(|(number, port)| Instance { number, name: format!("{name}.{number}"), port })
            .collect(),
        supervision: Supervision::new(&Policy::new(Duration::from_secs(7))),
    };
    let release = Process {
        supervision: Supervision {
            kind: Kind::OneShot,
            ..Supervision::new(&Policy::new(Duration::from_secs(7)))
        },
        ..process("release", command("migrate $(id) ${A}"), 1, 5300)
    };
    App {
        name: "My_shop".to_owned(),
        root: "/srv/my shop".into(),
        user: Some("1000".to_owned()),
        log: "/var/log/shop".into(),
        run: "/var/run/shop".into(),
        grace: Duration::from_secs(7),
        processes: vec![
            process("web", command(&values.concat()), 2, 5000),
            process("a-b_c", "exec ./work '--a'".to_owned(), 1, 5100),
            process("API", format!("exec ./api $PORT # {}", values.join(" ")), 3, 5200),
        ],
        release: Some(release),
        variables,
    }
}

/// A folder with an export in it.
struct Exported {
    folder: TempDir,
    app: App,
    files: Vec<PathBuf>,
}

impl Exported {
    fn new(render: fn(&App) -> Result<Vec<File>, ExportError>) -> Exported {
        Exported::without(|_| false, render)
    }

    fn without(refused: fn(char) -> bool, render: fn(&App) -> Result<Vec<File>, ExportError>) -> Exported {
        let app = torture(refused);
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for file in render(&app).unwrap() {
            std::fs::write(folder.path().join(&file.path), file.content).unwrap();
            files.push(file.path);
        }
        Exported { folder, app, files }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a reader in the folder and returns what it says, which has to be good.
    #[track_caller]
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).current_dir(self.root()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}: {}\n{err}\n{out}", output.status);
        out
    }

    /// Returns a file as a reader of Python's sees it.
    #[track_caller]
    fn python(&self, script: &str, file: &str) -> Value {
        from_str(&self.ask("python3", &["-c", script, file])).unwrap()
    }

    /// Returns the variables of an instance that are its app's, and those that are its own.
    fn variables(&self, own: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.app.variables.iter().cloned().chain(own).collect()
    }

    fn process(&self, name: &str) -> &Process {
        self.app.processes.iter().find(|process| process.name == name).unwrap()
    }
}

/// Returns whether a reader is there; says so if it is not.
fn has(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = status.is_ok_and(|status| status.success());
    if !has {
        skipped(&format!("`{program} {}` does not work here", arguments.join(" ")));
    }
    has
}

const PYYAML: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8', newline=''))))";
/// For many documents, and with a lone `=` or `<<` as a text: PyYAML gives up at one that Kustomize has not quoted.
const PYYAML_ALL: &str = "import json, sys, yaml; text = lambda _, node: node.value; \
                          tags = ['tag:yaml.org,2002:value', 'tag:yaml.org,2002:merge']; \
                          [yaml.SafeLoader.add_constructor(tag, text) for tag in tags]; \
                          file = open(sys.argv[1], encoding='utf-8', newline=''); \
                          print(json.dumps(list(yaml.safe_load_all(file))))";
const RUAMEL: &str = "import json, sys; from ruamel.yaml import YAML; \
                      print(json.dumps(YAML(typ='safe', pure=True).load(open(sys.argv[1], encoding='utf-8', newline=''))))";
const HCL2: &str =
    "import json, sys, hcl2; print(json.dumps(hcl2.load(open(sys.argv[1], encoding='utf-8', newline=''))))";

/// Returns a map of texts.
#[track_caller]
fn texts(value: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    object.iter().map(|(name, value)| (name.clone(), text(value).unwrap())).collect()
}

/// Returns a list of texts.
#[track_caller]
fn list(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// Checks what a reader sees of `compose.yaml`, all of whose texts `shown` makes of what is meant.
#[track_caller]
fn check_compose(exported: &Exported, read: &Value, reader: &str) {
    let single = |text: String| text.replace("$$", "$");
    assert_eq!(read["name"], "my-shop");
    let own = |port: &'static str, ps: &'static str| [("PORT", port), ("PS", ps)];
    for (name, own, replicas) in
        [("web", own("5000", "web"), 2), ("a-b_c", own("5100", "a-b_c.1"), 1), ("API", own("5200", "API"), 3)]
    {
        let service = &read["services"][name];
        let mut command = list(&service["entrypoint"]);
        command.extend(list(&service["command"]).into_iter().map(single));
        assert_eq!(command, ["/bin/sh", "-c", &exported.process(name).command], "{reader}: {name}");
        let environment =
            texts(&service["environment"]).into_iter().map(|(name, value)| (name, single(value)));
        assert_eq!(environment.collect::<BTreeMap<_, _>>(), exported.variables(&own), "{reader}: {name}");
        assert_eq!(service["deploy"]["replicas"], replicas);
        assert_eq!(service["stop_grace_period"], "7s");
        assert_eq!(service["depends_on"]["release"]["condition"], "service_completed_successfully");
    }
    let published = |name: &str| read["services"][name]["ports"][0]["published"].clone();
    assert_eq!([published("web"), published("API")], ["5000-5001", "5200-5202"]);
    assert!(read["services"]["a-b_c"]["ports"].is_null());
    let release = &read["services"]["release"];
    let command = list(&release["command"]).into_iter().map(single).collect::<Vec<_>>();
    assert_eq!(command, [exported.app.release.clone().unwrap().command]);
    assert_eq!(release["restart"], "no");
}

#[test]
fn docker_compose_reads_what_was_meant() {
    let exported = Exported::new(compose::render);
    let arguments: &[&str] = &["--file", "compose.yaml", "config", "--format", "json"];
    let is_plugin = Command::new("docker")
        .args(["compose", "version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let answer = if is_plugin {
        exported.ask("docker", &[&["compose"], arguments].concat())
    } else if has("docker-compose", &["version"]) {
        exported.ask("docker-compose", arguments)
    } else {
        return;
    };
    // It puts the variables in, and what it prints is fit to be read again: dollar signs are doubled.
    check_compose(&exported, &from_str(&answer).unwrap(), "docker compose");
}

#[test]
fn yaml_readers_see_the_same_services() {
    let exported = Exported::new(compose::render);
    for (module, script) in [("yaml", PYYAML), ("ruamel.yaml", RUAMEL)] {
        if has("python3", &["-c", &format!("import {module}")]) {
            check_compose(&exported, &exported.python(script, "compose.yaml"), module);
        }
    }
}

#[test]
fn a_port_that_is_listened_on_is_healthy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut app = torture(|_| false);
    app.processes.truncate(1);
    app.processes[0].instances.truncate(1);
    app.processes[0].instances[0].port = port;
    let content = compose::render(&app).unwrap().remove(0).content;
    let line = content.lines().find(|line| line.contains(" 0A ")).unwrap();
    let pattern: String = from_str(line.trim().trim_start_matches("- ")).unwrap();
    let arguments = ["-qs", &pattern, "/proc/net/tcp", "/proc/net/tcp6"];
    if !has("grep", &["-qs", "address", "/proc/net/tcp"]) {
        return;
    }
    assert!(Command::new("grep").args(arguments).status().unwrap().success());
    drop(listener);
    // It lives on for a moment in a process that is being started.
    wait_until("nobody listens", || !Command::new("grep").args(arguments).status().unwrap().success());
}

fn kustomize_refuses(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

/// Checks the objects that a reader sees.
#[track_caller]
fn check_kubernetes(exported: &Exported, objects: &[Value], reader: &str) {
    let find = |kind: &str, name: &str| {
        let is = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        objects.iter().find(is).unwrap_or_else(|| panic!("{reader}: there is no {kind} {name}"))
    };
    let single = |text: &str| text.replace("$$", "$");
    let config = texts(&find("ConfigMap", "my-shop-config")["data"]);
    for (process, name) in [("web", "web"), ("a-b_c", "a-b-c"), ("API", "api")] {
        let process = exported.process(process);
        let spec = &find("Deployment", &format!("my-shop-{name}"))["spec"];
        assert_eq!(spec["replicas"], process.instances.len());
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 7);
        let container = &pod["containers"][0];
        let command = list(&container["command"]).iter().map(|word| single(word)).collect::<Vec<_>>();
        assert_eq!(command, ["/bin/sh", "-c", &process.command], "{reader}: {name}");
        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], "my-shop-config");
        // What Kubernetes would set: all of the map, then one by one, where a Secret has what the app has.
        let mut environment = config.clone();
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap().to_owned();
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let value = if variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name" {
                "pod".to_owned()
            } else if reference["name"] == "my-shop-secrets" && reference["key"] == name.as_str() {
                exported.app.variables.iter().find(|(other, _)| *other == name).unwrap().1.clone()
            } else {
                single(variable["value"].as_str().unwrap())
            };
            environment.insert(name, value);
        }
        let port = process.first_port().to_string();
        assert_eq!(environment, exported.variables(&[("PORT", &port), ("PS", "pod")]), "{reader}: {name}");
        if process.port == Port::Bound {
            let service = &find("Service", &format!("my-shop-{name}"))["spec"];
            assert_eq!(service["selector"], spec["template"]["metadata"]["labels"]);
            assert_eq!(service["ports"][0]["targetPort"], container["ports"][0]["name"]);
            assert_eq!(service["ports"][0]["port"], process.first_port());
        }
    }
    let (name, value) = exported.app.variables.iter().find(|(name, _)| name == "PASSWORD").unwrap();
    assert!(is_secret(name, value) && !config.contains_key(name));
    let job = &find("Job", "my-shop-release")["spec"]["template"]["spec"];
    assert_eq!(
        single(job["containers"][0]["command"][2].as_str().unwrap()),
        exported.app.release.clone().unwrap().command
    );
}

#[test]
fn yaml_readers_see_the_same_objects() {
    let exported = Exported::without(kustomize_refuses, kubernetes::render);
    for (module, script) in [("yaml", PYYAML), ("ruamel.yaml", RUAMEL)] {
        if has("python3", &["-c", &format!("import {module}")]) {
            let read = |file: &PathBuf| exported.python(script, file.to_str().unwrap());
            check_kubernetes(&exported, &exported.files.iter().map(read).collect::<Vec<_>>(), module);
        }
    }
}

#[test]
fn kustomize_builds_what_was_meant() {
    let exported = Exported::without(kustomize_refuses, kubernetes::render);
    let build: (&str, &[&str]) = if Command::new("kustomize").arg("version").output().is_ok() {
        ("kustomize", &["build", "."])
    } else if has("kubectl", &["version", "--client"]) {
        ("kubectl", &["kustomize", "."])
    } else {
        return;
    };
    let built = exported.ask(build.0, build.1);
    assert!(built.contains("image: my-shop:latest") && !built.contains("kind: Secret"), "{built}");
    if has("python3", &["-c", "import yaml"]) {
        std::fs::write(exported.root().join("built"), built).unwrap();
        let objects = exported.python(PYYAML_ALL, "built");
        check_kubernetes(&exported, objects.as_array().unwrap(), "kustomize");
    }
}

/// What an export writes is for the next one to overwrite.
#[test]
fn an_overlay_has_another_image_and_leaves_the_export_alone() {
    let build: (&str, &[&str]) = if Command::new("kustomize").arg("version").output().is_ok() {
        ("kustomize", &["build"])
    } else if has("kubectl", &["version", "--client"]) {
        ("kubectl", &["kustomize"])
    } else {
        return;
    };
    let exported = Exported::without(kustomize_refuses, kubernetes::render);
    let told = std::fs::read_to_string(exported.root().join("kustomization.yaml")).unwrap();
    let told = told.lines().filter_map(|line| line.strip_prefix("#   "));
    let (base, parent) = (exported.root().file_name().unwrap(), exported.root().parent().unwrap());
    let overlay = told.map(|line| format!("{line}\n")).collect::<String>();
    let overlay = overlay.replace("THIS_DIRECTORY", base.to_str().unwrap());
    let overlay = overlay.replace("REGISTRY/NAME", "registry.example/shop").replace("TAG", "1");
    let directory = tempfile::tempdir_in(parent).unwrap();
    std::fs::write(directory.path().join("kustomization.yaml"), &overlay).unwrap();
    let output = Command::new(build.0).args(build.1).arg(directory.path()).output().unwrap();
    let built = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    assert!(built.contains("image: registry.example/shop:1"), "{overlay}\n{built}");
    assert!(!built.contains("image: my-shop"), "{built}");
}

#[test]
fn the_schemas_of_kubernetes_know_every_field() {
    if has("kubernetes-validate", &["--version"]) {
        let exported = Exported::without(kustomize_refuses, kubernetes::render);
        for file in exported.files.iter().filter(|file| file.as_os_str() != "kustomization.yaml") {
            exported.ask("kubernetes-validate", &["--strict", file.to_str().unwrap()]);
        }
    }
}

/// Returns what an expression of HCL in quotes, as the reader leaves it, is once it is evaluated.
#[track_caller]
fn evaluated(written: &str) -> String {
    let signs = written.replace(r#"${"$"}"#, "\\u0024").replace(r#"${"%"}"#, "\\u0025");
    from_str(&signs).unwrap_or_else(|error| panic!("{error}: {written}"))
}

/// Returns what a client of Nomad makes of a text in a driver's configuration.
fn configured(text: &str) -> String {
    text.replace(r#"${"$"}"#, "$").replace(r#"${"%"}"#, "%")
}

/// Checks what a reader sees of a task; `read` is what it makes of a text, and `plain` the labels of blocks.
#[track_caller]
fn check_task(
    exported: &Exported,
    task: &Value,
    command: &str,
    own: &[(&str, &str)],
    read: fn(&str) -> String,
) {
    let config = &task["config"][0];
    let words = |value: &Value| list(value).iter().map(|text| read(text)).collect::<Vec<_>>();
    let arguments = words(&config["args"]).iter().map(|text| configured(text)).collect::<Vec<_>>();
    assert_eq!([words(&config["entrypoint"]), arguments].concat(), ["/bin/sh", "-c", command]);
    // Nothing but this is replaced: no other name of a variable stands between a dollar sign and braces.
    let client = |text: &str| text.replace("${NOMAD_META_dollar}", "$");
    let environment = texts(&task["env"]).into_iter().map(|(name, value)| {
        let name = if name.starts_with('"') { read(&name) } else { name };
        (name, client(&read(&value)))
    });
    assert_eq!(environment.collect::<BTreeMap<_, _>>(), exported.variables(own));
    assert_eq!(read(task["kill_timeout"].as_str().unwrap()), "7s");
}

#[test]
fn an_hcl_reader_of_pythons_sees_what_was_meant() {
    if !has("python3", &["-c", "import hcl2"]) {
        return;
    }
    let exported = Exported::new(nomad::render);
    let job = exported.python(HCL2, "My_shop.nomad.hcl")["job"][0]["\"My_shop\""].clone();
    assert_eq!(job["type"], "\"service\"");
    let port = "${NOMAD_PORT_app}";
    for (at, count, port) in [(0, 2, port), (1, 1, "5100"), (2, 3, port)] {
        let process = &exported.app.processes[at];
        let name = format!("\"{}\"", process.name);
        let group = &job["group"][at][&name];
        assert_eq!(group["count"], count);
        let task = &group["task"][0][&name];
        check_task(&exported, task, &process.command, &[("PORT", port)], evaluated);
        let data = evaluated(task["template"][0]["data"].as_str().unwrap());
        assert!(data.starts_with(&format!("PS={}.{{{{ ", process.name)), "{data}");
    }
    let job = exported.python(HCL2, "My_shop-release.nomad.hcl")["job"][0]["\"My_shop-release\""].clone();
    let task = &job["group"][0]["\"release\""]["task"][0]["\"release\""];
    check_task(
        &exported,
        task,
        &exported.app.release.as_ref().unwrap().command,
        &[("PORT", "5300"), ("PS", "release.1")],
        evaluated,
    );
}

#[test]
fn hashicorps_own_parser_sees_what_was_meant() {
    let script = "const read = require('@cdktf/hcl2json').parse; const file = process.argv[1]; \
                  read(file, require('fs').readFileSync(file, 'utf8')).then(job => console.log(JSON.stringify(job)))";
    if !has("node", &["-e", "require('@cdktf/hcl2json')"]) {
        return;
    }
    let exported = Exported::new(nomad::render);
    let read = |file: &str| from_str::<Value>(&exported.ask("node", &["-e", script, file])).unwrap();
    let job = &read("My_shop.nomad.hcl")["job"]["My_shop"][0];
    let port = "${NOMAD_PORT_app}";
    for (at, port) in [(0, port), (1, "5100"), (2, port)] {
        let process = &exported.app.processes[at];
        let task = &job["group"][&process.name][0]["task"][&process.name][0];
        check_task(&exported, task, &process.command, &[("PORT", port)], str::to_owned);
    }
    let job = &read("My_shop-release.nomad.hcl")["job"]["My_shop-release"][0];
    let task = &job["group"]["release"][0]["task"]["release"][0];
    check_task(
        &exported,
        task,
        &exported.app.release.as_ref().unwrap().command,
        &[("PORT", "5300"), ("PS", "release.1")],
        str::to_owned,
    );
}
