//! The node's end of the control socket.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyot_core::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::linked::Linked;
use super::wire::{self, Call, Reply, Request, Status, VERSION};
use crate::driver::Handle;

/// Operators served at once; the next ones wait.
const CALLERS_MAX: usize = 16;
/// How long a caller may take for one frame.
const FRAME_TIME: Duration = Duration::from_secs(10);

/// Who answers operators.
#[derive(Debug)]
pub struct Desk {
    /// The way to the node.
    pub handle: Handle,
    /// Its configuration.
    pub config: Config,
    /// Which other nodes are linked.
    pub linked: Linked,
}

/// A bound control socket. Dropping it removes the socket's name.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket. The caller holds the lock of the data directory, so what is there is left over from a
    /// node that was killed.
    ///
    /// # Errors
    ///
    /// Those of the operating system; a path of more than about 100 bytes is too long for a socket.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves operators for ever; the task that runs this is aborted to stop.
    pub async fn serve(self, desk: Arc<Desk>) {
        let callers = Arc::new(Semaphore::new(CALLERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&callers).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        if let Err(error) = serve_caller(stream, &desk).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept control connections, trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If it cannot be removed it is recognised as left over at the next start.
        let _left_over = std::fs::remove_file(&self.path).is_err();
    }
}

async fn serve_caller(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    // Between `bind` and `set_permissions` somebody else may have connected.
    let owner = rustix::process::geteuid().as_raw();
    let caller = stream.peer_cred()?.uid();
    if caller != owner && caller != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    loop {
        let mut prefix = [0; 4];
        match timeout(FRAME_TIME, stream.read_exact(&mut prefix)).await? {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut body = vec![0; wire::frame_len(prefix)?];
        timeout(FRAME_TIME, stream.read_exact(&mut body)).await??;
        let reply = answer(&body, desk).await;
        timeout(FRAME_TIME, stream.write_all(&wire::encode(&reply)?)).await??;
        stream.flush().await?;
    }
}

async fn answer(body: &[u8], desk: &Desk) -> Reply {
    match wire::decode::<Call>(body) {
        Ok(Call { version: VERSION, request: Some(request) }) => desk.perform(request).await,
        // A request of another version need not look like one of ours.
        Ok(_) | Err(_) => Reply::Refused(format!(
            "the node reads version {VERSION} of the control protocol. Use the `eyot` of the same release."
        )),
    }
}

impl Desk {
    /// Has the node carry out a request.
    pub async fn perform(&self, request: Request) -> Reply {
        match request.into_command(&self.config) {
            Err(why) => Reply::Refused(why),
            Ok(None) => Reply::Status(self.status()),
            Ok(Some(command)) => match self.handle.command(command).await {
                Some(answer) => self.explained(answer.into()),
                None => Reply::Refused(wire::refusal_text(eyot_core::io::Refusal::Stopping).into()),
            },
        }
    }

    /// Adds to what the node says of the members why they are not linked.
    fn explained(&self, mut reply: Reply) -> Reply {
        if let Reply::Cluster(cluster) = &mut reply {
            for member in cluster.members.iter_mut().skip(1).filter(|member| member.state != "linked") {
                let why = self.linked.why(&member.name).unwrap_or("it has not been reached yet");
                member.state = format!("not linked: {why}");
            }
        }
        reply
    }

    fn status(&self) -> Status {
        let cluster = self.config.cluster.as_ref();
        Status {
            node: self.config.node.clone(),
            domains: self.config.domains.iter().map(|domain| domain.name.as_str().to_owned()).collect(),
            members: cluster.map(|cluster| self.linked.members(cluster)).unwrap_or_default(),
            levels: self.linked.levels(),
        }
    }
}
