//! Two nodes of a cluster: whatever passes between them does no harm.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyot_tests::targets::peer::bytes(data));
