//! Requests, answers and frames of the control socket.

use std::fmt;
use std::io;

use eyot_core::config::{Config, LinkKind};
use eyot_core::io::{
    Answer, ClusterCommand, ClusterStatus, Command, MemberStatus, NoCluster, Refusal, Secret,
};
use eyot_core::jid::BareJid;
use eyot_core::store::StoreError;
use eyot_core::time::Span;
use serde::{Deserialize, Serialize};

/// The version of this protocol. Another one is refused with words, before anything else is read.
pub const VERSION: u32 = 1;
/// Bytes of one frame. A page of accounts is the largest.
pub const FRAME_MAX: usize = 1024 * 1024;

/// What the client sends.
#[derive(Debug, Deserialize, Serialize)]
pub struct Call {
    /// [`VERSION`] of the client.
    pub version: u32,
    /// What it wants. Absent where it is of a version we do not read.
    pub request: Option<Request>,
}

/// What an operator wants, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Create an account.
    Add {
        /// `alice` or `alice@domain`.
        name: String,
        /// Drawn when absent.
        password: Option<Password>,
    },
    /// Set a password.
    Passwd {
        /// `alice` or `alice@domain`.
        name: String,
        /// Drawn when absent.
        password: Option<Password>,
    },
    /// Remove an account.
    Remove {
        /// `alice` or `alice@domain`.
        name: String,
    },
    /// A page of the accounts of a domain.
    List {
        /// The first domain of the node when absent.
        domain: Option<String>,
        /// Localpart after which to go on.
        after: Option<String>,
    },
    /// How the node is.
    Status,
    /// Found a cluster.
    ClusterInit,
    /// Make a token with which one node may join.
    ClusterToken {
        /// For how many seconds.
        seconds: u64,
        /// The site of who joins.
        site: Option<String>,
    },
    /// Join the cluster of a token.
    ClusterJoin {
        /// The token.
        token: Password,
    },
    /// How the members are.
    ClusterStatus,
    /// Forget a member.
    ClusterForget {
        /// Its name.
        name: String,
        /// Also one that is up.
        force: bool,
    },
}

/// A password on its way. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Password(pub String);

/// What the node answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done and durable.
    Done,
    /// The account exists and is durable.
    Account {
        /// Its address.
        user: String,
        /// The password that was drawn.
        drawn: Option<Password>,
    },
    /// A page of accounts.
    Accounts {
        /// The addresses, in order.
        users: Vec<String>,
        /// Whether more follow.
        more: bool,
    },
    /// How the node is.
    Status(Status),
    /// The token that was made.
    Token(Password),
    /// How the members are.
    Cluster(Cluster),
    /// It was not done; why, in words.
    Refused(String),
}

/// How the members of a cluster are, as one of them sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cluster {
    /// The id of the cluster.
    pub id: String,
    /// The members, the one that was asked first.
    pub members: Vec<ClusterMember>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ClusterMember {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: String,
    /// Where it is called.
    pub address: String,
    /// What the way there is like.
    pub link: String,
    /// Whether it is linked, in words.
    pub state: String,
    /// How many entries it lacks of what the one that was asked holds, by group.
    pub lag: Vec<(String, u64)>,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Status {
    /// Its name.
    pub node: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// All members of its cluster; none where it is alone.
    pub members: Vec<Member>,
    /// The domains in which what is said has to be on more nodes than this.
    #[serde(default)]
    pub levels: Vec<DomainLevel>,
}

/// How many nodes, or sites, hold what is said in a domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DomainLevel {
    /// The domain.
    pub domain: String,
    /// Where what is said there has to be.
    pub level: String,
    /// Where it is now, in words.
    pub state: String,
}

/// A member of a cluster, as one of the others sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: String,
    /// Where it is called.
    pub address: String,
    /// Whether it is linked, in words.
    pub state: String,
}

impl Request {
    /// Translates the operator's words into the node's; nothing where the node need not be asked.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    pub fn into_command(self, config: &Config) -> Result<Option<Command>, String> {
        Ok(Some(match self {
            Self::Add { name, password } => {
                Command::UserAdd { user: parse_user(&name, config)?, password: secret(password) }
            }
            Self::Passwd { name, password } => {
                Command::UserPasswd { user: parse_user(&name, config)?, password: secret(password) }
            }
            Self::Remove { name } => Command::UserRemove { user: parse_user(&name, config)? },
            Self::List { domain, after } => {
                let first = config.domains.first().map(|domain| domain.name.as_str());
                let domain = domain.as_deref().or(first).unwrap_or_default();
                Command::UserList { domain: domain.into(), after: after.map(Into::into) }
            }
            Self::Status => return Ok(None),
            Self::ClusterInit => ask(ClusterCommand::Init),
            Self::ClusterToken { seconds, site } => {
                ask(ClusterCommand::Token { life: Span::from_secs(seconds), site: site.map(Into::into) })
            }
            Self::ClusterJoin { token } => ask(ClusterCommand::Join { token: Secret(token.0.into()) }),
            Self::ClusterStatus => ask(ClusterCommand::Status),
            Self::ClusterForget { name, force } => ask(ClusterCommand::Forget { name: name.into(), force }),
        }))
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let text = |secret: Secret| Password(String::from_utf8_lossy(&secret.0).into_owned());
        match answer {
            Answer::Done => Self::Done,
            Answer::Account { user, drawn } => {
                Self::Account { user: user.to_string(), drawn: drawn.map(text) }
            }
            Answer::Accounts { users, more } => {
                Self::Accounts { users: users.iter().map(ToString::to_string).collect(), more }
            }
            Answer::Token(token) => Self::Token(text(token)),
            Answer::Cluster(status) => Self::Cluster((*status).into()),
            Answer::Refused(refusal) => Self::Refused(refusal_text(refusal).into()),
        }
    }
}

impl From<ClusterStatus> for Cluster {
    fn from(status: ClusterStatus) -> Self {
        let ClusterStatus { cluster, members } = status;
        let own = members.first().map(|member| member.node);
        let of = |member: MemberStatus| ClusterMember {
            number: member.node,
            name: member.name.into(),
            site: member.site.into(),
            address: member.route.into(),
            link: match member.link {
                LinkKind::Lan => "lan",
                LinkKind::Wan => "wan",
                LinkKind::Satcom => "satcom",
                LinkKind::Hf => "hf",
            }
            .into(),
            state: match (Some(member.node) == own, member.up) {
                (true, _) => "this node",
                (false, true) => "linked",
                (false, false) => "not linked",
            }
            .into(),
            lag: member.lag.into_iter().map(|(group, lag)| (group.into(), lag)).collect(),
        };
        let id = cluster.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Self { id, members: members.into_iter().map(of).collect() }
    }
}

const fn ask(ask: ClusterCommand) -> Command {
    Command::Cluster { ask }
}

/// Says why a cluster was not changed and what can be done about it.
const fn cluster_text(why: NoCluster) -> &'static str {
    match why {
        NoCluster::Member => "this node is a member of a cluster already. `eyot cluster status` shows it.",
        NoCluster::Alone => {
            "this node is in no cluster of `eyot cluster init` or `join`. Members of a configuration file are changed there."
        }
        NoCluster::NoSeat => {
            "the configuration does not say how other nodes reach this one. Write `listen` and `address` into [cluster]."
        }
        NoCluster::Populated => {
            "this node has accounts of its own, and two populated nodes never become one. Use an empty --data. \
             Nothing was changed."
        }
        NoCluster::BadToken => {
            "this is no token, or not all of it. Copy what `eyot cluster token` has shown."
        }
        NoCluster::OtherCluster => {
            "who answers at the address in the token is of another cluster. Make a token at the member that you mean."
        }
        NoCluster::UnknownToken => {
            "the member that was asked does not know the token. Make another one with `eyot cluster token`."
        }
        NoCluster::Expired => {
            "the token has expired, by the clock of the member that was asked. Make another one; if this one was new, \
             compare the clocks of the members."
        }
        NoCluster::Used => "another node has joined with this token. Make another one: each is for one node.",
        NoCluster::OtherDomains => {
            "the members serve other domains. Name the same ones in the configuration of this node."
        }
        NoCluster::NameTaken => {
            "another member has the name of this node. Give it another `node` in its configuration."
        }
        NoCluster::BadWords => {
            "`node`, `site` or `address` is empty or too long. Use 1 to 64 bytes for names and sites."
        }
        NoCluster::Full => "there are as many members or open tokens as there may be: 64 of each.",
        NoCluster::Unreachable => {
            "no member that the token names can be reached. Nothing was changed; the token stays good until it expires."
        }
        NoCluster::Untrusted => {
            "who answers at the address in the token does not have the token: it is no member. Nothing was changed."
        }
        NoCluster::NotWritten => "the member that was asked cannot write to its disk. Nothing was changed.",
        NoCluster::NoSuchMember => "there is no such member. `eyot cluster status` shows all.",
        NoCluster::Up => "that member is up. Stop it first, or use --force: what only it has is lost.",
        NoCluster::Itself => "a member cannot forget itself. Ask another one.",
    }
}

/// Says why a command was not done and what can be done about it.
pub const fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Exists => "the account exists already. `eyot user passwd` sets a new password.",
        Refusal::NoSuchUser => "there is no such account. `eyot user list` shows all.",
        Refusal::NoSuchDomain => "this node does not serve that domain. Name it in the configuration first.",
        Refusal::BadPassword => {
            "the password is empty or holds characters that are not allowed (RFC 8265, 4.2)."
        }
        Refusal::Busy => "another change of this account is under way. Try again.",
        Refusal::Store(StoreError::Full) => "the disk is full. Nothing was changed.",
        Refusal::Store(StoreError::Io) => "the disk failed. The log of the node says more.",
        Refusal::Store(StoreError::Damaged) => "the stored account is damaged. Put back a copy of the store.",
        Refusal::Cluster(why) => cluster_text(why),
        Refusal::Stopping => "the node is stopping. Try again when it is gone or back.",
    }
}

fn parse_user(name: &str, config: &Config) -> Result<BareJid, String> {
    let parsed = match (name.contains('@'), config.domains.first()) {
        (false, Some(domain)) => BareJid::from_local(name, &domain.name),
        _ => BareJid::parse(name),
    };
    let user = parsed
        .map_err(|error| format!("{name:?} is no user name ({error:?}). Write alice or alice@domain."))?;
    match user.local() {
        Some(_) => Ok(user),
        None => Err(format!("{name:?} names a domain, not a user. Write alice or alice@domain.")),
    }
}

fn secret(password: Option<Password>) -> Option<Secret> {
    password.map(|password| Secret(password.0.into()))
}

/// Encodes a frame.
///
/// # Errors
///
/// `InvalidData` when the message is larger than [`FRAME_MAX`].
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let len = frame_len(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    let mut frame = Vec::with_capacity(4 + len);
    frame.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Reads the length of a frame.
///
/// # Errors
///
/// `InvalidData` when it is larger than [`FRAME_MAX`].
pub fn frame_len(prefix: [u8; 4]) -> io::Result<usize> {
    let len = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if len > FRAME_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    Ok(len)
}

/// Decodes the body of a frame.
///
/// # Errors
///
/// `InvalidData` when it is no such message.
pub fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(body)?)
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use eyot_core::jid::Domain;

    use super::*;

    fn config() -> Config {
        Config::single(Domain::parse("river.example").unwrap())
    }

    #[test]
    fn a_name_without_a_domain_belongs_to_the_first() {
        let user = |name: &str| match (Request::Remove { name: name.into() }).into_command(&config()) {
            Ok(Some(Command::UserRemove { user })) => Ok(user.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(why) => Err(why),
        };
        assert_eq!(user("Alice").as_deref(), Ok("alice@river.example"));
        assert_eq!(user("alice@sea.example").as_deref(), Ok("alice@sea.example"));
        for wrong in ["", "a b", "alice@", "@river.example", "alice@river.example/home", "a@b@c"] {
            let why = user(wrong).unwrap_err();
            assert!(why.contains("is no user name"), "{wrong:?}: {why}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let call = Call {
            version: VERSION,
            request: Some(Request::Add { name: "a".into(), password: Some(Password("p".into())) }),
        };
        let frame = encode(&call).unwrap();
        let (prefix, body) = frame.split_first_chunk().unwrap();
        assert_eq!(frame_len(*prefix).unwrap(), body.len());
        assert_eq!(decode::<Call>(body).unwrap().request, call.request);
    }

    #[test]
    fn frames_are_bounded_both_ways() {
        assert!(frame_len([0xff; 4]).is_err());
        assert!(encode(&Reply::Refused("x".repeat(FRAME_MAX))).is_err());
    }

    #[test]
    fn a_password_does_not_show() {
        let request = Request::Add { name: "a".into(), password: Some(Password("sesame".into())) };
        assert!(!format!("{request:?}").contains("sesame"));
    }
}
