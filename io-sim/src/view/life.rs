//! What is not a stanza: how connections and nodes live and end, what operators ask, what the world does, what must hold.

use eyot_core::io::CloseCause;

use crate::client::{Nonza, Sight};
use crate::script::{Film, Outcome};
use crate::transcript::{Aliases, Place, node_sight, sight};
use crate::world::{Actor, Moment, NodeSight};

/// Whose lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// A client's, by number.
    Client(usize),
    /// A node's, by number.
    Node(usize),
    /// Nobody's: it stands beside the lanes.
    Story,
}

/// Some words at an instant.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// When.
    pub(super) moment: Moment,
    /// Where.
    pub(super) whose: Whose,
    /// What.
    pub(super) text: String,
    /// How they are shown.
    pub(super) tone: Tone,
}

/// How words are shown; the word is the class of their style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Steps that are as they should be.
    Step,
    /// Between a node and its operator.
    Operator,
    /// Something went wrong.
    Bad,
    /// The world changed.
    World,
    /// An expectation that holds.
    Holds,
    /// An expectation that does not hold, or a rule that was broken.
    Fails,
}

/// A stretch of a lane.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// Where.
    pub(super) whose: Whose,
    /// From when.
    pub(super) from: Moment,
    /// Until when.
    pub(super) until: Moment,
    /// In which state.
    pub(super) state: State,
}

/// The state of a lane; the word is the class of its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A connection is being made, or a stream opened without TLS.
    Connecting,
    /// TLS is up.
    Secured,
    /// The client has logged in.
    LoggedIn,
    /// The client has a full JID.
    Bound,
    /// One side has ended the stream.
    Closing,
    /// A node starts.
    Starting,
    /// A node runs.
    Runs,
    /// A node does not run.
    Down,
    /// The machine of a node has no power.
    Dark,
}

impl Tone {
    /// Returns the class of its style.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Operator => "operator",
            Self::Bad => "bad",
            Self::World => "world",
            Self::Holds => "holds",
            Self::Fails => "fails",
        }
    }
}

impl State {
    /// Returns what it is called, for people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Secured => "secured",
            Self::LoggedIn => "logged in",
            Self::Bound => "bound",
            Self::Closing => "closing",
            Self::Starting => "starting",
            Self::Runs => "runs",
            Self::Down => "down",
            Self::Dark => "without power",
        }
    }

    /// Returns the class of its style.
    pub(super) fn class(self) -> String {
        format!("s-{}", self.word().replace(' ', "-"))
    }
}

/// Returns all words of a run, in the order of time.
pub(super) fn marks(film: &Film, outcome: &Outcome, aliases: &Aliases) -> Vec<Mark> {
    let place = Place { domain: &film.domain };
    let mut found = Vec::new();
    for (record, seen) in film.history.iter().enumerate() {
        let told = match &seen.actor {
            // Setting up is not part of the story.
            Actor::Node(_, NodeSight::Asked(..) | NodeSight::Answered(..)) if record < film.begun => None,
            Actor::Client(client, what) => {
                of_client(place, what).map(|told| (Whose::Client(client.at()), told))
            }
            Actor::Node(node, what) => of_node(place, what).map(|told| (Whose::Node(node.at()), told)),
            Actor::World(change) => Some((Whose::Story, (Tone::World, change.to_string()))),
        };
        if let Some((whose, (tone, text))) = told {
            let moment = Moment { at: seen.at, record, order: u64::MAX };
            found.push(Mark { moment, whose, text: aliases.apply(&text), tone });
        }
    }
    let end = |at| Moment { at, record: usize::MAX, order: u64::MAX };
    for wired in &film.wired {
        if let Some((at, cause)) = wired.gone
            && let Some(how) = hard_end(cause)
        {
            let client = film.cast.clients.get(wired.client.at()).map(String::as_str).unwrap_or_default();
            let whose = Whose::Node(wired.node.at());
            found.push(Mark { moment: end(at), whose, text: format!("{client}: {how}"), tone: Tone::Bad });
        }
    }
    for verdict in &outcome.verdicts {
        let (sign, tone) = if verdict.met { ('\u{2713}', Tone::Holds) } else { ('\u{2717}', Tone::Fails) };
        let text = format!("{sign} {}", verdict.text);
        found.push(Mark { moment: end(verdict.at), whose: Whose::Story, text, tone });
    }
    for violation in &outcome.violations {
        let text = format!("\u{26a0} {}: {}", violation.signature, violation.what);
        found.push(Mark { moment: end(violation.at), whose: Whose::Story, text, tone: Tone::Fails });
    }
    found.sort_by_key(|mark| mark.moment);
    found
}

/// Returns the name of an end that is not the usual one.
const fn hard_end(cause: CloseCause) -> Option<&'static str> {
    match cause {
        CloseCause::Closed => None,
        CloseCause::Reset => Some("reset"),
        CloseCause::Tls => Some("TLS failed"),
        CloseCause::TimedOut => Some("timed out"),
    }
}

fn of_client(place: Place<'_>, seen: &Sight) -> Option<(Tone, String)> {
    let tone = match seen {
        // Stanzas are arrows; these are the colour of the lane.
        Sight::Sent(_)
        | Sight::Got(_)
        | Sight::Features(_)
        | Sight::Wire { .. }
        | Sight::StartTls
        | Sight::Secured
        | Sight::LoggedIn
        | Sight::Nonza(Nonza::Asked | Nonza::Answers { .. } | Nonza::Again(_))
        | Sight::Bind { .. } => return None,
        Sight::Nonza(Nonza::NotEnabled { .. } | Nonza::ResumeFailed { .. } | Nonza::FormerError { .. }) => {
            Tone::Bad
        }
        Sight::Connecting { .. }
        | Sight::Nonza(_)
        | Sight::Login { .. }
        | Sight::Bound { .. }
        | Sight::Registering { .. }
        | Sight::Registered
        | Sight::Closing
        | Sight::StreamEnd
        | Sight::Closed(CloseCause::Closed) => Tone::Step,
        Sight::Refused
        | Sight::TlsRefused
        | Sight::NotOffered(_)
        | Sight::LoginFailed { .. }
        | Sight::ServerDistrusted { .. }
        | Sight::BindFailed { .. }
        | Sight::RegisterFailed { .. }
        | Sight::StreamError { .. }
        | Sight::Nonsense(_)
        | Sight::Closed(CloseCause::Reset | CloseCause::Tls | CloseCause::TimedOut)
        | Sight::NotConnected(_) => Tone::Bad,
    };
    let (sign, text) = sight(place, seen)?;
    let ended = matches!(seen, Sight::StreamEnd | Sight::Closing);
    Some((
        tone,
        if ended { format!("{text} {}", if sign == '>' { "\u{2192}" } else { "\u{2190}" }) } else { text },
    ))
}

fn of_node(place: Place<'_>, seen: &NodeSight) -> Option<(Tone, String)> {
    let tone = match seen {
        NodeSight::Started | NodeSight::Synced(_) => return None,
        NodeSight::Ready(_)
        | NodeSight::Stopped
        | NodeSight::Linked(_)
        | NodeSight::Route(..)
        | NodeSight::Level(..) => Tone::Step,
        NodeSight::Asked(..) | NodeSight::Answered(..) => Tone::Operator,
        NodeSight::Killed | NodeSight::PowerOff | NodeSight::Unlinked(..) => Tone::Bad,
    };
    let (sign, text) = node_sight(place, seen)?;
    Some((tone, if tone == Tone::Operator { format!("{sign} {text}") } else { text }))
}

/// Returns how each lane lives.
pub(super) fn stretches(film: &Film, ended: Moment) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut open: std::collections::BTreeMap<Whose, (Moment, State)> = std::collections::BTreeMap::new();
    for (record, seen) in film.history.iter().enumerate() {
        let moment = Moment { at: seen.at, record, order: u64::MAX };
        let (whose, change) = match &seen.actor {
            Actor::Client(client, seen) => (Whose::Client(client.at()), client_state(seen)),
            Actor::Node(node, seen) => (Whose::Node(node.at()), node_state(seen)),
            Actor::World(_) => continue,
        };
        let before = match change {
            Change::None => continue,
            Change::To(state) => open.insert(whose, (moment, state)),
            Change::End => open.remove(&whose),
        };
        if let Some((from, state)) = before {
            found.push(Stretch { whose, from, until: moment, state });
        }
    }
    let rest = open.into_iter().map(|(whose, (from, state))| Stretch { whose, from, until: ended, state });
    found.extend(rest);
    found
}

/// Returns what a sight makes of the state of a connection.
const fn client_state(seen: &Sight) -> Change {
    match seen {
        Sight::Connecting { .. } => Change::To(State::Connecting),
        Sight::Secured => Change::To(State::Secured),
        Sight::LoggedIn => Change::To(State::LoggedIn),
        Sight::Bound { .. } | Sight::Nonza(Nonza::Resumed { .. }) => Change::To(State::Bound),
        Sight::Closing | Sight::StreamEnd => Change::To(State::Closing),
        Sight::Refused | Sight::Closed(_) => Change::End,
        Sight::Features(_)
        | Sight::StartTls
        | Sight::TlsRefused
        | Sight::NotOffered(_)
        | Sight::Login { .. }
        | Sight::LoginFailed { .. }
        | Sight::ServerDistrusted { .. }
        | Sight::Bind { .. }
        | Sight::BindFailed { .. }
        | Sight::Registering { .. }
        | Sight::Registered
        | Sight::RegisterFailed { .. }
        | Sight::Sent(_)
        | Sight::Got(_)
        | Sight::StreamError { .. }
        | Sight::Nonsense(_)
        | Sight::NotConnected(_)
        | Sight::Nonza(_)
        | Sight::Wire { .. } => Change::None,
    }
}

const fn node_state(seen: &NodeSight) -> Change {
    match seen {
        NodeSight::Started => Change::To(State::Starting),
        NodeSight::Ready(_) => Change::To(State::Runs),
        NodeSight::Killed | NodeSight::Stopped => Change::To(State::Down),
        NodeSight::PowerOff => Change::To(State::Dark),
        NodeSight::Asked(..)
        | NodeSight::Answered(..)
        | NodeSight::Synced(_)
        | NodeSight::Linked(_)
        | NodeSight::Route(..)
        | NodeSight::Unlinked(..)
        | NodeSight::Level(..) => Change::None,
    }
}

/// What a record makes of a state.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Nothing.
    None,
    /// Another state.
    To(State),
    /// There is none any more.
    End,
}
