//! Draws rounds from a seed. The harness, every writer and a later repetition draw the same round from the same
//! two numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use crate::round::{
    Company, End, Ending, Event, Format, LastLine, OnTerm, Pace, Place, Reader, Role, Round, Shell, Type,
};

/// Whether this build promises to end what has left its group, or has lost its supervisor.
const CONTAINS: bool = cfg!(all(target_os = "linux", not(procman_portable)));

impl Round {
    /// Draws a round; `init` says whether a PID namespace can be had.
    pub fn draw(seed: u64, number: u64, init: bool) -> Round {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
        let format = match rng.u32(..7) {
            0..2 => Format::Text,
            2..4 => Format::TextWithTime,
            4..6 => Format::Json,
            _ => Format::Raw,
        };
        let place = if rng.u32(..8) == 0 { Place::Init } else { Place::Here };
        let pace = if rng.u32(..8) == 0 { Pace::Hurried } else { Pace::Calm };
        let types = types(&mut rng, format);
        let mut roles: BTreeMap<String, Role> =
            instances(&types).map(|name| (name, role(&mut rng, format))).collect();
        let reader = reader(&mut rng);
        let (events, pause) = (events(&mut rng), milliseconds(&mut rng, 0, 500));
        let (events, pause) = if pace == Pace::Calm { (events, pause) } else { (Vec::new(), pause / 5) };
        let ending = ending(&mut rng, &mut roles);
        let grace = if matches!(ending, Ending::Forced(_)) { 1000 } else { rng.u32(1..=2) };
        // With its PID 1 a namespace is killed by the kernel, and procman has no part in that.
        let alone = matches!(ending, Ending::KillGuard);
        let place = if init && !alone { place } else { Place::Here };
        Round { seed, number, format, place, pace, grace, types, roles, reader, events, pause, ending }
    }

    /// Draws the round that lasts: writers that never end, and orphans all the time.
    pub fn lasting(seed: u64) -> Round {
        let types =
            ["web", "worker", "clock"].map(|name| Type { name, count: 2, shell: Shell::GetsOutOfTheWay });
        let types = Vec::from(types);
        let role = Role {
            bytes: u64::MAX,
            longest_line: 200_000,
            batch: 20_000,
            pause: Duration::from_millis(60),
            last_line: LastLine::Whole,
            on_term: OnTerm::SayBye(10),
            end: None,
            company: vec![Company::Background],
            orphan_every: CONTAINS.then_some(40),
        };
        Round {
            seed,
            number: 0,
            format: Format::TextWithTime,
            place: Place::Here,
            pace: Pace::Calm,
            grace: 60,
            roles: instances(&types).map(|name| (name, role.clone())).collect(),
            types,
            reader: Reader::Stalls { every: 4 << 20, pause: Duration::from_millis(300) },
            events: Vec::new(),
            pause: Duration::ZERO,
            ending: Ending::Asked(15),
        }
    }
}

fn instances(types: &[Type]) -> impl Iterator<Item = String> {
    types.iter().flat_map(|one| (1..=one.count).map(move |number| format!("{}.{number}", one.name)))
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn milliseconds(rng: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(rng.u64(least..=most))
}

fn types(rng: &mut Rng, format: Format) -> Vec<Type> {
    let (names, most) = if format == Format::Raw { (1, 1) } else { (rng.usize(1..=4), 3) };
    let names = ["web", "worker", "a-long_name", "x"].into_iter().take(names);
    names
        .map(|name| Type {
            name,
            count: rng.u32(1..=most),
            shell: pick(rng, &[Shell::GetsOutOfTheWay, Shell::GetsOutOfTheWay, Shell::Stays]),
        })
        .collect()
}

fn role(rng: &mut Rng, format: Format) -> Role {
    let mut kinds = vec![Company::Background];
    if CONTAINS {
        kinds.extend([Company::Session, Company::Daemon, Company::Wiped, Company::Stubborn, Company::Orphan]);
    }
    // Its lines cannot be told from the instance's where there are no names and pieces.
    if format != Format::Raw {
        kinds.push(Company::Chatty);
    }
    let company: Vec<Company> = (0..rng.usize(..4)).map(|_| pick(rng, &kinds)).collect();
    let longest_pause = pick(rng, &[0, 20, 400]);
    let on_term = match rng.u32(..8) {
        0..3 => OnTerm::Die,
        3..7 => OnTerm::SayBye(rng.u64(0..200)),
        _ => OnTerm::Ignore,
    };
    let mut role = Role {
        bytes: pick(rng, &[0, 2_000, 100_000, 1 << 20, 6 << 20]),
        longest_line: pick(rng, &[100, 5_000, 200_000]),
        batch: pick(rng, &[1, 1, 4_000, 64 << 10, 256 << 10]),
        pause: milliseconds(rng, 0, longest_pause),
        last_line: pick(rng, &[LastLine::Whole, LastLine::WithoutNewline]),
        on_term,
        end: None,
        company,
        orphan_every: None,
    };
    if role.company.contains(&Company::Chatty) {
        // Each line in one write that the kernel keeps whole.
        (role.longest_line, role.batch, role.last_line) = (1_000, 1, LastLine::Whole);
    }
    role
}

fn reader(rng: &mut Rng) -> Reader {
    match rng.u32(..6) {
        0..4 => Reader::Steady,
        4 => Reader::Slow { bytes: rng.usize(500..20_000), pause: milliseconds(rng, 1, 5) },
        _ => Reader::Stalls { every: rng.usize(1_000..1 << 20), pause: milliseconds(rng, 100, 1500) },
    }
}

fn events(rng: &mut Rng) -> Vec<(Duration, Event)> {
    let mut draw = || {
        let pause = milliseconds(rng, 0, 200);
        let event = match rng.u32(..6) {
            0..3 => Event::PassedOn(pick(rng, &[10, 12, 3])),
            3 => Event::FreezeGuard(milliseconds(rng, 0, 300)),
            4 => Event::FreezeSupervisor(milliseconds(rng, 0, 300)),
            _ => Event::Suspend(milliseconds(rng, 0, 300)),
        };
        (pause, event)
    };
    let all = [draw(), draw(), draw()];
    let count = rng.usize(..=all.len());
    all.into_iter().take(count).collect()
}

fn ending(rng: &mut Rng, roles: &mut BTreeMap<String, Role>) -> Ending {
    let names: Vec<String> = roles.keys().cloned().collect();
    let [one, other] = [(); 2].map(|()| names[rng.usize(..names.len())].clone());
    let request = pick(rng, &[15, 2, 1]);
    let ending = match rng.u32(..16) {
        0..3 => Ending::Asked(request),
        3..5 => Ending::Forced(request),
        5..8 => Ending::Crash(vec![one]),
        8 => Ending::Crash(vec![one, other]),
        9 => Ending::CrashAndAsked(one, request),
        10..12 => Ending::KillInstance(one),
        12 => Ending::ReaderLeaves,
        13 if CONTAINS => Ending::KillGuard,
        _ if CONTAINS => Ending::KillSupervisor,
        _ => Ending::Asked(request),
    };
    let crashing = match &ending {
        Ending::Crash(names) => names.clone(),
        Ending::CrashAndAsked(name, _) => vec![name.clone()],
        Ending::Asked(_)
        | Ending::Forced(_)
        | Ending::KillInstance(_)
        | Ending::KillSupervisor
        | Ending::KillGuard
        | Ending::ReaderLeaves => Vec::new(),
    };
    let at = milliseconds(rng, 0, 1500);
    for name in crashing {
        let end = match rng.u32(..3) {
            // SIGKILL, SIGABRT, SIGALRM, a real-time signal.
            0 => End::Signal(pick(rng, &[9, 6, 14, 40])),
            1 => End::Exit(0),
            _ => End::Exit(rng.i32(1..=255)),
        };
        let at = at + milliseconds(rng, 0, 20);
        roles.entry(name).and_modify(|role| role.end = Some((at, end)));
    }
    ending
}
