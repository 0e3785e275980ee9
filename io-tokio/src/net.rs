//! The seam between the driver and a network: real sockets, or simulated streams.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use eyot_core::io::PeerAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{client, server};

/// A network to listen on.
pub trait Net: Send + Sync + 'static {
    /// A bound listener.
    type Listener: Send + 'static;
    /// An accepted connection.
    type Stream: NetStream;

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// Those of the network: the address is taken, or not of this machine.
    fn bind(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Waits for the next connection and says where it comes from.
    ///
    /// # Errors
    ///
    /// Those of the network. The listener stays usable.
    fn accept(
        &self,
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Connects to another node. `route` is what the configuration says: host and port.
    ///
    /// # Errors
    ///
    /// Those of the network. There is no limit of time here.
    fn connect(&self, route: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Returns where a listener listens, the drawn port included.
    ///
    /// # Errors
    ///
    /// Those of the network.
    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;
}

/// A connection.
pub trait NetStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Lets the end of the connection be a reset, not an orderly close.
    fn reset_on_drop(&self);
}

impl<S: NetStream> NetStream for server::TlsStream<S> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

impl<S: NetStream> NetStream for client::TlsStream<S> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

/// Returns an address as the core knows it: IPv6, IPv4 mapped.
pub fn peer_addr(addr: SocketAddr) -> PeerAddr {
    match addr {
        SocketAddr::V4(v4) => PeerAddr(v4.ip().to_ipv6_mapped().octets()),
        SocketAddr::V6(v6) => PeerAddr(v6.ip().octets()),
    }
}
