//! TCP of the operating system.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::net::{Net, NetStream};

/// Connections the operating system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Silence before the first probe. Each probe wakes a phone's radio, so not often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(600);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long sent bytes may stay unacknowledged. Nothing else ends a connection whose peer has vanished; Linux
/// would take a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(180);

/// Names of nodes that are being looked up at once.
static RESOLVING: Semaphore = Semaphore::const_new(4);

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
        prepare(&stream)?;
        Ok((stream, from))
    }

    async fn connect(&self, route: &str) -> io::Result<TcpStream> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for addr in resolve(route).await? {
            match TcpStream::connect(addr).await {
                Ok(stream) => {
                    prepare(&stream)?;
                    return Ok(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }
}

/// Finds the addresses of `host:port`.
///
/// A look-up holds a thread until the system's resolver gives up, which may be long after the caller has. There are few
/// at once, so that a resolver that is out of reach does not take the threads that passwords are derived on.
async fn resolve(route: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(addr) = route.parse() {
        return Ok(vec![addr]);
    }
    let permit = RESOLVING.acquire().await.map_err(io::Error::other)?;
    let route = route.to_owned();
    let found = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        route.to_socket_addrs().map(Iterator::collect)
    });
    found.await.map_err(io::Error::other)?
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

impl NetStream for TcpStream {
    fn reset_on_drop(&self) {
        // Where it fails the connection is gone already, and the end it gets is the right one.
        let _gone = SockRef::from(self).set_linger(Some(Duration::ZERO)).is_err();
    }
}
