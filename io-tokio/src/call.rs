//! Calls to other nodes: connects, gives up in time, and gives each connection a task.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use eyot_core::io::{CloseCause, Dial, OpId};
use tokio::time::timeout;

use crate::conn::{self, Settings};
use crate::driver::{Caller, End, FromConn, Handle};
use crate::net::Net;

/// Calls over a network.
pub struct NetCaller<N> {
    net: Arc<N>,
    settings: Arc<Settings>,
}

impl<N: Net> NetCaller<N> {
    /// Creates the caller; `settings` are those of its connections.
    pub const fn new(net: Arc<N>, settings: Arc<Settings>) -> Self {
        Self { net, settings }
    }
}

impl<N: Net> Caller for NetCaller<N> {
    fn call(&mut self, op: OpId, route: Box<str>, how: Dial) {
        let (net, settings) = (Arc::clone(&self.net), Arc::clone(&self.settings));
        tokio::spawn(async move {
            let give_up = Duration::from_micros(how.give_up.as_micros());
            let cause = match timeout(give_up, net.connect(&route)).await {
                Ok(Ok(stream)) => return conn::serve_made(stream, op, settings).await,
                Ok(Err(error)) => {
                    tracing::debug!(%route, %error, "node does not answer");
                    if error.kind() == io::ErrorKind::TimedOut {
                        CloseCause::TimedOut
                    } else {
                        CloseCause::Reset
                    }
                }
                Err(_) => CloseCause::TimedOut,
            };
            tell(&settings.handle, op, cause).await;
        });
    }
}

/// The caller of a node that is alone: it never calls, and nobody would answer.
#[derive(Debug)]
pub struct Nobody(Handle);

impl Nobody {
    /// Creates the caller of the node that `handle` leads to.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Caller for Nobody {
    fn call(&mut self, op: OpId, _route: Box<str>, _how: Dial) {
        let handle = self.0.clone();
        tokio::spawn(async move { tell(&handle, op, CloseCause::Reset).await });
    }
}

async fn tell(handle: &Handle, op: OpId, cause: CloseCause) {
    // A node that has stopped waits for nobody.
    let _stopped = handle.tell(End::Node, FromConn::Connected { op, outcome: Err(cause) }).await;
}

impl<N> fmt::Debug for NetCaller<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NetCaller").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::SocketAddr;

    use eyot_core::config::LinkKind;
    use eyot_core::limits::Limits;
    use eyot_core::time::Span;
    use tokio::io::DuplexStream;

    use super::*;
    use crate::conn::Bounds;
    use crate::driver::lanes;
    use crate::net::NetStream;
    use crate::tls::{Tls, self_signed};

    /// A network in which nobody answers.
    struct Silence;

    impl Net for Silence {
        type Listener = ();
        type Stream = DuplexStream;

        async fn bind(&self, _: SocketAddr) -> io::Result<()> {
            Ok(())
        }

        async fn accept(&self, (): &mut ()) -> io::Result<(DuplexStream, SocketAddr)> {
            pending().await
        }

        async fn connect(&self, _: &str) -> io::Result<DuplexStream> {
            pending().await
        }

        fn local_addr(&self, (): &()) -> io::Result<SocketAddr> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    impl NetStream for DuplexStream {
        fn reset_on_drop(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_answers_is_given_up_in_time_and_answered_once() {
        let made = self_signed(&["localhost".into()]).unwrap();
        let tls = Tls::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let (handle, mut lanes) = lanes();
        let settings = Arc::new(Settings { handle, tls, bounds: Bounds::new(&Limits::default()) });
        let mut caller = NetCaller::new(Arc::new(Silence), settings);
        let began = tokio::time::Instant::now();
        caller.call(OpId(7), "b:5230".into(), Dial { link: LinkKind::Wan, give_up: Span::from_secs(3) });
        let Some(FromConn::Connected { op: OpId(7), outcome: Err(cause) }) = lanes.recv_peer().await else {
            panic!("not answered")
        };
        assert_eq!((cause, began.elapsed().as_secs()), (CloseCause::TimedOut, 3));
        assert!(lanes.try_recv_peer().is_none());
    }
}
