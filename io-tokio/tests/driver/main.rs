//! The driver over real loopback sockets and real files.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a script answers the few inputs its test is about")]

mod common;
mod conn;
mod data_dir;
mod peer;
mod tls;
