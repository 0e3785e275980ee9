//! A client's end of a connection, with TLS or without.

use std::io;
use std::mem;

use eyot_io_tokio::net::NetStream as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::identity::DOMAIN;
use crate::net::SimStream;

/// RFC 9266, section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

#[derive(Debug)]
pub(super) enum Line {
    None,
    Plain(SimStream),
    Tls(Box<TlsStream<SimStream>>),
}

impl Line {
    pub(super) async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None => std::future::pending().await,
            Self::Plain(stream) => stream.read(buf).await,
            Self::Tls(stream) => stream.read(buf).await,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Sends the end: close-notify where there is TLS, then FIN.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }

    /// Lets the end of the connection be a reset.
    pub(super) fn reset(&self) {
        match self {
            Self::None => {}
            Self::Plain(stream) => stream.reset_on_drop(),
            Self::Tls(stream) => stream.get_ref().0.reset_on_drop(),
        }
    }

    /// Does the client's side of a handshake; returns `tls-exporter` as this end computes it.
    pub(super) async fn start_tls(&mut self, connector: &TlsConnector) -> io::Result<Option<[u8; 32]>> {
        let Self::Plain(stream) = mem::replace(self, Self::None) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let name = ServerName::try_from(DOMAIN).expect("the domain is a name");
        let stream = connector.connect(name, stream).await?;
        let exporter = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok();
        *self = Self::Tls(Box::new(stream));
        Ok(exporter)
    }
}
