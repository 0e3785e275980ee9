//! The outer boundary: everything that reaches a node and everything that leaves it, as values.
//!
//! `io-tokio` and `io-sim` turn sockets, clocks and disks into [`Input`]s and carry out [`Output`]s.
//! Nothing else crosses.

use core::fmt;

use bytes::Bytes;

use crate::config::LinkKind;
use crate::jid::BareJid;
use crate::store::{Row, StoreBatch, StoreError, StoreQuery};
use crate::time::{Instant, Span};
use crate::trace::Event;

/// A connection. Chosen by the driver, never used twice while a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A store operation or other effect that will be answered. Chosen by the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// An operator's command. Chosen by the driver, never used twice while a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What arrives at a node. `Debug` hides the bytes that clients sent: they may be credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody connected to a listener. The first input of every connection that came in.
    Opened {
        /// The new connection.
        conn: ConnId,
        /// Which listener it came to.
        kind: ConnKind,
        /// Where it comes from; connections are limited per address.
        peer: PeerAddr,
    },
    /// The answer to [`Output::Connect`]: the first input of a connection that this node has made, if it was made.
    Connected {
        /// The operation.
        op: OpId,
        /// The new connection, chosen as for [`Input::Opened`]; or why there is none: [`CloseCause::Reset`] when nobody
        /// listens there, [`CloseCause::TimedOut`] when nobody has answered in time.
        outcome: Result<ConnId, CloseCause>,
    },
    /// The TLS handshake is done: the answer to [`Output::StartTls`], or, where TLS comes first, the second input of the
    /// connection.
    Secured {
        /// The connection.
        conn: ConnId,
        /// What TLS knows.
        tls: TlsInfo,
    },
    /// Bytes arrived, decrypted where there is TLS.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes; never empty.
        bytes: Bytes,
    },
    /// More of what [`Output::Send`] handed over has been accepted by the operating system. Told each time
    /// at least an eighth of `Limits::send_queue_bytes` has gathered since the last time, so the core
    /// over-estimates what waits by less than that, and a quiet connection costs no input.
    Flushed {
        /// The connection.
        conn: ConnId,
        /// How many bytes since the last `Flushed` of this connection.
        bytes: u32,
    },
    /// The peer will send nothing more (FIN or close-notify) but may still read.
    Ended {
        /// The connection.
        conn: ConnId,
    },
    /// The connection is gone. The last input of every connection, also after [`Output::Close`].
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        cause: CloseCause,
    },
    /// The answer to [`Output::Store`]: on success the batch is durable.
    Stored {
        /// The operation.
        op: OpId,
        /// Whether it is durable.
        outcome: Result<(), StoreError>,
    },
    /// The answer to [`Output::Load`].
    Loaded {
        /// The operation.
        op: OpId,
        /// The rows, in key order.
        outcome: Result<Vec<Row>, StoreError>,
    },
    /// The answer to [`Output::Derive`]: `SaltedPassword` of RFC 5802.
    Derived {
        /// The operation.
        op: OpId,
        /// 20 bytes for SHA-1, 32 for SHA-256.
        salted_password: Secret,
    },
    /// An operator wants something; answered by [`Output::Reply`].
    Command {
        /// The command's number.
        id: CommandId,
        /// What is wanted.
        command: Command,
    },
    /// The deadline of the last [`Output::Wait`] has come.
    Tick,
}

/// What a node wants done.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The node is ready: the driver opens its listeners. Said once.
    Ready {
        /// What the node found in its store.
        boot: Boot,
    },
    /// Connect to a peer, then [`Input::Connected`]; do the client's side of a TLS handshake that shows this node's
    /// certificate, then [`Input::Secured`].
    Connect {
        /// The operation.
        op: OpId,
        /// Where to, in words of the driver's resolver.
        route: Box<str>,
        /// How.
        how: Dial,
    },
    /// After all that was sent before has been written, do the server's side of a TLS handshake; then
    /// [`Input::Secured`]. Bytes read before this output were plaintext and have all been handed over.
    StartTls {
        /// The connection.
        conn: ConnId,
    },
    /// Write `head`, then `body`. `body` is shared by all recipients of one stanza.
    Send {
        /// The connection.
        conn: ConnId,
        /// What differs from recipient to recipient.
        head: Bytes,
        /// What does not; may be empty.
        body: Bytes,
    },
    /// Hand over no more of what this connection sends until [`Output::Release`]: its session is behind. At most one
    /// more [`Input::Received`] may come; the end of the connection is told all the same.
    Hold {
        /// The connection.
        conn: ConnId,
    },
    /// Hand over again what this connection sends.
    Release {
        /// The connection.
        conn: ConnId,
    },
    /// Write what was sent before, then close; at once when `how` says so. [`Input::Closed`] follows.
    Close {
        /// The connection.
        conn: ConnId,
        /// Politely or at once.
        how: CloseHow,
    },
    /// Make the batch durable, then [`Input::Stored`].
    Store {
        /// The operation.
        op: OpId,
        /// The writes.
        batch: StoreBatch,
    },
    /// Read, then [`Input::Loaded`]. Sees every batch stored before it.
    Load {
        /// The operation.
        op: OpId,
        /// The read.
        query: StoreQuery,
    },
    /// Run PBKDF2 away from the node's thread, then [`Input::Derived`].
    Derive {
        /// The operation.
        op: OpId,
        /// What to derive from what.
        request: KeyDerivation,
    },
    /// The answer to a command.
    Reply {
        /// The command's number.
        id: CommandId,
        /// What came of it.
        answer: Answer,
    },
    /// Something worth observing happened.
    Trace(Event),
    /// After [`Command::Shutdown`]: every connection is closed and every write is durable. The last output.
    Stopped,
    /// Nothing more to do before `until`. Always the last output after an input.
    Wait {
        /// When to send [`Input::Tick`]; never when absent.
        until: Option<Instant>,
        /// Which timer asked for it.
        reason: &'static str,
    },
}

/// What a node found when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// How often the node has started on this store, this time included.
    pub start: u64,
}

/// The listener a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnKind {
    /// A client on the port where TLS begins with STARTTLS (RFC 6120, 5).
    ClientStartTls,
    /// A client on the port where TLS comes first (XEP-0368).
    ClientDirectTls,
    /// Another node of the cluster. TLS comes first, and both sides show certificates.
    Peer,
}

/// How to connect to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// What the way there is like: the driver chooses its compression and its buffers by it.
    pub link: LinkKind,
    /// After this time without an answer, [`CloseCause::TimedOut`].
    pub give_up: Span,
}

/// The address of a peer as IPv6; IPv4 is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr(pub [u8; 16]);

impl PeerAddr {
    /// Returns what bounds are counted by: the whole of a mapped IPv4 address, the first 64 bits of any other,
    /// because the rest is for the peer to choose.
    #[must_use]
    pub fn network(self) -> Self {
        const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        if self.0.starts_with(&MAPPED) {
            return self;
        }
        let mut network = self.0;
        network.iter_mut().skip(8).for_each(|byte| *byte = 0);
        Self(network)
    }
}

/// What TLS knows about a connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// `tls-exporter` (RFC 9266), where the TLS version gives it.
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929): the hash of the certificate that was shown.
    pub server_end_point: Option<Bytes>,
    /// The certificate that a peer has shown; nothing from clients.
    pub peer: Option<PeerCertificate>,
}

/// What another node has shown. The driver has checked that it holds the private key, and nothing else: core decides by the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of its `SubjectPublicKeyInfo` (RFC 5280, 4.1).
    pub key: [u8; 32],
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// Closed in order, by either side.
    Closed,
    /// Reset by the peer or broken on the way.
    Reset,
    /// The TLS handshake or record layer failed.
    Tls,
    /// Nothing moved for too long.
    TimedOut,
}

/// How to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseHow {
    /// Write what is queued, close-notify and FIN; wait a bounded time for the peer's.
    Graceful,
    /// Drop what is queued.
    Abort,
}

/// A hash of the SCRAM family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramHash {
    /// SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

/// A run of PBKDF2 (`Hi` of RFC 5802).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDerivation {
    /// Which hash.
    pub hash: ScramHash,
    /// The prepared password.
    pub password: Secret,
    /// The salt.
    pub salt: Bytes,
    /// The iteration count.
    pub iterations: u32,
}

/// Bytes that must never be shown. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Bytes);

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Create an account.
    UserAdd {
        /// Its address.
        user: BareJid,
        /// Its password; drawn when absent, and shown in the answer.
        password: Option<Secret>,
    },
    /// Set a password. Sessions of the account end.
    UserPasswd {
        /// The account.
        user: BareJid,
        /// The new password; drawn when absent, and shown in the answer.
        password: Option<Secret>,
    },
    /// Remove an account. Its sessions end.
    UserRemove {
        /// The account.
        user: BareJid,
    },
    /// Tell the accounts of a domain, in order, in pages.
    UserList {
        /// The domain.
        domain: Box<str>,
        /// Localpart after which to go on.
        after: Option<Box<str>>,
    },
    /// Create `admin` in `domain` with a drawn password if the domain has no account yet.
    EnsureAdmin {
        /// The domain.
        domain: Box<str>,
    },
    /// Say good-bye to everybody, make everything durable, then [`Output::Stopped`].
    Shutdown,
    /// Change of which cluster the node is, or tell of it.
    Cluster {
        /// What.
        ask: ClusterCommand,
    },
}

/// What an operator can ask for where the members stand in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterCommand {
    /// Found a cluster of which this node, which is alone, is the only member. When that is durable the node stops as for
    /// [`Command::Shutdown`]: it is a member from its next start on.
    Init,
    /// Make a token with which one node may join.
    Token {
        /// For how long.
        life: Span,
        /// In which site who joins with it is; nothing where that is for who joins to say.
        site: Option<Box<str>>,
    },
    /// Join the cluster that this token is of. Then as [`ClusterCommand::Init`].
    Join {
        /// The token.
        token: Secret,
    },
    /// Tell what is known of the members.
    Status,
    /// Forget a member, for good.
    Forget {
        /// Its name.
        name: Box<str>,
        /// Also one that is up.
        force: bool,
    },
}

/// Why a cluster was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCluster {
    /// The node is a member of a cluster already.
    Member,
    /// The node is in no cluster, or in one whose members stand in the configuration.
    Alone,
    /// The configuration does not say how other nodes reach this one.
    NoSeat,
    /// The node holds more than what a first start leaves.
    Populated,
    /// The token is none.
    BadToken,
    /// The token is of another cluster than whoever answers there is of.
    OtherCluster,
    /// Nobody there knows the token.
    UnknownToken,
    /// The token has expired, by the clock of the node that was asked.
    Expired,
    /// Another node has joined with the token.
    Used,
    /// The members serve other domains.
    OtherDomains,
    /// Another member has the name.
    NameTaken,
    /// The name, the site or the address of the node is empty or too long.
    BadWords,
    /// There are as many members, or tokens, as there may be.
    Full,
    /// No node that the token names can be reached.
    Unreachable,
    /// Who answers there does not have the token.
    Untrusted,
    /// The node that was asked could not write that this one joins.
    NotWritten,
    /// There is no such member.
    NoSuchMember,
    /// The member is up.
    Up,
    /// A member does not forget itself.
    Itself,
}

/// What is known of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Tells the cluster from others.
    pub cluster: [u8; 16],
    /// All members, this node first.
    pub members: Vec<MemberStatus>,
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its number.
    pub node: u32,
    /// Its name.
    pub name: Box<str>,
    /// Its site.
    pub site: Box<str>,
    /// Where it listens for other nodes.
    pub route: Box<str>,
    /// What the way there is like.
    pub link: LinkKind,
    /// Whether it can be reached; this node always can.
    pub up: bool,
    /// How many entries of each group this node holds that the member has not said to hold, by domain and name of the group. Nothing
    /// of this node, and of one that has said nothing.
    pub lag: Vec<(Box<str>, u64)>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done and durable.
    Done,
    /// The account exists and is durable; the drawn password, if one was drawn.
    Account {
        /// Its address.
        user: BareJid,
        /// The password that was drawn.
        drawn: Option<Secret>,
    },
    /// A page of accounts.
    Accounts {
        /// The addresses, in order.
        users: Vec<BareJid>,
        /// Whether more follow.
        more: bool,
    },
    /// The token that was made.
    Token(Secret),
    /// What is known of the cluster.
    Cluster(Box<ClusterStatus>),
    /// It was not done, and nothing changed.
    Refused(Refusal),
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The account exists already.
    Exists,
    /// There is no such account.
    NoSuchUser,
    /// This node does not serve the domain.
    NoSuchDomain,
    /// The password is empty or holds forbidden characters (RFC 8265, 4.2).
    BadPassword,
    /// Another change of the same account is on its way to the disk.
    Busy,
    /// The store failed.
    Store(StoreError),
    /// The node is stopping.
    Stopping,
    /// It has to do with the cluster.
    Cluster(NoCluster),
}

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { conn, kind, peer } => write!(out, "Opened({conn:?}, {kind:?}, {peer:?})"),
            Self::Connected { op, outcome } => write!(out, "Connected({op:?}, {outcome:?})"),
            Self::Secured { conn, tls } => write!(out, "Secured({conn:?}, {tls:?})"),
            Self::Received { conn, bytes } => write!(out, "Received({conn:?}, {} bytes)", bytes.len()),
            Self::Flushed { conn, bytes } => write!(out, "Flushed({conn:?}, {bytes})"),
            Self::Ended { conn } => write!(out, "Ended({conn:?})"),
            Self::Closed { conn, cause } => write!(out, "Closed({conn:?}, {cause:?})"),
            Self::Stored { op, outcome } => write!(out, "Stored({op:?}, {outcome:?})"),
            Self::Loaded { op, outcome } => write!(out, "Loaded({op:?}, {outcome:?})"),
            Self::Derived { op, salted_password } => write!(out, "Derived({op:?}, {salted_password:?})"),
            Self::Command { id, command } => write!(out, "Command({id:?}, {command:?})"),
            Self::Tick => out.write_str("Tick"),
        }
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsInfo")
            .field("exporter", &self.exporter.is_some())
            .field("server_end_point", &self.server_end_point.is_some())
            .field("peer", &self.peer.is_some())
            .finish()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}
