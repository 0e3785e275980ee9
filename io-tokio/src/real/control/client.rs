//! The operator's end of the control socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::wire::{self, Call, Reply, Request, VERSION};

/// A connection to a running node.
#[derive(Debug)]
pub struct Client(UnixStream);

impl Client {
    /// Connects; `None` when no node listens: there is no socket, or one left over from a node that was killed.
    ///
    /// # Errors
    ///
    /// Those of the operating system: most often the node belongs to somebody else.
    pub fn connect(path: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `UnexpectedEof` when the node went away. Whether the request was carried
    /// out is not known then.
    pub fn call(&mut self, request: Request) -> io::Result<Reply> {
        self.0.write_all(&wire::encode(&Call { version: VERSION, request: Some(request) })?)?;
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix)?;
        let mut body = vec![0; wire::frame_len(prefix)?];
        self.0.read_exact(&mut body)?;
        wire::decode(&body)
    }
}
