//! The round that lasts: one procman that lives through the whole soak, so that growth shows.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGTERM, SIGUSR1};

use crate::figures::Figures;
use crate::round::{Event, Round};
use crate::running::{Fault, Running};
use crate::watch::{self, Growth};

const SAMPLE_EVERY: Duration = Duration::from_millis(500);
/// Every so many samples something happens to it.
const EVENT_EVERY: usize = 20;

/// What has been seen of a procman that lived long.
#[derive(Debug, Default)]
pub struct Lasting {
    pub figures: Figures,
    pub guard: Growth,
    pub supervisor: Growth,
}

/// What the two threads of a soak tell each other.
#[derive(Debug, Default)]
pub struct Switch {
    pub end: AtomicBool,
    pub failed: AtomicBool,
    /// The procman that lasts, once it runs.
    pub pid: AtomicI32,
}

/// Lives with a procman until it is told to end it.
pub fn run(seed: u64, procman: &Path, interrupted: &AtomicBool, switch: &Switch) -> Result<Lasting, String> {
    let round = Round::lasting(seed);
    let mut lasting = Lasting::default();
    let mut running = match Running::start(&round, procman, interrupted) {
        Ok(running) => running,
        Err(fault) => {
            switch.failed.store(true, Ordering::Relaxed);
            return Err(format!("procman cannot be started: {fault:?}"));
        }
    };
    switch.pid.store(running.pid(), Ordering::Relaxed);
    let outcome = watch_over(&mut running, switch, &mut lasting).and_then(|()| running.end(0));
    // Before it is cleared away, for then what it leaves comes home to us, and is no fault of another round.
    switch.failed.store(outcome.is_err(), Ordering::Relaxed);
    lasting.figures = running.conclude(outcome)?;
    for (name, growth) in [("guard", &lasting.guard), ("supervisor", &lasting.supervisor)] {
        if let Some(fault) = growth.fault() {
            return Err(running.report(&format!("the {name} that lasted has {fault}")));
        }
    }
    Ok(lasting)
}

fn watch_over(running: &mut Running<'_>, switch: &Switch, lasting: &mut Lasting) -> Result<(), Fault> {
    running.get_ready()?;
    let moment = Duration::from_millis(50);
    let events = [
        Event::PassedOn(SIGUSR1),
        Event::Suspend(moment),
        Event::FreezeSupervisor(moment),
        Event::FreezeGuard(moment),
    ];
    let began = Instant::now();
    let mut zombies: Vec<i32> = Vec::new();
    for number in 0.. {
        running.sleep(SAMPLE_EVERY)?;
        if running.has_ended()? {
            return Err(Fault::Wrong("the procman that lasts has ended".to_owned()));
        }
        if let (Some(guard), Some(supervisor)) = running.sample()? {
            lasting.guard.add(began.elapsed(), guard);
            lasting.supervisor.add(began.elapsed(), supervisor);
        }
        // One that is there for a moment is about to be waited for.
        let children = running.processes().into_iter().flat_map(watch::children);
        let now: Vec<i32> = children.filter(watch::Process::is_zombie).map(|child| child.pid).collect();
        if let Some(zombie) = now.iter().find(|zombie| zombies.contains(zombie)) {
            return Err(Fault::Wrong(format!("nobody waits for process {zombie}")));
        }
        zombies = now;
        if number % EVENT_EVERY == 0 {
            running.happen(events[number / EVENT_EVERY % events.len()])?;
        }
        if switch.end.load(Ordering::Relaxed) {
            break;
        }
    }
    running.signal(running.guard, SIGTERM)
}
