#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| procman_fuzz::wire::check(input));
