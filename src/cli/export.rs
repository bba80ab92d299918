//! `procman export`: writes the formation as what runs services elsewhere reads it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::args::{self, Common, Origin};
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::cli::print;
use crate::cli::start::wait_for_services;
use crate::config::{AppName, Options, UserName};
use crate::export::manifest::{self, Changes, Found, Left, Manifest, Owner};
use crate::export::{self, Deployment, File, Format, Templates, as_one, diff};
use crate::plan::policies::Stated;
use crate::procfile::ProcessType;
use crate::quote::escaped_path;
use crate::sys::files;
use crate::sys::signals;
use crate::sys::tree::{Entry, HoldError, Order, Tree};

/// Exports the formation, and says what has changed; or only says, or checks, what would.
pub fn run(common: Common, export: args::Export) -> Result<i32, Failure> {
    let only_looks = export.dry_run || export.diff || export.check;
    let is_stdout = export.location == Path::new("-");
    if is_stdout && only_looks {
        let words = "standard output has nothing that could change: name a directory";
        return Err(Failure::Usage(words.to_owned()));
    }
    let mut app = App::load(export.options().or(common.options()))?;
    // What is to run unattended and far away has to be right: what `start` would warn of stops it too.
    if !app.warnings()?.is_empty() {
        return Err(Failure::NotExported(app.findings));
    }
    let format = export.format;
    // A file or the environment says it for all formats, and so means those that have some.
    if Templates::names(format).next().is_none() && export.template_origin == Origin::Environment {
        app.options.template = None;
    }
    let (name, files) = files_of(app, format)?;
    if is_stdout {
        return print(&as_one(format, &files));
    }
    let place = Place { location: &export.location, app: &name, format };
    if !only_looks {
        return place.write(&files);
    }
    let location = &export.location;
    let tree = Tree::open(location).map_err(|error| Failure::Unreadable(location.clone(), error))?;
    let old = place.manifest(tree.as_ref())?;
    let found = place.look(tree.as_ref(), &old, &files)?;
    let changes = place.changes(&old, &files, &found)?;
    let mut shown = String::new();
    if export.dry_run {
        shown += &place.list(&changes, ["would write", "would remove"]);
    }
    if export.diff {
        shown += &diff::unified(&changes);
    }
    print(&shown)?;
    if export.check && !changes.is_settled() {
        let list = place.list(&changes, ["would be written:", "would be removed:"]);
        return Err(Failure::OutOfDate(export.location.clone(), list));
    }
    Ok(0)
}

/// Returns the name of the app and the files that it is in a format.
fn files_of(app: App, format: Format) -> Result<(AppName, Vec<File>), Failure> {
    let (options, stated) = (app.options.clone(), app.stated());
    let formation = app.formation(&[])?;
    let mut plan = app.plan_of_files(formation)?;
    // What waits for them elsewhere is up to the format; of those that are instances there is nothing to say.
    wait_for_services(&mut plan, &options);
    let name = options.app.clone().or_else(|| AppName::of_root(plan.root()));
    let name = name.ok_or_else(|| Failure::NoAppName(plan.root().to_owned()))?;
    let templates = templates(&options, format)?;
    let app = export::App::new(&plan, deployment(&options, &name, stated)?).map_err(Failure::Export)?;
    let files = export::render(format, &app, &templates).map_err(Failure::Export)?;
    Ok((name, files))
}

fn deployment(
    options: &Options,
    name: &AppName,
    stated: BTreeMap<ProcessType, Stated>,
) -> Result<Deployment, Failure> {
    let directory = |given: &Option<PathBuf>, usual: &str| match given {
        // It is read elsewhere, and by whoever has another working directory.
        Some(path) => std::path::absolute(path).map_err(Failure::WorkingDirectory),
        None => Ok(Path::new(usual).join(name.as_str())),
    };
    Ok(Deployment {
        name: name.to_string(),
        user: options.user.as_ref().map(|user: &UserName| user.as_str().to_owned()),
        log: directory(&options.log, "/var/log")?,
        run: directory(&options.run, "/var/run")?,
        grace: options.timeout.unwrap_or_default().0,
        stated,
    })
}

/// Returns the templates, those of the user in place of those that are built in.
fn templates(options: &Options, format: Format) -> Result<Templates, Failure> {
    let mut templates = Templates::built_in();
    let Some(directory) = &options.template else { return Ok(templates) };
    let names: Vec<&str> = Templates::names(format).collect();
    let mut any = false;
    for name in &names {
        let path = directory.join(name);
        let source = match files::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::Unreadable(path, error)),
            Ok(content) => String::from_utf8(content.bytes),
        };
        let not_text = || std::io::Error::new(ErrorKind::InvalidData, "not UTF-8 text");
        let source = source.map_err(|_| Failure::Unreadable(path.clone(), not_text()))?;
        templates.replace(format, name, source, &path);
        any = true;
    }
    if !any {
        let names = names.into_iter().map(str::to_owned).collect();
        return Err(Failure::NoTemplate { directory: directory.clone(), format, names });
    }
    Ok(templates)
}

/// Where an export goes, and which.
struct Place<'a> {
    location: &'a Path,
    app: &'a AppName,
    format: Format,
}

impl Place<'_> {
    /// Writes the files, all or none, and says what has changed.
    fn write(&self, files: &[File]) -> Result<i32, Failure> {
        // A signal that ends procman waits until everything is in place, or back, and nothing lies about: no handler
        // could undo half of it.
        let told = signals::while_blocked(|| self.replace(files)).map_err(Failure::System)??;
        print(&told)
    }

    /// Puts the files in the place of the old ones, all or none, and returns what there is to say about it.
    fn replace(&self, files: &[File]) -> Result<String, Failure> {
        let failed = |error| Failure::Location(self.location.to_owned(), error);
        let tree = Tree::create(self.location).map_err(failed)?;
        let waiting = format!(".procman-{}-{}.new", self.app, self.format);
        let hold = tree.hold(&waiting).map_err(|error| match error {
            HoldError::Foreign(why) => Failure::NotOurs(self.location.join(&waiting), why),
            HoldError::Failed(error) => failed(error),
        })?;
        let old = self.manifest(Some(&tree))?;
        let found = self.look(Some(&tree), &old, files)?;
        let changes = self.changes(&old, files, &found)?;
        if changes.is_settled() && changes.manifest == old {
            return Ok(format!("`{}` is up to date\n", escaped_path(self.location)));
        }
        hold.apply(&self.orders(&changes)).map_err(|mut error| {
            error.path = self.location.join(error.path);
            Failure::Write(error)
        })?;
        Ok(self.list(&changes, ["wrote", "removed"]))
    }

    fn orders(&self, changes: &Changes) -> Vec<Order> {
        let path = PathBuf::from(Manifest::file_name(self.app.as_str(), self.format));
        let notes = |manifest: &Manifest| Order::Write {
            path: path.clone(),
            bytes: manifest.to_text().into_bytes(),
            mode: export::Access::Public.mode(),
        };
        let write = changes.write.iter().map(|write| Order::Write {
            path: write.file.path.clone(),
            bytes: write.file.content.clone().into_bytes(),
            mode: write.file.access.mode(),
        });
        let make = changes.make.iter().cloned().map(Order::Make);
        let remove = changes.remove.iter().map(|removal| Order::Remove(removal.path.to_owned()));
        let clear = changes.clear.iter().cloned().map(Order::RemoveDirectory);
        let all = [notes(&changes.interim)].into_iter().chain(make).chain(write).chain(remove).chain(clear);
        all.chain([notes(&changes.manifest)]).collect()
    }

    /// Reads what the last export has noted.
    fn manifest(&self, tree: Option<&Tree>) -> Result<Manifest, Failure> {
        let name = Manifest::file_name(self.app.as_str(), self.format);
        let path = self.location.join(&name);
        let found = match tree.map(|tree| tree.look(Path::new(&name))).transpose() {
            Err(error) => return Err(Failure::Unreadable(path, error)),
            Ok(found) => found.unwrap_or(Entry::Nothing),
        };
        let obstacle = |obstacle| Failure::Obstacles(vec![obstacle]);
        match found {
            Entry::Nothing => Ok(Manifest::none(self.app.as_str(), self.format)),
            Entry::File { bytes, .. } => Manifest::parse(self.app.as_str(), self.format, &bytes)
                .map_err(|error| Failure::Manifest(path, error)),
            Entry::Directory(_) => Err(obstacle(manifest::Obstacle::Directory(path))),
            Entry::Link => Err(obstacle(manifest::Obstacle::Link(path))),
            Entry::Special => Err(obstacle(manifest::Obstacle::Special(path))),
        }
    }

    /// Looks at every place in question.
    fn look(
        &self,
        tree: Option<&Tree>,
        old: &Manifest,
        files: &[File],
    ) -> Result<BTreeMap<PathBuf, Found>, Failure> {
        let Some(tree) = tree else { return Ok(BTreeMap::new()) };
        let mut found = BTreeMap::new();
        for path in old.places(files) {
            let entry = match tree.look(&path) {
                Err(error) => return Err(Failure::Unreadable(self.location.join(path), error)),
                Ok(entry) => entry,
            };
            let what = match entry {
                Entry::Nothing => Found::Nothing,
                Entry::File { bytes, mode } => Found::File { content: bytes, mode },
                Entry::Directory(names) => Found::Directory(names),
                Entry::Link => Found::Link,
                Entry::Special => Found::Special,
            };
            found.insert(path, what);
        }
        Ok(found)
    }

    fn changes<'a>(
        &self,
        old: &'a Manifest,
        files: &'a [File],
        found: &'a BTreeMap<PathBuf, Found>,
    ) -> Result<Changes<'a>, Failure> {
        manifest::changes(old, files, found).map_err(|obstacles| {
            let below = |obstacle: manifest::Obstacle| obstacle.below(self.location);
            Failure::Obstacles(obstacles.into_iter().map(below).collect())
        })
    }

    /// Lists what changes, a line each: verb and path.
    fn list(&self, changes: &Changes, [write, remove]: [&str; 2]) -> String {
        let line = |verb: &str, path: &Path| format!("{verb} {}\n", escaped_path(&self.location.join(path)));
        let written = changes.write.iter().map(|change| line(write, &change.file.path));
        let removed = changes.remove.iter().map(|removal| line(remove, removal.path));
        let cleared = changes.clear.iter().map(|path| line(remove, path));
        // That of a log, say, goes with the service directory that it is in.
        let is_inner = |inner: &Left| {
            let holds = |outer: &&Left| outer.path != inner.path && inner.path.starts_with(&outer.path);
            changes.left.iter().find(holds).is_some_and(|outer| outer.by == Owner::Supervisor)
        };
        let left = changes.left.iter().filter(|left| !is_inner(left)).map(|left| self.left(left));
        written.chain(removed).chain(cleared).chain(left).collect()
    }
    /// Says that a directory stays, and what to do about it.
    fn left(&self, left: &Left) -> String {
        let path = escaped_path(&self.location.join(&left.path));
        let stop = match (left.by, self.format) {
            (Owner::Supervisor, Format::Runit) => "sv down",
            (Owner::Supervisor, Format::S6) => "s6-svc -d",
            (
                Owner::Supervisor | Owner::Unknown,
                Format::Systemd
                | Format::Launchd
                | Format::Supervisord
                | Format::Compose
                | Format::Kubernetes
                | Format::Nomad
                | Format::Quadlet,
            )
            | (Owner::Unknown, Format::Runit | Format::S6) => {
                return format!("left {path}, for there is more in it\n");
            }
        };
        // To `sv` a name that begins with neither is one below its own directory of services.
        let here = if path.starts_with(['/', '.']) { "" } else { "./" };
        format!(
            "left {path}, for its supervisor has `supervise` in it: stop what it runs with `{stop} {here}{path}`, then remove the \
             directory\n"
        )
    }
}
