//! A whole node under any inputs that keep the driver's side of the contract.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyot_tests::targets::node::bytes(data));
