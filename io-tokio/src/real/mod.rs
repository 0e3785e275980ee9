//! The real world: an operating system with sockets, files, signals and an operator.

pub mod certificate;
pub mod cli;
pub mod config;
pub mod control;
pub mod data_dir;
pub mod dev_cluster;
pub mod enlist;
pub mod linked;
pub mod log;
pub mod membership;
pub mod net;
pub mod node;
pub mod record;
pub mod serve;
pub mod store;
pub mod user;
