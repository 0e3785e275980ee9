//! The way of a client from connect to session, as one table.
//!
//! Implements: RFC 6120, sections 4.3.1, 5.4, 6.4 and 7.6; XEP-0198 1.6.3, section 3, the order. Complete.

use crate::exchange::{Activity, Condition};
use crate::xml::{Element, ns};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No TLS yet.
    Plain,
    /// TLS, not authenticated.
    Secure,
    /// Authenticated, no resource.
    Authenticated,
    /// A session.
    Bound,
}

/// What a top-level element is to the negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `<starttls/>`.
    StartTls,
    /// `<auth/>`.
    Auth,
    /// `<response/>`.
    Response,
    /// `<abort/>`.
    Abort,
    /// An IQ with a `jabber:iq:register` child.
    RegisterIq,
    /// An IQ with a bind child.
    BindIq,
    /// Any other stanza.
    Stanza,
    /// Whether the client is looked at (XEP-0352).
    ClientState(Activity),
    /// `<enable/>`.
    Enable,
    /// `<resume/>`.
    Resume,
    /// `<r/>`.
    AskAck,
    /// `<a/>`.
    Ack,
    /// The client's stream error.
    StreamError,
    /// Anything else.
    Unknown,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Proceed with TLS.
    BeginTls,
    /// TLS is up already: `<failure/>` and the end (RFC 6120, 5.4.2.2).
    FailTls,
    /// Begin SASL.
    BeginSasl,
    /// Go on with SASL.
    ContinueSasl,
    /// The client gives up this attempt.
    AbortSasl,
    /// SASL is not offered without TLS: `encryption-required`.
    RefuseSasl,
    /// In-band registration.
    Register,
    /// Make a session.
    Bind,
    /// A stanza of the session.
    Route,
    /// The client is looked at, or not (XEP-0352).
    ClientState(Activity),
    /// Acknowledge from here on.
    Enable,
    /// Go on with another stream's session.
    Resume,
    /// Say how many stanzas are safe.
    AnswerAsk,
    /// Take note of what the client has handled.
    TakeAck,
    /// Stream management comes in an order: `<failed/>` (XEP-0198, 3).
    RefuseManagement,
    /// End the stream in order: the client has found an error and ends it, too (RFC 6120, 4.9.1.1).
    End,
    /// End the stream with an error.
    Fail(Condition),
}

impl Heard {
    /// Classifies a top-level element.
    pub(super) fn classify(element: &Element) -> Self {
        match (element.ns(), element.name()) {
            (ns::TLS, "starttls") => Self::StartTls,
            (ns::SASL, "auth") => Self::Auth,
            (ns::SASL, "response") => Self::Response,
            (ns::SASL, "abort") => Self::Abort,
            (ns::STREAM, "error") => Self::StreamError,
            (ns::CSI, "active") => Self::ClientState(Activity::Active),
            (ns::CSI, "inactive") => Self::ClientState(Activity::Inactive),
            (ns::SM, "enable") => Self::Enable,
            (ns::SM, "resume") => Self::Resume,
            (ns::SM, "r") => Self::AskAck,
            (ns::SM, "a") => Self::Ack,
            (ns::CLIENT, "iq") => {
                if element.child("bind", ns::BIND).is_some() {
                    Self::BindIq
                } else if element.child("query", ns::REGISTER).is_some() {
                    Self::RegisterIq
                } else {
                    Self::Stanza
                }
            }
            (ns::CLIENT, "message" | "presence") => Self::Stanza,
            _ => Self::Unknown,
        }
    }
}

/// The table.
pub(super) const fn step(phase: Phase, heard: Heard) -> Step {
    match (phase, heard) {
        (Phase::Plain | Phase::Secure | Phase::Authenticated | Phase::Bound, Heard::StreamError) => Step::End,
        (Phase::Plain, Heard::StartTls) => Step::BeginTls,
        (Phase::Plain, Heard::Auth) => Step::RefuseSasl,
        (Phase::Secure, Heard::StartTls) => Step::FailTls,
        (Phase::Secure, Heard::Auth) => Step::BeginSasl,
        (Phase::Secure, Heard::Response) => Step::ContinueSasl,
        (Phase::Secure, Heard::Abort) => Step::AbortSasl,
        (Phase::Secure, Heard::RegisterIq) => Step::Register,
        (Phase::Authenticated, Heard::BindIq) => Step::Bind,
        (Phase::Bound, Heard::RegisterIq | Heard::BindIq | Heard::Stanza) => Step::Route,
        (Phase::Bound, Heard::Enable) => Step::Enable,
        (Phase::Bound, Heard::AskAck) => Step::AnswerAsk,
        (Phase::Bound, Heard::Ack) => Step::TakeAck,
        (Phase::Authenticated, Heard::Resume) => Step::Resume,
        (Phase::Plain | Phase::Secure | Phase::Authenticated, Heard::Enable | Heard::AskAck | Heard::Ack)
        | (Phase::Plain | Phase::Secure | Phase::Bound, Heard::Resume) => Step::RefuseManagement,
        (
            Phase::Plain | Phase::Secure | Phase::Authenticated,
            Heard::RegisterIq | Heard::BindIq | Heard::Stanza,
        )
        | (Phase::Plain, Heard::Response | Heard::Abort) => Step::Fail(Condition::NotAuthorized),
        (
            Phase::Authenticated | Phase::Bound,
            Heard::StartTls | Heard::Auth | Heard::Response | Heard::Abort,
        ) => Step::Fail(Condition::PolicyViolation),
        (Phase::Bound, Heard::ClientState(activity)) => Step::ClientState(activity),
        (Phase::Plain | Phase::Secure | Phase::Authenticated, Heard::ClientState(_))
        | (Phase::Plain | Phase::Secure | Phase::Authenticated | Phase::Bound, Heard::Unknown) => {
            Step::Fail(Condition::UnsupportedStanzaType)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 4] = [Phase::Plain, Phase::Secure, Phase::Authenticated, Phase::Bound];
    const HEARD: [Heard; 14] = [
        Heard::StartTls,
        Heard::Auth,
        Heard::Response,
        Heard::Abort,
        Heard::RegisterIq,
        Heard::BindIq,
        Heard::Stanza,
        Heard::ClientState(Activity::Inactive),
        Heard::Enable,
        Heard::Resume,
        Heard::AskAck,
        Heard::Ack,
        Heard::StreamError,
        Heard::Unknown,
    ];

    #[test]
    fn stanzas_are_routed_for_sessions_only() {
        for phase in PHASES {
            for heard in HEARD {
                let routed = step(phase, heard) == Step::Route;
                assert_eq!(
                    routed,
                    phase == Phase::Bound
                        && matches!(heard, Heard::RegisterIq | Heard::BindIq | Heard::Stanza),
                    "{phase:?} {heard:?}"
                );
            }
        }
    }

    #[test]
    fn stream_management_comes_in_its_order() {
        use Step::{AnswerAsk, Enable, RefuseManagement as Refuse, Resume, TakeAck};
        for (heard, row) in [
            (Heard::Enable, [Refuse, Refuse, Refuse, Enable]),
            (Heard::Resume, [Refuse, Refuse, Resume, Refuse]),
            (Heard::AskAck, [Refuse, Refuse, Refuse, AnswerAsk]),
            (Heard::Ack, [Refuse, Refuse, Refuse, TakeAck]),
        ] {
            assert_eq!(PHASES.map(|phase| step(phase, heard)), row, "{heard:?}");
        }
    }

    #[test]
    fn credentials_are_taken_over_tls_only() {
        for phase in PHASES {
            for heard in HEARD {
                let sasl =
                    matches!(step(phase, heard), Step::BeginSasl | Step::ContinueSasl | Step::Register);
                assert!(!sasl || phase == Phase::Secure, "{phase:?} {heard:?}");
            }
        }
    }
}
