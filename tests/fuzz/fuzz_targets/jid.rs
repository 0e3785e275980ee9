//! Addresses: preparation is idempotent.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyot_tests::targets::jid::bytes(data));
