//! A listener: accepts connections and gives each a task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eyot_core::io::ConnKind;
use tokio::sync::Semaphore;

use crate::conn::{self, Settings};
use crate::net::Net;

/// How long to wait after a failed accept. The usual cause, no free file descriptor, goes away only when
/// other connections end.
const RETRY: Duration = Duration::from_millis(100);

/// Connections beyond the node's own bound, so that the node can refuse politely.
pub const SPARE_CONNECTIONS: usize = 1024;

/// Accepts connections for ever; the task that runs this is aborted to stop. At most as many connections are
/// open as `permits` has permits; the next ones wait in the operating system.
pub async fn serve<N: Net>(
    net: Arc<N>,
    mut listener: N::Listener,
    kind: ConnKind,
    settings: Arc<Settings>,
    permits: Arc<Semaphore>,
) {
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match net.accept(&mut listener).await {
            Ok((stream, from)) => spawn(stream, from, kind, &settings, permit),
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn spawn<S: crate::net::NetStream>(
    stream: S,
    from: SocketAddr,
    kind: ConnKind,
    settings: &Arc<Settings>,
    permit: tokio::sync::OwnedSemaphorePermit,
) {
    let settings = Arc::clone(settings);
    tokio::spawn(async move {
        conn::serve(stream, from, kind, settings).await;
        drop(permit);
    });
}
