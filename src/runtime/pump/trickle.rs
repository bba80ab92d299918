//! Whether writes come so fast, and so small, that it pays to let some of them gather before the next look.
//!
//! Waking for each costs several times the CPU of reading some together, and takes it from their writer. A line that
//! comes alone never waits, nor does a flood, whose reads are large.

use std::time::Duration;

/// A read below this is little.
const LITTLE: usize = 16 * 1024;
/// What comes this soon after one has begun to wait comes soon: more will have come by the end of a pause.
const SOON: Duration = Duration::from_micros(50);
/// How often in sequence little has to come soon.
const TURNS: u32 = 4;
/// How long some are let gather. The system may add its timer slack of some 50 µs.
const PAUSE: Duration = Duration::from_micros(20);

/// What the last turns of the pump were like.
#[derive(Debug, Default)]
pub struct Trickle {
    turns: u32,
}

impl Trickle {
    /// Takes note of a turn, before which the pump has waited so long, and of which this was the largest read; 0 if
    /// nobody wrote, and it only obeyed commands.
    pub fn note(&mut self, waited: Duration, largest: usize) {
        let is_little = (1..LITTLE).contains(&largest);
        self.turns = if waited < SOON && is_little { self.turns.saturating_add(1) } else { 0 };
    }

    /// Returns for how long to pause before the next look.
    pub fn pause(&self) -> Option<Duration> {
        (self.turns >= TURNS).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LITTLE, PAUSE, SOON, TURNS, Trickle};

    const LINE: usize = 80;

    fn after(turns: impl IntoIterator<Item = (Duration, usize)>) -> Option<Duration> {
        let mut trickle = Trickle::default();
        turns.into_iter().for_each(|(waited, largest)| trickle.note(waited, largest));
        trickle.pause()
    }

    #[test]
    fn a_trickle_gathers() {
        let turn = (Duration::ZERO, LINE);
        assert_eq!(after((1..TURNS).map(|_| turn)), None);
        assert_eq!(after((0..TURNS).map(|_| turn)), Some(PAUSE));
        assert_eq!(after((0..1000).map(|_| turn)), Some(PAUSE));
    }

    #[test]
    fn lone_lines_do_not_wait() {
        assert_eq!(after((0..1000).map(|_| (SOON, LINE))), None);
        let trickle = (0..1000).map(|_| (Duration::ZERO, LINE));
        assert_eq!(after(trickle.chain([(SOON, LINE)])), None);
    }

    #[test]
    fn commands_do_not_wait() {
        assert_eq!(after((0..1000).map(|_| (Duration::ZERO, 0))), None);
    }

    #[test]
    fn a_flood_does_not_wait() {
        assert_eq!(after((0..1000).map(|_| (Duration::ZERO, LITTLE))), None);
    }
}
