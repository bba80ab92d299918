//! How often, and from which seed, a test tries what chance decides.

use proptest::test_runner::{Config, RngSeed};

/// Returns the configuration of a test that tries `cases` cases.
///
/// The seed is fixed, so that what has passed once passes again. `PROPTEST_CASES` and `PROPTEST_RNG_SEED`
/// override both, to search further.
pub fn trials(cases: u32) -> Config {
    let is_set = |name| std::env::var_os(name).is_some();
    let defaults = Config::default();
    Config {
        cases: if is_set("PROPTEST_CASES") { defaults.cases } else { cases },
        rng_seed: if is_set("PROPTEST_RNG_SEED") { defaults.rng_seed } else { RngSeed::Fixed(0) },
        failure_persistence: None,
        ..defaults
    }
}
