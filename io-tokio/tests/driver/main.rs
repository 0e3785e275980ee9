//! The driver over real loopback sockets and real files.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;
mod conn;
mod data_dir;
mod tls;
