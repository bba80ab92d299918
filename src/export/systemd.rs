//! Units for systemd: a target, a service an instance, and a file with the variables that only its owner may read.
//!
//! The units are the same for the system's manager and for a user's own; only `User=` makes a difference, and is there
//! only if the app has a user. They find the variables beside themselves, wherever they are put. The release phase is a
//! service that nothing starts by itself: it belongs to a release, not to a boot.

use serde::Serialize;

use crate::export::probe::{timed_command, waiting};
use crate::export::supervision::Note;
use crate::export::template::Templates;
use crate::export::unit_supervision::UnitSupervision;
use crate::export::{Access, App, ExportError, File, Format, unit};
use crate::quote::excerpt;

/// Names of targets that are systemd's own (systemd.special(7)). An app of such a name would take its place.
const RESERVED: &str = "basic bluetooth boot-complete cryptsetup cryptsetup-pre ctrl-alt-del default emergency exit \
    factory-reset final first-boot-complete getty getty-pre graphical graphical-session graphical-session-pre halt \
    hibernate hybrid-sleep initrd initrd-fs initrd-root-device initrd-root-fs initrd-switch-root initrd-usr-fs \
    integritysetup integritysetup-pre kbrequest kexec local-fs local-fs-pre machines multi-user network network-online \
    network-pre nss-lookup nss-user-lookup paths poweroff printer reboot remote-cryptsetup remote-fs remote-fs-pre \
    remote-veritysetup rescue rpcbind runlevel0 runlevel1 runlevel2 runlevel3 runlevel4 runlevel5 runlevel6 shutdown \
    sigpwr sleep slices smartcard sockets soft-reboot sound storage-target-mode suspend suspend-then-hibernate swap \
    sysinit system-update system-update-pre time-set time-sync timers tpm2 umount usb-gadget veritysetup \
    veritysetup-pre xdg-desktop-autostart";

/// By how many seconds systemd's patience is longer than the grace period.
const MARGIN: u64 = 1;

/// What the template of an instance's service knows.
#[derive(Serialize)]
struct ServiceContext<'a> {
    app: &'a str,
    name: &'a str,
    ps: &'a str,
    port: u16,
    command: &'a str,
    root: &'a str,
    user: Option<&'a str>,
    limit: u32,
    limit_interval: u64,
    stop_timeout: &'a str,
    supervision: &'a UnitSupervision,
    /// What does not end before the instance is ready.
    ready_command: Option<String>,
}

/// What the template of the release phase knows.
#[derive(Serialize)]
struct ReleaseContext<'a> {
    app: &'a str,
    name: &'a str,
    services: &'a [String],
    port: u16,
    command: &'a str,
    root: &'a str,
    user: Option<&'a str>,
    limit: u32,
    limit_interval: u64,
    stop_timeout: &'a str,
    supervision: &'a UnitSupervision,
}

/// What the template of the target knows.
#[derive(Serialize)]
struct TargetContext<'a> {
    app: &'a str,
    services: &'a [String],
}

/// What the template of the variables knows.
#[derive(Serialize)]
struct EnvironmentContext<'a> {
    app: &'a str,
    variables: Vec<Variable<'a>>,
}

#[derive(Serialize)]
struct Variable<'a> {
    name: &'a str,
    value: &'a str,
}

/// Returns the units of an app.
pub fn render(app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    check(app)?;
    let root = unit::root(app, Format::Systemd)?;
    let user = app.user.as_deref();
    let file = |path: String, content: String, access: Access| File { path: path.into(), content, access };
    let mut services = Vec::new();
    let mut files = Vec::new();
    let health = "a process has to report to systemd's watchdog by itself";
    for process in &app.processes {
        let supervision = UnitSupervision::new(app, process, |_| Some(Note::Unplaced(health)));
        let stop_timeout = unit::timeout(process.supervision.grace, MARGIN);
        for instance in &process.instances {
            let name = unit::name(app, process, instance);
            let context = ServiceContext {
                app: &app.name,
                name: &name,
                ps: &instance.name,
                port: instance.port,
                command: &process.command,
                root,
                user,
                limit: process.supervision.limit(),
                limit_interval: unit::limit_interval(process.supervision.limit()),
                stop_timeout: &stop_timeout,
                supervision: &supervision,
                ready_command: process.supervision.ready_probe().map(|(ready, probe)| {
                    waiting(&timed_command(probe, instance.port, ready.timeout), ready.interval)
                }),
            };
            let content = templates.render("systemd/process.service", context)?;
            files.push(file(format!("{name}.service"), content, Access::Public));
            services.push(name);
        }
    }
    if let Some(release) = &app.release {
        let name = unit::release_name(app);
        let limit = release.supervision.limit();
        let context = ReleaseContext {
            app: &app.name,
            name: &name,
            services: &services,
            port: release.first_port(),
            command: &release.command,
            root,
            user,
            limit,
            limit_interval: unit::limit_interval(limit),
            stop_timeout: &unit::timeout(release.supervision.grace, MARGIN),
            supervision: &UnitSupervision::new(app, release, |_| Some(Note::Unplaced(health))),
        };
        let content = templates.render("systemd/release.service", context)?;
        files.push(file(format!("{name}.service"), content, Access::Public));
    }
    let context = TargetContext { app: &app.name, services: &services };
    let target = templates.render("systemd/app.target", context)?;
    files.push(file(format!("{}.target", app.name), target, Access::Public));
    let variables = app.variables.iter().map(|(name, value)| Variable { name, value }).collect();
    let context = EnvironmentContext { app: &app.name, variables };
    let environment = templates.render("systemd/environment", context)?;
    files.push(file(format!("{}.env", app.name), environment, Access::Secret));
    Ok(files)
}

/// Refuses what no unit and no file of variables can hold.
fn check(app: &App) -> Result<(), ExportError> {
    let refused = |what: String, why: &str| Err(unit::inexpressible(Format::Systemd, what, why));
    if RESERVED.split(' ').any(|name| name == app.name) {
        return refused(
            format!("the app `{}`", app.name),
            "its target would take the place of systemd's own",
        );
    }
    if let Some(user) = app.user.as_deref().filter(|user| !is_user(user)) {
        return refused(format!("the user `{}`", excerpt(user)), "systemd takes no such name");
    }
    if let Some((name, _)) = app.variables.iter().find(|(name, _)| !unit::is_systemd_variable(name)) {
        let why =
            "systemd takes only letters of ASCII, digits and `_` in a name, and no digit at its beginning";
        return refused(unit::variable(name), why);
    }
    let why = "it contains a NUL or another character that systemd does not read";
    unit::check(app, Format::Systemd, unit::is_systemd_character, why)
}

/// Returns whether systemd takes this as a user's name or number: nothing that it would expand, split or misread, and no
/// more than that (systemd.io/USER_NAMES).
fn is_user(user: &str) -> bool {
    let is_first = |first: char| first.is_ascii_alphanumeric() || first == '_';
    let is_later = |character: char| is_first(character) || ".@-$".contains(character);
    user.starts_with(is_first) && user.chars().all(is_later)
}

#[cfg(test)]
mod tests;
