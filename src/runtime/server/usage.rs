//! What the processes of each instance use, for whoever asks how the formation is.
//!
//! Every process of the machine is looked at for that, so it is done here, where it delays nobody but clients; and for
//! those who ask in quick succession it is done once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::control::protocol::Formation;
use crate::process::Pid;
use crate::sys::usage::{self, Usage};

/// For how long a look at all processes is good enough.
const GOOD: Duration = Duration::from_millis(500);

/// What was seen at the last look.
#[derive(Debug, Default)]
pub struct Usages(Mutex<Option<Look>>);

#[derive(Debug)]
struct Look {
    at: Instant,
    leaders: BTreeSet<Pid>,
    usages: BTreeMap<Pid, Usage>,
}

impl Usages {
    /// Adds what can be told of the use of processors and memory.
    pub fn fill(&self, formation: &mut Formation) {
        let leaders: BTreeSet<Pid> = formation.instances.iter().filter_map(|one| one.pid).map(Pid).collect();
        if leaders.is_empty() {
            return;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let good = last.take().filter(|look| look.at.elapsed() < GOOD && look.leaders == leaders);
        *last = good.or_else(|| Look::new(leaders));
        let Some(Look { usages, .. }) = &*last else { return };
        for instance in &mut formation.instances {
            // One that has ended meanwhile uses nothing that can be told.
            if let Some(usage) = instance.pid.and_then(|pid| usages.get(&Pid(pid))) {
                instance.cpu = Some(usage.cpu.as_secs_f64());
                instance.memory = Some(usage.memory);
            }
        }
    }
}

impl Look {
    fn new(leaders: BTreeSet<Pid>) -> Option<Look> {
        let usages = usage::of_groups(&leaders)?;
        Some(Look { at: Instant::now(), leaders, usages })
    }
}
