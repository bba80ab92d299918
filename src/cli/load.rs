//! Finds and reads everything that a user has written, and makes a plan of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use crate::cli::error::Failure;
use crate::cli::findings::{At, Findings};
use crate::config::process::Count;
use crate::config::{self, Options, PtyChoice, Socket};
use crate::dotenv::{self, Env};
use crate::fault::Severity;
use crate::formation::{Formation, Request};
use crate::plan::policies::{self, Said, Stated, Subject};
use crate::plan::{Inputs, Plan, PlanError};
use crate::procfile::{self, Entry, ProcessType};
use crate::sys::files::{self, Access, Content};
use crate::sys::stdio::plain;

/// What a user has written, read and put together, before it is known what to run of it.
#[derive(Debug)]
pub struct App {
    /// What the command line and the environment say.
    given: Options,
    /// The options, by precedence.
    pub options: Options,
    /// The entries of the Procfile.
    pub entries: Vec<Entry>,
    /// Everything that is wrong with the files.
    pub findings: Findings,
    env: Env,
    /// The files that `env` is of, in their order.
    env_files: Vec<PathBuf>,
    root: PathBuf,
    /// The file that says what the formation is, if one does.
    formation_of: Option<PathBuf>,
}

impl App {
    /// Reads everything. `given` is what the command line and the environment say.
    ///
    /// Fails when something cannot be read at all; what is wrong in the files is in the findings.
    pub fn load(given: Options) -> Result<App, Failure> {
        let mut findings = Findings::default();
        let (options, formation_of) = with_defaults(given.clone(), &mut findings)?;
        let (procfile, directory) = (procfile_of(&options), root_of(&options));
        let root = absolute(&directory)?;
        absolute(&procfile)?;
        let Some(content) = read_if_there(&procfile)? else {
            let missing = Failure::NoProcfile(procfile);
            // Where it is may be among what is wrong.
            let is_known = findings.is_empty();
            return Err(if is_known {
                missing
            } else {
                Failure::Several(vec![Failure::Faulty(findings), missing])
            });
        };
        if !root.is_dir() {
            return Err(Failure::NoRoot(directory));
        }
        let parsed = procfile::parse(&content.bytes);
        let faults = parsed.faults.iter();
        findings.add_all(&procfile, faults.map(|fault| (At::of(fault), fault.kind.severity(), &fault.kind)));
        let owner = content.access.map(|access| access.owner);
        let (env, env_files) = read_env(&options, &directory, owner, &mut findings);
        let mut app =
            App { given, options, entries: parsed.entries, findings, env, env_files, root, formation_of };
        let faults = policies::faults(&app.options.processes, &app.types());
        let toml = app.toml();
        app.findings.add_faults(&toml, &faults);
        app.findings.order(&toml);
        Ok(app)
    }

    /// Returns the path of `procman.toml`, be there one or not.
    fn toml(&self) -> PathBuf {
        place_of_defaults(&self.given).join(TOML)
    }

    /// Returns what is said of supervision.
    fn said(&self) -> Said<'_> {
        Said { given: &self.given, options: &self.options }
    }

    /// Returns when the instances of a type get terminals.
    pub fn pty(&self, process: &ProcessType) -> PtyChoice {
        self.said().pty(process)
    }

    /// Returns what is said of each type.
    pub fn stated(&self) -> BTreeMap<ProcessType, Stated> {
        let stated = |process: ProcessType| (process.clone(), self.said().stated(&process));
        self.types().into_iter().map(stated).collect()
    }

    /// Returns the same of each type, in the Procfile's order.
    pub fn ptys(&self) -> Vec<(ProcessType, PtyChoice)> {
        self.types().into_iter().map(|process| (process.clone(), self.pty(&process))).collect()
    }

    /// Returns what nobody has said of each type.
    pub fn unsaid(&self) -> Vec<(ProcessType, Subject)> {
        let of = |process: ProcessType| {
            let unsaid =
                [Subject::End, Subject::Stop].into_iter().filter(|about| !self.said().says(&process, *about));
            unsaid.map(|about| (process.clone(), about)).collect::<Vec<_>>()
        };
        self.types().into_iter().flat_map(of).collect()
    }

    /// Returns the types of the Procfile, in its order.
    pub fn types(&self) -> Vec<ProcessType> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// Returns the formation that the options and the names after `start` ask for.
    pub fn formation(&self, names: &[String]) -> Result<Formation, Failure> {
        let read = |text: &str| {
            text.parse::<Request>().map_err(|error| match &self.formation_of {
                Some(path) => Failure::Written(path.clone(), error.to_string()),
                None => Failure::Counts(error),
            })
        };
        let request = self.options.formation.as_deref().map(read).transpose()?;
        // Each of the names after `start` has one.
        let request = request.or_else(|| self.usual_counts().filter(|_| names.is_empty()));
        Formation::resolve(&self.types(), request.as_ref(), names).map_err(|error| match &self.formation_of {
            Some(path) if names.is_empty() => Failure::Written(path.clone(), error.to_string()),
            Some(_) | None => Failure::Formation(error),
        })
    }

    /// Returns the counts that types have of their own.
    fn usual_counts(&self) -> Option<Request> {
        let of = |process: ProcessType| {
            let Count(count) = self.options.processes.get(process.as_str())?.count?;
            Some((process, count))
        };
        let mut counts = self.types().into_iter().filter_map(of).peekable();
        counts.peek().is_some().then(|| Request::of_counts(counts))
    }

    /// Returns the findings that are no reason to stop; fails with all of them if one is.
    pub fn warnings(&self) -> Result<&Findings, Failure> {
        if self.findings.has_error() {
            return Err(Failure::Faulty(self.findings.clone()));
        }
        Ok(&self.findings)
    }

    /// Returns the plan for a formation that runs here, and so has to find its services.
    pub fn plan(self, formation: Formation) -> Result<Plan, Failure> {
        let (toml, processes) = (self.toml(), self.options.processes.clone());
        let plan = self.plan_of_one_off(formation)?;
        let mut findings = Findings::default();
        findings.add_faults(&toml, &policies::lost(&processes, plan.policies()));
        if findings.is_empty() { Ok(plan) } else { Err(Failure::Faulty(findings)) }
    }

    /// Returns the plan for something that runs here and waits for nothing.
    pub fn plan_of_one_off(self, formation: Formation) -> Result<Plan, Failure> {
        self.plan_in(std::env::vars_os().collect(), formation)
    }

    /// Returns the plan for a formation that runs elsewhere: there the files say all, and this environment nothing.
    pub fn plan_of_files(mut self, formation: Formation) -> Result<Plan, Failure> {
        self.root = without_steps_up(&self.root).map_err(|_| Failure::NoRoot(self.root.clone()))?;
        self.plan_in(Vec::new(), formation)
    }

    fn plan_in(self, outer: Vec<(OsString, OsString)>, formation: Formation) -> Result<Plan, Failure> {
        let policies = self.said().policies(&self.types());
        let inputs = Inputs {
            entries: self.entries,
            files: self.env,
            outer,
            precedence: self.options.env_precedence.unwrap_or_default(),
            port: self.options.port.map(|port| port.0),
            root: self.root,
            formation,
            policies,
        };
        Plan::new(inputs).map_err(|error| {
            let PlanError::FilePort { place } = error else { return Failure::Plan(error) };
            let Some(path) = self.env_files.get(place.file) else { return Failure::Plan(error) };
            let mut findings = Findings::default();
            findings.add(path, At::Column(place.line, place.column), Severity::Error, error.to_string());
            Failure::Faulty(findings)
        })
    }
}

/// Returns a path without `..`, and without a slash at its end. Others are to find the root by it, and a link behind the
/// last `..` is perhaps what stays when a new release comes; before it, what `..` means depends on where links lead.
fn without_steps_up(path: &Path) -> std::io::Result<PathBuf> {
    let components: Vec<Component<'_>> = path.components().collect();
    let step = components.iter().rposition(|component| *component == Component::ParentDir);
    let (before, behind) = components.split_at(step.map_or(0, |step| step + 1));
    let behind = behind.iter().collect::<PathBuf>();
    if before.is_empty() {
        return Ok(behind);
    }
    Ok(std::fs::canonicalize(before.iter().collect::<PathBuf>())?.join(behind).components().collect())
}

/// Returns the app root as the system knows it, and all options, without a look at the Procfile: what names a running
/// formation.
pub fn place(given: Options) -> Result<(PathBuf, Options), Failure> {
    // Of what is wrong there, `start` has told.
    let (options, _) = with_defaults(given, &mut Findings::default())?;
    let directory = root_of(&options);
    let root = absolute(&directory)?;
    let root = std::fs::canonicalize(root).ok().filter(|root| root.is_dir());
    Ok((root.ok_or(Failure::NoRoot(directory))?, options))
}

fn procfile_of(options: &Options) -> PathBuf {
    match (&options.procfile, &options.root) {
        (Some(procfile), _) => procfile.clone(),
        (None, Some(root)) => root.join("Procfile"),
        (None, None) => PathBuf::from("Procfile"),
    }
}

/// Returns the app root, as it is from here.
fn root_of(options: &Options) -> PathBuf {
    options.root.clone().unwrap_or_else(|| directory_of(&procfile_of(options)))
}

const TOML: &str = "procman.toml";

/// Returns where `procman.toml` and `.foreman` are looked for.
fn place_of_defaults(given: &Options) -> PathBuf {
    match (&given.root, &given.procfile) {
        (Some(root), _) => root.clone(),
        (None, Some(procfile)) => directory_of(procfile),
        (None, None) => PathBuf::new(),
    }
}

/// Adds what `procman.toml` and `.foreman` say where the user has not said otherwise.
///
/// They are looked for in the app root if one is given, else beside the Procfile if one is given, else here.
/// Paths in them count from where they lie.
/// Returns with them the file that says what the formation is, if one does.
fn with_defaults(given: Options, findings: &mut Findings) -> Result<(Options, Option<PathBuf>), Failure> {
    let place = place_of_defaults(&given);
    let (mut options, mut formation_of) = (given, None);
    let path = place.join(TOML);
    if let Some(content) = read_defaults(&path)? {
        let (found, faults) = config::read_toml(&text_of(&path, content)?);
        let faults = faults.iter();
        findings.add_all(
            &path,
            faults.map(|fault| (At::Column(fault.line, fault.column), Severity::Error, &fault.message)),
        );
        formation_of = (options.formation.is_none() && found.formation.is_some()).then_some(path);
        options = options.or(rooted(found, &place));
    }
    let path = place.join(".foreman");
    if let Some(content) = read_defaults(&path)? {
        let (mut found, faults) = config::from_foreman(&text_of(&path, content)?);
        // The counts of procman.toml are its formation.
        if options.processes.iter().any(|(_, own)| own.count.is_some()) {
            found.formation = None;
        }
        let faults = faults.iter();
        findings.add_all(
            &path,
            faults.map(|fault| (At::Column(fault.line, fault.column), Severity::Warning, &fault.kind)),
        );
        if options.formation.is_none() && found.formation.is_some() {
            formation_of = Some(path);
        }
        options = options.or(rooted(found, &place));
    }
    Ok((options, formation_of))
}

/// Lets the paths in a file of defaults count from `place`.
fn rooted(options: Options, place: &Path) -> Options {
    Options {
        procfile: options.procfile.map(|path| place.join(path)),
        root: options.root.map(|path| place.join(path)),
        env: options.env.map(|files| files.into_iter().map(|path| place.join(path)).collect()),
        log_file: options.log_file.map(|path| place.join(path)),
        log: options.log.map(|path| place.join(path)),
        run: options.run.map(|path| place.join(path)),
        template: options.template.map(|path| place.join(path)),
        socket: options.socket.map(|socket| match socket {
            Socket::At(path) => Socket::At(place.join(path)),
            Socket::Off => Socket::Off,
        }),
        ..options
    }
}

/// Reads the environment files, and returns which they were. One that cannot be read is an error unless nobody asked
/// for it: a missing `.env`. `owner` is the Procfile's.
fn read_env(
    options: &Options,
    directory: &Path,
    owner: Option<u32>,
    findings: &mut Findings,
) -> (Env, Vec<PathBuf>) {
    let outer = |name: &str| std::env::var(name).ok();
    let own = [directory.join(".env")];
    let (paths, asked) = options.env.as_ref().map_or((&own[..], false), |files| (&files[..], true));
    let mut env = Env::default();
    let mut read = Vec::new();
    for path in paths {
        match files::read(path) {
            Ok(Content { bytes, access }) => {
                read.push(path.clone());
                let is_silent = bytes.is_empty() && is_pipe(path);
                let silence = is_silent.then(|| "nothing came out of this pipe".to_owned());
                if let Some(reason) = access.and_then(|access| distrust(access, owner)).or(silence) {
                    findings.add(path, At::File, Severity::Warning, reason);
                }
                let faults = dotenv::read(&mut env, &bytes, &outer);
                let faults = faults.iter();
                findings
                    .add_all(path, faults.map(|fault| (At::of(fault), fault.kind.severity(), &fault.kind)));
            }
            Err(error) if is_missing(&error) && !asked => {}
            Err(error) => findings.add(path, At::Unreadable, Severity::Error, plain(&error)),
        }
    }
    (env, read)
}

/// Returns why an environment file may not say what its user thinks: who writes it decides what is run, by way of
/// `PATH` for one. The owner of the Procfile decides that anyway.
fn distrust(Access { owner, mode }: Access, owner_of_procfile: Option<u32>) -> Option<String> {
    if mode & 0o002 != 0 {
        return Some(format!("every user may write to it (mode {mode:04o})"));
    }
    let trusted = [Some(0), Some(files::own_user()), owner_of_procfile];
    (!trusted.contains(&Some(owner)))
        .then(|| format!("it belongs to user {owner}, who is neither you nor the owner of the Procfile"))
}

/// Returns a path as it is from anywhere, without a slash at its end.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(Path::new(".").join(path)).map_err(Failure::WorkingDirectory)?;
    Ok(path.components().collect())
}

fn read_if_there(path: &Path) -> Result<Option<Content>, Failure> {
    match files::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Failure::Unreadable(path.to_path_buf(), error)),
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Reads a file of defaults, which nobody has named: what is there but says nothing would be missed by nobody.
fn read_defaults(path: &Path) -> Result<Option<Content>, Failure> {
    let refused = |reason: &str| Failure::Unreadable(path.to_owned(), std::io::Error::other(reason));
    if is_pipe(path) {
        return Err(refused("it is a pipe"));
    }
    let content = read_if_there(path)?;
    if content.is_none() && path.is_symlink() {
        return Err(refused("it is a link that leads nowhere"));
    }
    Ok(content)
}

/// Returns whether there is no such file, be it for want of a directory that should hold it.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn text_of(path: &Path, content: Content) -> Result<String, Failure> {
    let not_text = |_| std::io::Error::new(ErrorKind::InvalidData, "not UTF-8 text");
    String::from_utf8(content.bytes).map_err(|error| Failure::Unreadable(path.to_path_buf(), not_text(error)))
}

/// Returns the directory of a file, which is empty for the working directory: so are paths in it shown as short.
fn directory_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_path_buf).unwrap_or_default()
}
