//! What the processes of each instance use, for whoever asks how the formation is.
//!
//! Every process of the machine is looked at for that, so it is done here, where it delays nobody but clients.

use std::collections::BTreeSet;

use crate::control::protocol::Formation;
use crate::process::Pid;
use crate::sys::usage;

/// Adds what can be told of the use of processors and memory.
pub fn fill(formation: &mut Formation) {
    let leaders: BTreeSet<Pid> = formation.instances.iter().filter_map(|one| one.pid).map(Pid).collect();
    if leaders.is_empty() {
        return;
    }
    let Some(usages) = usage::of_groups(&leaders) else { return };
    for instance in &mut formation.instances {
        // One that has ended meanwhile uses nothing that can be told.
        if let Some(usage) = instance.pid.and_then(|pid| usages.get(&Pid(pid))) {
            instance.cpu = Some(usage.cpu.as_secs_f64());
            instance.memory = Some(usage.memory);
        }
    }
}
