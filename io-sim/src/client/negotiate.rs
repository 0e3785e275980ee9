//! From features to a bound resource: STARTTLS, registration, SASL, bind.
//!
//! Implements: RFC 6120, sections 5 to 7; RFC 4616; XEP-0077 2.4, section 3.1; XEP-0440 1.0.0.
//! Client side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use eyot_core::io::ScramHash;
use eyot_core::xml::{Element, ns};

use super::compose::{self, Payload};
use super::machine::{Client, Cx, Phase};
use super::op::{FromClient, Goal, Over};
use super::{Gs2, Scram, Sight, condition_of};

/// Mechanisms the client knows, strongest first.
const MECHANISMS: [&str; 5] =
    ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];

/// A login under way.
#[derive(Debug)]
pub(super) enum Login {
    /// Everything was said at once.
    Plain,
    /// The server's challenge is due.
    First(Scram),
    /// The server's proof is due.
    Last(Scram),
    /// The server has proved itself in a challenge; only `<success/>` is due.
    Proved,
}

impl Client {
    /// Takes the next step towards the goal, if the client is free to take one.
    pub(super) fn pursue(&mut self, cx: &mut Cx<'_>) {
        let Some(goal) = self.goal.clone() else { return };
        match self.phase {
            Phase::Offline => self.connect(cx),
            Phase::Bound => self.goal = None,
            Phase::Resting => match goal {
                Goal::Open => self.goal = None,
                Goal::Secured if self.tls.is_some() => self.goal = None,
                Goal::Authenticated if self.authenticated => self.goal = None,
                _ if self.tls.is_none() && self.config.over == Over::StartTls => self.ask_tls(cx),
                Goal::Registered { .. } => self.ask_form(cx),
                Goal::Secured => self.goal = None,
                _ if !self.authenticated => self.log_in(cx),
                Goal::Resumed { h } if self.acks.is_resumable() => self.resume(cx, h),
                Goal::Returned { .. } if self.acks.is_resumable() && self.offers("sm") => {
                    self.resume(cx, None);
                }
                Goal::Authenticated | Goal::Resumed { .. } => self.goal = None,
                Goal::Bound | Goal::Returned { .. } => self.bind(cx),
            },
            Phase::Closing => {
                cx.saw(Sight::NotConnected("log in"));
                self.goal = None;
            }
            Phase::Connecting
            | Phase::Opening
            | Phase::AskingTls
            | Phase::Securing
            | Phase::LoggingIn
            | Phase::AskingForm
            | Phase::Registering
            | Phase::Binding
            | Phase::Resuming => {}
        }
    }

    pub(super) fn handle_features(&mut self, cx: &mut Cx<'_>, element: &Element) {
        self.features = features_of(element);
        cx.saw(Sight::Features(self.features.clone()));
        self.phase = Phase::Resting;
        self.pursue(cx);
    }

    fn ask_tls(&mut self, cx: &mut Cx<'_>) {
        if !self.offers("starttls") {
            cx.saw(Sight::NotOffered("starttls".into()));
            self.goal = None;
            return;
        }
        cx.saw(Sight::StartTls);
        let mut text = format!("<starttls xmlns='{}'/>", ns::TLS);
        text.push_str(self.config.injected.as_deref().unwrap_or_default());
        cx.send(text.into());
        self.phase = Phase::AskingTls;
    }

    pub(super) fn handle_tls(&mut self, cx: &mut Cx<'_>, name: &str) {
        if name == "proceed" && self.phase == Phase::AskingTls {
            self.phase = Phase::Securing;
            cx.out.push(FromClient::StartTls);
        } else {
            cx.saw(Sight::TlsRefused);
            self.goal = None;
        }
    }

    fn log_in(&mut self, cx: &mut Cx<'_>) {
        let offered = MECHANISMS.iter().find(|name| self.offers(name)).map(|name| String::from(*name));
        let Some(mechanism) = self.config.mechanism.clone().or(offered) else {
            cx.saw(Sight::NotOffered("a mechanism".into()));
            self.goal = None;
            return;
        };
        let hash = match mechanism.trim_end_matches("-PLUS") {
            "SCRAM-SHA-1" => Some(ScramHash::Sha1),
            "SCRAM-SHA-256" => Some(ScramHash::Sha256),
            _ => None,
        };
        let (first, login, gs2) = match hash {
            Some(hash) => {
                let gs2 = self.config.gs2.unwrap_or_else(|| self.usual_gs2(mechanism.ends_with("-PLUS")));
                let binding = gs2.binding(self.tls.as_ref());
                let nonce = self.make_nonce();
                let who = (self.config.user.as_str(), self.config.password.as_str());
                let (scram, first) = Scram::begin(hash, gs2, binding, who, nonce);
                (first, Login::First(scram), Some(gs2))
            }
            None => (format!("\0{}\0{}", self.config.user, self.config.password), Login::Plain, None),
        };
        cx.saw(Sight::Login { mechanism: mechanism.clone(), gs2 });
        cx.send(compose::sasl("auth", Some(&mechanism), &BASE64.encode(first)));
        self.login = Some(login);
        self.phase = Phase::LoggingIn;
    }

    /// RFC 5802, 6: a client that could bind and sees no `-PLUS` says `y`.
    fn usual_gs2(&self, plus: bool) -> Gs2 {
        let plus_offered = self.features.iter().any(|name| name.ends_with("-PLUS"));
        match (plus, self.tls.as_ref()) {
            (true, Some(tls)) if tls.exporter.is_none() => Gs2::ServerEndPoint,
            (true, _) => Gs2::Exporter,
            (false, Some(_)) if !plus_offered => Gs2::ServerCannot,
            (false, _) => Gs2::ClientCannot,
        }
    }

    pub(super) fn handle_sasl(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let text = element.text();
        match element.name() {
            "challenge" => self.handle_challenge(cx, &text),
            "success" => self.handle_success(cx, &text),
            "failure" => {
                let condition = element.children().find(|child| child.name() != "text");
                let condition =
                    condition.map_or_else(|| "(no condition)".into(), |found| found.name().into());
                cx.saw(Sight::LoginFailed { condition });
                self.give_up_login();
            }
            other => cx.saw(Sight::Nonsense(format!("SASL element {other}"))),
        }
    }

    fn handle_challenge(&mut self, cx: &mut Cx<'_>, text: &str) {
        let challenge = decode(text);
        let answered = match self.login.take() {
            Some(Login::First(mut scram)) => {
                scram.answer(&challenge, cx.derivations).map(|answer| (answer, Login::Last(scram)))
            }
            Some(Login::Last(scram)) => scram.verify(&challenge).map(|()| (String::new(), Login::Proved)),
            Some(Login::Plain | Login::Proved) | None => Ok((String::new(), Login::Plain)),
        };
        match answered {
            Ok((answer, login)) => {
                cx.send(compose::sasl("response", None, &BASE64.encode(answer)));
                self.login = Some(login);
            }
            Err(_) => self.distrust(cx, "its challenge is no answer"),
        }
    }

    fn handle_success(&mut self, cx: &mut Cx<'_>, text: &str) {
        let proved = match self.login.take() {
            Some(Login::Last(scram)) => scram.verify(&decode(text)).is_ok(),
            Some(Login::Plain | Login::Proved) => true,
            Some(Login::First(_)) | None => false,
        };
        if !proved {
            self.distrust(cx, "it does not know the password");
            return;
        }
        cx.saw(Sight::LoggedIn);
        self.authenticated = true;
        self.open_stream(cx);
    }

    fn distrust(&mut self, cx: &mut Cx<'_>, why: &'static str) {
        cx.saw(Sight::ServerDistrusted { why });
        cx.send(Bytes::from(format!("<abort xmlns='{}'/>", ns::SASL)));
        self.give_up_login();
    }

    /// The stream stays open: the client may try again.
    fn give_up_login(&mut self) {
        self.login = None;
        self.goal = None;
        self.phase = Phase::Resting;
    }

    fn bind(&mut self, cx: &mut Cx<'_>) {
        if !self.offers("bind") {
            cx.saw(Sight::NotOffered("bind".into()));
            self.goal = None;
            return;
        }
        let resource = self.config.resource.clone();
        cx.saw(Sight::Bind { resource: resource.clone() });
        cx.send(compose::iq("set", None, "bind", Some(&Payload::Bind(resource))));
        self.phase = Phase::Binding;
    }

    fn ask_form(&mut self, cx: &mut Cx<'_>) {
        let form = Payload::Empty { name: "query", ns: ns::REGISTER, node: None };
        cx.send(compose::iq("get", None, "form", Some(&form)));
        self.phase = Phase::AskingForm;
    }

    /// Handles the answer to a request of the negotiation; returns whether it was one.
    pub(super) fn handle_answer(&mut self, cx: &mut Cx<'_>, element: &Element) -> bool {
        let refused = condition_of(element);
        match (self.phase, element.attr("id").as_deref()) {
            (Phase::Binding, Some("bind")) => self.handle_bound(cx, element, refused),
            (Phase::AskingForm, Some("form")) => self.handle_form(cx, refused),
            (Phase::Registering, Some("register")) => {
                cx.saw(refused.map_or(Sight::Registered, |condition| Sight::RegisterFailed { condition }));
                self.goal = None;
                self.phase = Phase::Resting;
            }
            _ => return false,
        }
        true
    }

    fn handle_bound(&mut self, cx: &mut Cx<'_>, element: &Element, refused: Option<String>) {
        let goal = self.goal.take();
        let bind = element.child("bind", ns::BIND).map(|bind| bind.tree());
        let jid = bind.and_then(|bind| bind.child("jid", ns::BIND).map(eyot_core::xml::Node::text));
        match (refused, jid) {
            (Some(condition), _) => {
                cx.saw(Sight::BindFailed { condition });
                self.phase = Phase::Resting;
            }
            (None, Some(jid)) => {
                let given = jid.split_once('/').map(|(_, resource)| resource);
                let requested = self.config.resource.is_some() && self.config.resource.as_deref() == given;
                cx.saw(Sight::Bound { jid: jid.clone(), requested });
                self.jid = Some(jid);
                self.phase = Phase::Bound;
                self.acks.end();
                self.kept.lose();
                if let Some(Goal::Returned { presence }) = goal {
                    self.settle_in(cx, presence);
                }
            }
            (None, None) => cx.saw(Sight::Nonsense("a bind result without jid".into())),
        }
    }

    fn handle_form(&mut self, cx: &mut Cx<'_>, refused: Option<String>) {
        match (refused, self.goal.clone()) {
            (None, Some(Goal::Registered { user, password })) => {
                cx.saw(Sight::Registering { user: user.clone() });
                let wanted = Payload::Register { user, password };
                cx.send(compose::iq("set", None, "register", Some(&wanted)));
                self.phase = Phase::Registering;
            }
            (refused, _) => {
                let condition = refused.unwrap_or_default();
                cx.saw(Sight::RegisterFailed { condition });
                self.goal = None;
                self.phase = Phase::Resting;
            }
        }
    }

    /// Returns whether the last features had this one.
    pub(super) fn offers(&self, feature: &str) -> bool {
        self.features.iter().any(|offered| offered == feature)
    }
}

fn decode(text: &str) -> String {
    BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn features_of(element: &Element) -> Vec<String> {
    let mut features = Vec::new();
    for child in element.children() {
        let tree = child.tree();
        match (child.name(), child.ns()) {
            ("starttls", ns::TLS) => {
                features.push("starttls".into());
                if tree.child("required", ns::TLS).is_some() {
                    features.push("starttls required".into());
                }
            }
            ("mechanisms", ns::SASL) => features.extend(tree.children().map(eyot_core::xml::Node::text)),
            ("sasl-channel-binding", ns::SASL_CB) => {
                let types = tree.children().filter_map(|kind| kind.attr("type"));
                features.extend(types.map(|kind| format!("binding {kind}")));
            }
            (name, _) => features.push(name.into()),
        }
    }
    features
}
