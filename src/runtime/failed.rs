//! Why a formation has not begun, and the one reason that can be foreseen: too few open files.

use std::io;

use crate::plan::Plan;
use crate::sys::child::{DESCRIPTORS, SPARE_DESCRIPTORS};
use crate::sys::limits;

/// Why a formation has not begun, or has been given up.
#[derive(Debug)]
pub enum Failed {
    /// procman cannot wait, or cannot start its threads.
    System(io::Error),
    /// It is larger than the limit of open files lets it be.
    OpenFiles(Shortage),
}

/// More open files than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many instances there would be.
    pub instances: u64,
    /// How many open files procman needs for them.
    pub needed: u64,
    /// How many it may have.
    pub limit: u64,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::System(error)
    }
}

/// How many files the runtime opens for itself: 7 before the first spawn (3 of tokio, 2 of the pump, and the pair that
/// tells of signals), and 6 later, for those who ask (3 of tokio, the pair again, the watch over the socket, the socket).
const OWN: u64 = 13;

/// Checks that these and every instance can be had beside what is open now: half a formation is of no use, and where
/// tokio cannot open its own it panics.
pub fn check_open_files(plan: &Plan) -> Result<(), Failed> {
    check_room(plan.formation().instances().count() as u64, OWN).map_err(Failed::OpenFiles)
}

/// Checks that so many more instances can be had beside what is open now.
pub fn check_more_open_files(instances: usize) -> Result<(), Shortage> {
    check_room(instances as u64, 0)
}

fn check_room(instances: u64, own: u64) -> Result<(), Shortage> {
    let Some((open, limit)) = limits::open_files() else { return Ok(()) };
    let needed = open + own + SPARE_DESCRIPTORS + instances * DESCRIPTORS;
    if needed > limit { Err(Shortage { instances, needed, limit }) } else { Ok(()) }
}
