//! What an export does to a directory: which files it writes, which it removes, and which it must leave alone.
//!
//! Decided from what the last export of this app in this format has noted there, its manifest, and from what is found
//! at the places in question. Nothing is overwritten that the manifest does not name, and nothing else removed. Nothing
//! here sees the disk: who looks and writes is the command.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::export::{File, Format, is_below};
use crate::quote::escaped_path;

/// The version of the notes, to be raised when an older procman would misunderstand them.
const VERSION: u32 = 1;

/// What the last export of an app in a format has written into a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    app: String,
    format: String,
    /// The files, by their paths below the location.
    files: BTreeSet<PathBuf>,
    /// The directories made for them, which were not there before.
    directories: BTreeSet<PathBuf>,
}

/// Why notes cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum ManifestError {
    #[error("it is no manifest of procman")]
    Malformed,
    #[error("it is a manifest of version {version}, and this procman knows {VERSION}")]
    Version { version: u32 },
    #[error("it is the manifest of another app or format")]
    Other,
    #[error("it names a path that leads out of the location")]
    Outside,
}

impl Manifest {
    /// Returns the notes of an export that has never been.
    pub fn none(app: &str, format: Format) -> Manifest {
        Manifest {
            version: VERSION,
            app: app.to_owned(),
            format: format.to_string(),
            files: BTreeSet::new(),
            directories: BTreeSet::new(),
        }
    }

    /// Returns the name of the file with the notes. No name of a format has a `-`, so no two apps share one.
    pub fn file_name(app: &str, format: Format) -> String {
        format!(".procman-{app}-{format}.json")
    }

    /// Reads notes.
    pub fn parse(app: &str, format: Format, bytes: &[u8]) -> Result<Manifest, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|_| ManifestError::Malformed)?;
        if version != VERSION {
            return Err(ManifestError::Version { version });
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|_| ManifestError::Malformed)?;
        if manifest.app != app || manifest.format != format.name() {
            return Err(ManifestError::Other);
        }
        if !manifest.files.iter().chain(&manifest.directories).all(|path| is_below(path)) {
            return Err(ManifestError::Outside);
        }
        Ok(manifest)
    }

    /// Returns the notes as they are written.
    pub fn to_text(&self) -> String {
        // Paths that are not text are refused before, and nothing else can fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }

    /// Returns every place that decides what to do with these files, those above others first.
    pub fn places(&self, files: &[File]) -> BTreeSet<PathBuf> {
        let new = files.iter().map(|file| file.path.as_path());
        let all = new.chain(self.files.iter().chain(&self.directories).map(PathBuf::as_path));
        all.flat_map(|path| path.ancestors().filter(|above| *above != Path::new("")))
            .map(Path::to_owned)
            .collect()
    }
}

/// What is at a place. What lies beyond a link, or beyond what is no directory, is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A file, with its mode.
    File {
        /// All that is in it.
        content: Vec<u8>,
        /// What user, group and others may do with it.
        mode: u32,
    },
    /// A directory, and what it holds.
    Directory(BTreeSet<OsString>),
    /// A symbolic link, wherever it leads.
    Link,
    /// A device, a pipe or the like.
    Special,
}

/// A file as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before<'a> {
    /// What was in it.
    pub content: &'a [u8],
    /// Its mode.
    pub mode: u32,
}

/// A file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// The file.
    pub file: &'a File,
    /// The one that it replaces.
    pub before: Option<Before<'a>>,
}

/// A file that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What it was.
    pub before: Before<'a>,
}

/// A directory that stays, for there is more in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: PathBuf,
    /// Whose that is.
    pub by: Owner,
}

/// Whose the rest is that keeps a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// That of runit's or s6's supervisor, which may still run what was exported there.
    Supervisor,
    /// Somebody's.
    Unknown,
}

/// What an export does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<'a> {
    /// The directories to make, those above others first.
    pub make: Vec<PathBuf>,
    /// The files to write.
    pub write: Vec<Write<'a>>,
    /// The files to remove.
    pub remove: Vec<Removal<'a>>,
    /// The directories to remove, which are empty by then, those below others first.
    pub clear: Vec<PathBuf>,
    /// The directories that would be removed if they held nothing else.
    pub left: Vec<Left>,
    /// The notes while that is being done: all that there is before or after.
    pub interim: Manifest,
    /// The notes when it has been done.
    pub manifest: Manifest,
}

impl Changes<'_> {
    /// Returns whether the directory is as the export would leave it.
    pub fn is_empty(&self) -> bool {
        self.make.is_empty() && self.write.is_empty() && self.remove.is_empty() && self.clear.is_empty()
    }

    /// Returns whether nothing is left to do for anybody: a supervisor that runs what is no longer exported has to be
    /// stopped by hand.
    pub fn is_settled(&self) -> bool {
        self.is_empty() && self.left.iter().all(|left| left.by == Owner::Unknown)
    }
}

/// What stands in the way of an export.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum Obstacle {
    #[error("`{}` is not a file that procman has exported for this app and format", escaped_path(.0))]
    Foreign(PathBuf),
    #[error("`{}` is a symbolic link", escaped_path(.0))]
    Link(PathBuf),
    #[error("`{}` is a directory", escaped_path(.0))]
    Directory(PathBuf),
    #[error("`{}` is not a file", escaped_path(.0))]
    Special(PathBuf),
    #[error("`{}` is not a directory", escaped_path(.0))]
    NoDirectory(PathBuf),
}

impl Obstacle {
    /// Returns it with its path as that of something below a directory.
    pub fn below(self, directory: &Path) -> Obstacle {
        match self {
            Obstacle::Foreign(path) => Obstacle::Foreign(directory.join(path)),
            Obstacle::Link(path) => Obstacle::Link(directory.join(path)),
            Obstacle::Directory(path) => Obstacle::Directory(directory.join(path)),
            Obstacle::Special(path) => Obstacle::Special(directory.join(path)),
            Obstacle::NoDirectory(path) => Obstacle::NoDirectory(directory.join(path)),
        }
    }
}

/// Returns what there is to do, or everything that stands in the way. `found` has what is at each of the
/// [places](Manifest::places).
pub fn changes<'a>(
    old: &'a Manifest,
    files: &'a [File],
    found: &'a BTreeMap<PathBuf, Found>,
) -> Result<Changes<'a>, Vec<Obstacle>> {
    let at = |path: &Path| found.get(path).unwrap_or(&Found::Nothing);
    let needed: BTreeSet<&Path> = files.iter().flat_map(|file| above(&file.path)).collect();
    let new: BTreeSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    let mut obstacles: Vec<Obstacle> =
        needed.iter().filter_map(|path| no_directory(path, at(path))).collect();
    obstacles.extend(files.iter().filter_map(|file| in_the_way(old, &file.path, at(&file.path))));
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    let make: Vec<PathBuf> =
        needed.iter().filter(|path| *at(path) == Found::Nothing).map(|path| (*path).to_owned()).collect();
    let write = files.iter().filter_map(|file| write(file, at(&file.path))).collect();
    let obsolete = old.files.iter().filter(|path| !new.contains(path.as_path()));
    let remove: Vec<Removal> = obsolete.filter_map(|path| removal(path, at(path))).collect();
    let (clear, left) = clear(old, &needed, &remove, &at);
    let kept = old.directories.iter().filter(|path| matches!(at(path), Found::Directory(_)));
    let kept: BTreeSet<PathBuf> = kept.chain(&make).filter(|path| !clear.contains(path)).cloned().collect();
    let manifest = Manifest {
        files: new.iter().map(|path| (*path).to_owned()).collect(),
        directories: kept,
        ..old.clone()
    };
    let interim = Manifest {
        files: old.files.union(&manifest.files).cloned().collect(),
        directories: old.directories.union(&manifest.directories).cloned().collect(),
        ..old.clone()
    };
    Ok(Changes { make, write, remove, clear, left, interim, manifest })
}

/// Returns the directories that a path goes through.
fn above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).filter(|above| *above != Path::new(""))
}

fn no_directory(path: &Path, found: &Found) -> Option<Obstacle> {
    match found {
        Found::Nothing | Found::Directory(_) => None,
        Found::Link => Some(Obstacle::Link(path.to_owned())),
        Found::File { .. } | Found::Special => Some(Obstacle::NoDirectory(path.to_owned())),
    }
}

fn in_the_way(old: &Manifest, path: &Path, found: &Found) -> Option<Obstacle> {
    let path = path.to_owned();
    match found {
        Found::Nothing => None,
        Found::File { .. } => (!old.files.contains(&path)).then_some(Obstacle::Foreign(path)),
        Found::Link => Some(Obstacle::Link(path)),
        Found::Directory(_) => Some(Obstacle::Directory(path)),
        Found::Special => Some(Obstacle::Special(path)),
    }
}

/// Returns how a file is to be written, unless it is there as it should be.
fn write<'a>(file: &'a File, found: &'a Found) -> Option<Write<'a>> {
    match found {
        Found::File { content, mode } => {
            let is_there = content.as_slice() == file.content.as_bytes() && file.access.is_met_by(*mode);
            (!is_there).then_some(Write { file, before: Some(Before { content, mode: *mode }) })
        }
        Found::Nothing | Found::Link | Found::Directory(_) | Found::Special => {
            Some(Write { file, before: None })
        }
    }
}

/// Returns how a file of the last export is to be removed. What has taken its place is somebody else's.
fn removal<'a>(path: &'a Path, found: &'a Found) -> Option<Removal<'a>> {
    match found {
        Found::File { content, mode } => Some(Removal { path, before: Before { content, mode: *mode } }),
        Found::Nothing | Found::Link | Found::Directory(_) | Found::Special => None,
    }
}

/// Returns the directories that the last export has made and nobody needs, those below others first: the ones that nothing
/// is left in, and the others.
fn clear<'a>(
    old: &Manifest,
    needed: &BTreeSet<&Path>,
    remove: &[Removal],
    at: &impl Fn(&Path) -> &'a Found,
) -> (Vec<PathBuf>, Vec<Left>) {
    let mut gone: BTreeSet<PathBuf> = remove.iter().map(|removal| removal.path.to_owned()).collect();
    let (mut clear, mut left) = (Vec::new(), Vec::new());
    for path in old.directories.iter().rev().filter(|path| !needed.contains(path.as_path())) {
        let Found::Directory(names) = at(path) else { continue };
        if names.iter().all(|name| gone.contains(&path.join(name))) {
            gone.insert(path.clone());
            clear.push(path.clone());
        } else {
            let is_supervised = names.contains(OsStr::new("supervise"));
            let by = if is_supervised { Owner::Supervisor } else { Owner::Unknown };
            left.push(Left { path: path.clone(), by });
        }
    }
    (clear, left)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::{Found, Manifest, ManifestError, Obstacle, changes};
    use crate::export::tests::file;
    use crate::export::{Access, File, Format, diff};

    fn files(paths: &[&str]) -> Vec<File> {
        paths.iter().map(|path| file(path, "new\n", Access::Public)).collect()
    }

    fn manifest(files: &[&str], directories: &[&str]) -> Manifest {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Manifest {
            files: paths(files),
            directories: paths(directories),
            ..Manifest::none("shop", Format::Runit)
        }
    }

    /// A tree as text: `a` is a file, `a=new` one that is as it should be, `d/` a directory, `l@` a link, `p|` a pipe.
    fn tree(text: &str) -> BTreeMap<PathBuf, Found> {
        let file = |content: &str| Found::File { content: content.into(), mode: 0o644 };
        let mut tree = BTreeMap::new();
        for word in text.split_whitespace() {
            let (path, found) = match word.chars().last() {
                Some('/') => (&word[..word.len() - 1], Found::Directory([].into())),
                Some('@') => (&word[..word.len() - 1], Found::Link),
                Some('|') => (&word[..word.len() - 1], Found::Special),
                _ => word.strip_suffix("=new").map_or((word, file("old\n")), |path| (path, file("new\n"))),
            };
            let path = PathBuf::from(path);
            if let Some(Found::Directory(names)) = path.parent().and_then(|parent| tree.get_mut(parent)) {
                names.insert(path.file_name().unwrap().to_owned());
            }
            tree.insert(path, found);
        }
        tree
    }

    /// Checks what is done to a tree, as `+dir/ +file -file -dir/ =left/`, or what stands in the way.
    #[track_caller]
    fn check(old: &Manifest, new: &[&str], found: &str, expected: Result<&str, &[Obstacle]>) {
        let (new, found) = (files(new), tree(found));
        let told = changes(old, &new, &found).map(|changes| {
            let make = changes.make.iter().map(|path| format!("+{}/", path.display()));
            let write = changes.write.iter().map(|write| format!("+{}", write.file.path.display()));
            let remove = changes.remove.iter().map(|removal| format!("-{}", removal.path.display()));
            let clear = changes.clear.iter().map(|path| format!("-{}/", path.display()));
            assert!(changes.interim.files.is_superset(&old.files), "the interim notes have the old files");
            assert!(changes.interim.files.is_superset(&changes.manifest.files), "and the new ones");
            let left = changes.left.iter().map(|left| format!("={}/", left.path.display()));
            make.chain(write).chain(remove).chain(clear).chain(left).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(told, expected.map(str::to_owned).map_err(<[Obstacle]>::to_vec), "{found:?}");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_written() {
        let none = Manifest::none("shop", Format::Runit);
        check(&none, &["a", "d/e/b"], "", Ok("+d/ +d/e/ +a +d/e/b"));
        check(&none, &["a", "d/b"], "d/ d/x x", Ok("+a +d/b"));
        check(&manifest(&["a", "b"], &[]), &["a", "b", "c"], "a=new b", Ok("+b +c"));
        check(&manifest(&["a"], &[]), &["a"], "a=new", Ok(""));
    }

    #[test]
    fn only_what_the_manifest_names_and_nobody_needs_is_removed() {
        let old = manifest(&["a", "b", "d/run", "e/run", "gone"], &["d", "e", "f"]);
        check(
            &old,
            &["a"],
            "a=new b c d/ d/run e/ e/run e/other f/ f/g/",
            Ok("-b -d/run -e/run -d/ =f/ =e/"),
        );
        // It was there before.
        check(&manifest(&["d/run"], &[]), &["a"], "d/ d/run", Ok("+a -d/run"));
        check(&manifest(&["d/e/run"], &["d", "d/e"]), &["a"], "d/ d/e/ d/e/run", Ok("+a -d/e/run -d/e/ -d/"));
        check(&manifest(&["d/e/run"], &["d", "d/e"]), &["d/a"], "d/ d/e/ d/e/run", Ok("+d/a -d/e/run -d/e/"));
    }

    #[test]
    fn what_has_taken_the_place_of_an_old_file_is_somebody_elses() {
        check(&manifest(&["a", "b", "c"], &["d"]), &["x"], "a@ b/ c| d@", Ok("+x"));
    }

    #[test]
    fn all_that_stands_in_the_way_is_named() {
        let foreign = |path: &str| Obstacle::Foreign(path.into());
        let none = Manifest::none("shop", Format::Runit);
        check(&none, &["a", "b"], "a=new b", Err(&[foreign("a"), foreign("b")]));
        let kinds = [
            Obstacle::NoDirectory("e".into()),
            Obstacle::Link("f".into()),
            Obstacle::Link("a".into()),
            Obstacle::Directory("b".into()),
            Obstacle::Special("c".into()),
        ];
        let old = manifest(&["a", "b", "c", "d", "e", "f"], &[]);
        check(&old, &["a", "b", "c", "d", "e/x", "f/x"], "a@ b/ c| d e f@", Err(&kinds));
    }

    #[test]
    fn a_file_with_another_mode_is_written_anew() {
        let new = [file("a", "new\n", Access::Secret)];
        let (old, found) = (manifest(&["a"], &[]), tree("a=new"));
        let changes = changes(&old, &new, &found).unwrap();
        assert_eq!(changes.write.len(), 1);
        assert_eq!(diff::unified(&changes), "mode of a: 0644 -> 0600\n");
    }

    #[test]
    fn a_difference_is_shown_but_no_secret() {
        let new = [
            file("a", "new\n", Access::Public),
            file("b", "PASSWORD=hunter2\n", Access::Secret),
            file("c", "PASSWORD=hunter2\n", Access::Secret),
            file("d", "new\n", Access::Executable),
        ];
        let old = manifest(&["a", "b", "x", "y"], &[]);
        let mut found = tree("a b x y");
        let secret = |text: &str| Found::File { content: text.into(), mode: 0o600 };
        found.insert("b".into(), secret("PASSWORD=hunter1\n"));
        found.insert("y".into(), secret("PASSWORD=hunter0\n"));
        let shown = diff::unified(&changes(&old, &new, &found).unwrap());
        assert_eq!(
            shown,
            "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n\
             Only in the location: y (not shown: it holds secrets)\n\
             --- a/a\n+++ b/a\n@@ -1 +1 @@\n-old\n+new\n\
             Files a/b and b/b differ (not shown: they hold secrets)\n\
             Only in the export: c (not shown: it holds secrets)\n\
             --- /dev/null\n+++ b/d\n@@ -0,0 +1 @@\n+new\n"
        );
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let manifest = manifest(&["a", "d/run"], &["d"]);
        let text = manifest.to_text();
        assert_eq!(Manifest::parse("shop", Format::Runit, text.as_bytes()), Ok(manifest));
        assert_eq!(
            text,
            "{\n  \"version\": 1,\n  \"app\": \"shop\",\n  \"format\": \"runit\",\n  \"files\": [\n    \"a\",\n    \
             \"d/run\"\n  ],\n  \"directories\": [\n    \"d\"\n  ]\n}\n"
        );
    }

    #[test]
    fn notes_that_cannot_be_relied_on_are_refused() {
        let check = |text: &str, expected| {
            assert_eq!(Manifest::parse("shop", Format::Runit, text.as_bytes()), Err(expected), "{text}");
        };
        check("", ManifestError::Malformed);
        check(r#"{"version": 1}"#, ManifestError::Malformed);
        check(r#"{"version": 2, "more": true}"#, ManifestError::Version { version: 2 });
        check(&Manifest::none("other", Format::Runit).to_text(), ManifestError::Other);
        check(&Manifest::none("shop", Format::S6).to_text(), ManifestError::Other);
        for path in ["../../etc/passwd", "/etc/passwd", "a/../../b", ""] {
            check(&manifest(&[path], &[]).to_text(), ManifestError::Outside);
            check(&manifest(&[], &[path]).to_text(), ManifestError::Outside);
        }
    }
}
