//! The driver: a node on sockets, TLS and a disk.
//!
//! Two parts. The shared part ([`driver`], [`conn`], [`listen`], [`call`], [`net`], [`tls`], [`peer_tls`], [`store`]) says what
//! a driver does and names no operating system: it is also compiled against the simulator's runtime, in a
//! package of its own, with the feature `sim`. So it keeps to what both runtimes have: no `into_split`,
//! `JoinSet`, `TcpSocket`, `signal::unix`, `peek`, `readable`, `LocalSet`, `block_in_place`, `tokio::fs`, no
//! unbiased `select!`; and whatever is written is flushed.
//!
//! The modules `real` and `file`, absent with `sim`, are everything else: sockets, files, the store's thread, signals,
//! the control socket, configuration, logs and the program.
//!
//! Without the feature `server` only [`store::engine`] and the module `file` are built, which need no runtime.

#[cfg(not(feature = "sim"))]
pub mod file;
pub mod store;

#[cfg(feature = "server")]
pub mod call;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod conn;
#[cfg(feature = "server")]
pub mod driver;
#[cfg(feature = "server")]
pub mod listen;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "server")]
mod outbox;
#[cfg(feature = "server")]
pub mod peer_tls;
#[cfg(feature = "server")]
pub mod tls;

#[cfg(all(feature = "server", not(feature = "sim")))]
pub mod real;
