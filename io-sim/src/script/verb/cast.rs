//! `client NAME on NODE ...`: somebody who will connect.

use super::account::default_password;
use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::client::{ClientConfig, Gs2, Over};
use crate::engine::SimSpan;
use crate::net::{LinkProfile, builtin};

#[derive(Debug)]
struct Newcomer {
    name: String,
    node: String,
    user: String,
    password: Option<String>,
    resource: Option<String>,
    over: Over,
    mechanism: Option<String>,
    gs2: Option<Gs2>,
    injected: Option<String>,
    domain: Option<String>,
    link: LinkProfile,
    reconnecting: Option<SimSpan>,
}

/// `client NAME on NODE [as USER] [password "..."] [at DOMAIN] [resource R] [over starttls|direct|plain]
/// [with MECHANISM] [binding tls-exporter|tls-server-end-point] [flag y|n] [injecting "..."] [link PROFILE]
/// [reconnecting SPAN]`
pub(super) fn client(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let name = String::from(words.word("the name of the client")?);
    if scope.clients.contains(&name) || scope.nodes.contains(&name) {
        return Err(format!("{name} is named twice"));
    }
    if !words.take("on") {
        return Err("a client is on a node: client alice on a".into());
    }
    let node = scope.node(words.word("the node")?)?;
    let link = builtin("home").ok_or("there is no link profile home")?;
    let mut newcomer = Newcomer {
        user: name.clone(),
        name: name.clone(),
        node,
        password: None,
        resource: None,
        over: Over::StartTls,
        mechanism: None,
        gs2: None,
        injected: None,
        domain: None,
        link,
        reconnecting: None,
    };
    while !words.is_empty() {
        property(&mut newcomer, words, scope)?;
    }
    scope.clients.insert(name);
    Ok(Box::new(newcomer))
}

fn property(newcomer: &mut Newcomer, words: &mut Words<'_>, scope: &Scope) -> Result<(), String> {
    match words.word("a property")? {
        "as" => newcomer.user = words.word("the user")?.into(),
        "password" => newcomer.password = Some(words.word("the password")?.into()),
        "at" => newcomer.domain = Some(words.word("the domain")?.into()),
        "resource" => newcomer.resource = Some(words.word("the resource")?.into()),
        "with" => newcomer.mechanism = Some(words.word("the mechanism")?.into()),
        "injecting" => newcomer.injected = Some(words.word("the text")?.into()),
        "link" => newcomer.link = scope.profile(words.word("the link profile")?)?,
        "reconnecting" => {
            let after = words.span("after how long")?;
            if after == SimSpan::ZERO {
                return Err("a client takes some time to connect again".into());
            }
            newcomer.reconnecting = Some(after);
        }
        "over" => {
            newcomer.over = match words.word("starttls, direct or plain")? {
                "starttls" => Over::StartTls,
                "direct" => Over::DirectTls,
                "plain" => Over::Plain,
                other => {
                    return Err(format!("a client connects over starttls, direct or plain, not {other}"));
                }
            }
        }
        "binding" => {
            newcomer.gs2 = match words.word("the channel binding")? {
                "tls-exporter" => Some(Gs2::Exporter),
                "tls-server-end-point" => Some(Gs2::ServerEndPoint),
                other => {
                    return Err(format!(
                        "channel bindings are tls-exporter and tls-server-end-point, not {other}"
                    ));
                }
            }
        }
        "flag" => {
            newcomer.gs2 = match words.word("y or n")? {
                "y" => Some(Gs2::ServerCannot),
                "n" => Some(Gs2::ClientCannot),
                other => return Err(format!("the flag is y or n, not {other}")),
            }
        }
        other => return Err(format!("a client has no property {other}")),
    }
    Ok(())
}

impl Act for Newcomer {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let domain = self.domain.clone().unwrap_or_else(|| stage.domain().into());
        let own = stage.accounts.get(&format!("{}@{domain}", self.user));
        let known = own.or_else(|| stage.accounts.get(&self.user)).map(|(_, password)| password.clone());
        let config = ClientConfig {
            domain,
            user: self.user.clone(),
            password: self.password.clone().or(known).unwrap_or_else(|| default_password(&self.user)),
            resource: self.resource.clone(),
            over: self.over,
            mechanism: self.mechanism.clone(),
            gs2: self.gs2,
            injected: self.injected.clone(),
        };
        stage.add_client(&self.name, &self.node, self.link.clone(), config)?;
        if let Some(after) = self.reconnecting {
            let client = stage.client(&self.name)?;
            stage.world.set_returning(client, after);
            stage.cast.persistent.push(stage.cast.clients.len() - 1);
        }
        Ok(())
    }

    fn introduces(&self) -> Option<&str> {
        Some(&self.user)
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}
