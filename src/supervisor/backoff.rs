//! How long an instance that has ended pauses before it is started again, and how often.
//!
//! CONTRACT §6: a second, doubling to half a minute. How many ends in a row use up the budget is a policy's part.

use std::time::Duration;

use crate::formation::InstanceId;

/// A run as long as this is a success, whatever ends it: the next end is the first of a row.
pub const STEADY: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns the pause after so many ends in a row, counted from 1.
///
/// With a seed it is lengthened by up to a quarter, for each instance and each time by another part, so that two hundred
/// that have ended together do not come back together.
pub fn pause(ends: u32, id: &InstanceId, seed: Option<u64>) -> Duration {
    let doublings = ends.saturating_sub(1).min(16);
    let pause = Duration::from_secs(1 << doublings).min(LONGEST);
    match seed {
        Some(seed) => pause + pause.mul_f64(part(seed, id, ends) / 4.0),
        None => pause,
    }
}

/// Returns a number from 0 to 1, without 1, that looks as if drawn by lot.
fn part(seed: u64, id: &InstanceId, ends: u32) -> f64 {
    let name = id.process.as_str().bytes();
    let numbers = id.number.to_le_bytes().into_iter().chain(ends.to_le_bytes());
    // FNV-1a takes the bytes in, and the end of splitmix64 spreads them over all bits.
    let hash = name.chain(numbers).fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((hash ^ (hash >> 31)) >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::{LONGEST, pause};
    use crate::formation::InstanceId;
    use crate::procfile::ProcessType;

    fn web(number: u32) -> InstanceId {
        InstanceId { process: ProcessType::new("web").unwrap(), number }
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<u64> = (1..10).map(|ends| pause(ends, &web(1), None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
        assert_eq!(pause(u32::MAX, &web(1), None), LONGEST);
    }

    #[test]
    fn two_hundred_do_not_come_back_in_the_same_instant() {
        for ends in 1..10 {
            let least = pause(ends, &web(1), None);
            let pauses: Vec<Duration> = (1..=200).map(|number| pause(ends, &web(number), Some(7))).collect();
            assert!(pauses.iter().all(|pause| (least..least.mul_f64(1.25)).contains(pause)));
            let distinct: BTreeSet<Duration> = pauses.iter().copied().collect();
            assert_eq!(distinct.len(), 200);
            // No tenth of the spread has more than its double share.
            let tenth =
                |pause: &Duration| ((*pause - least).as_secs_f64() / least.as_secs_f64() * 40.0) as usize;
            for index in 0..10 {
                let share = pauses.iter().filter(|pause| tenth(pause) == index).count();
                assert!((5..=40).contains(&share), "{share} of 200 come back in tenth {index}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pause() {
        assert_eq!(pause(3, &web(1), Some(7)), pause(3, &web(1), Some(7)));
        assert_ne!(pause(3, &web(1), Some(7)), pause(3, &web(1), Some(8)));
        assert_ne!(
            pause(3, &web(1), Some(7)).as_secs_f64() / 4.0,
            pause(2, &web(1), Some(7)).as_secs_f64() / 2.0
        );
    }
}
