//! The XML front: any slicing gives the same tokens.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyot_tests::targets::xml::bytes(data));
