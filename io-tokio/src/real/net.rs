//! TCP of the operating system.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::net::{Net, NetStream};

/// Connections the operating system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Silence before the first probe. Each probe wakes a phone's radio, so not often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(600);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long sent bytes may stay unacknowledged. Nothing else ends a connection whose peer has vanished; Linux
/// would take a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(180);

/// The network of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct TcpNet;

impl Net for TcpNet {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if at.is_ipv6() {
            // An address means what it says; IPv4 has its own listener.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    }

    async fn accept(&self, listener: &mut TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        Ok((stream, from))
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }
}

impl NetStream for TcpStream {
    fn reset_on_drop(&self) {
        // Where it fails the connection is gone already, and the end it gets is the right one.
        let _gone = SockRef::from(self).set_linger(Some(Duration::ZERO)).is_err();
    }
}
