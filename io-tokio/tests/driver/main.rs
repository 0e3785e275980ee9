//! The driver over real loopback sockets and real files.

mod common;
mod conn;
mod data_dir;
mod tls;
