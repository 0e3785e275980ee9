//! Which stanza that was got is a copy of which that was sent, and which answers which.

use std::collections::BTreeMap;

use super::presence::own_probes;
use super::run::Run;
use super::stanza::{Kind, Stanza, To};

/// Stanzas by what their copies and answers share with them.
type Index = BTreeMap<(Kind, String, String), Vec<usize>>;

/// Finds for each stanza that was got what it is a copy of or an answer to.
pub(super) fn match_all(run: &mut Run<'_>) {
    let mut by_sender: Index = BTreeMap::new();
    let mut by_session: BTreeMap<(usize, Kind, String), Vec<usize>> = BTreeMap::new();
    for (ix, sent) in run.sent.iter().enumerate() {
        let Some(session) = sent.session else { continue };
        let id = sent.id.clone().unwrap_or_default();
        by_sender.entry((sent.kind, run.sessions[session].jid.clone(), id.clone())).or_default().push(ix);
        by_session.entry((session, sent.kind, id)).or_default().push(ix);
    }
    run.copies = vec![Vec::new(); run.sent.len()];
    run.answers = vec![Vec::new(); run.sent.len()];
    for ix in 0..run.got.len() {
        let found = original(run, &by_sender, ix);
        let got = &mut run.got[ix];
        if let Some((sent, again)) = found {
            (got.copy_of, got.again) = (Some(sent), again);
            run.copies[sent].push(ix);
        }
        if !run.got[ix].is_answer() {
            continue;
        }
        if let Some(sent) = question(run, &by_session, ix) {
            let got = &mut run.got[ix];
            got.answers = Some(sent);
            // Nothing is refused by what says how safe it is.
            if !got.is_below || got.kind == Kind::Iq {
                run.answers[sent].push(ix);
            }
        }
    }
}

/// Returns what the stanza is a copy of, and whether its reader had a copy before.
fn original(run: &Run<'_>, by_sender: &Index, ix: usize) -> Option<(usize, bool)> {
    let got = &run.got[ix];
    let key = (got.kind, got.from.clone()?, got.id.clone().unwrap_or_default());
    let known = by_sender.get(&key)?;
    let until = known.partition_point(|sent| run.sent[*sent].record < got.record);
    let fits = |sent: &&usize| {
        let sent = &run.sent[**sent];
        sent.says_the_same(got) && may_be_for(run, sent, got)
    };
    let own = got.session.is_some_and(|session| run.sessions[session].jid == key.1);
    if got.kind == Kind::Presence && !own {
        // The last presence is shown again to whoever comes online.
        return known.iter().take(until).rev().find(fits).map(|sent| (*sent, false));
    }
    let taken = |sent: usize| run.copies[sent].iter().any(|copy| run.got[*copy].session == got.session);
    // Who had the address before was gone before this session could get what they said.
    let mine = |sent: &&usize| run.sent[**sent].session == got.session;
    if got.kind == Kind::Presence {
        let mine: Vec<usize> = known.iter().take(until).filter(fits).filter(mine).copied().collect();
        let shown = |sent: &usize| {
            run.copies[*sent].iter().filter(|copy| run.got[**copy].session == got.session).count()
        };
        let shown: usize = mine.iter().map(shown).sum();
        if let Some(sent) = mine.get(shown.saturating_sub(own_probes(run, got))) {
            return Some((*sent, false));
        }
    }
    let mut fitting = known.iter().take(until).filter(fits);
    let first = fitting.next().copied()?;
    let fresh = core::iter::once(first).chain(fitting.copied()).find(|sent| !taken(*sent));
    // What one's own presence comes back as is the oldest that has not: nothing is proved by it that is not so.
    Some(fresh.map_or((first, got.kind != Kind::Presence), |sent| (sent, false)))
}

/// Returns whether `got` is addressed as a copy of `sent` would be.
fn may_be_for(run: &Run<'_>, sent: &Stanza, got: &Stanza) -> bool {
    match (&sent.to, sent.kind) {
        // To its own account, and at its end to whom it told directly.
        (To::Nobody, Kind::Presence) => {
            let bare = |session: Option<usize>| session.map(|session| run.sessions[session].bare());
            sent.class == "unavailable" || bare(sent.session) == bare(got.session)
        }
        (To::Nobody, Kind::Message | Kind::Iq) => {
            let own = sent.session.map(|session| run.sessions[session].bare());
            own.is_some_and(|own| got.to_jid().is_none_or(|to| to.bare_str() == own))
        }
        (to, _) => got.to == *to,
    }
}

/// Returns what the stanza answers: the first such that has no answer yet, or else the last.
fn question(
    run: &Run<'_>,
    by_session: &BTreeMap<(usize, Kind, String), Vec<usize>>,
    ix: usize,
) -> Option<usize> {
    let got = &run.got[ix];
    let key = (got.session?, got.kind, got.id.clone().unwrap_or_default());
    let asked = by_session.get(&key)?;
    let until = asked.partition_point(|sent| run.sent[*sent].record < got.record);
    let mut fitting = asked.iter().take(until).copied().filter(|sent| {
        let sent = &run.sent[*sent];
        // A request without a type is none, and is refused all the same.
        !sent.is_answer() && answers_for(run, sent, got)
    });
    let first = fitting.next()?;
    let mut last = first;
    for sent in core::iter::once(first).chain(fitting) {
        if run.answers[sent].is_empty() {
            return Some(sent);
        }
        last = sent;
    }
    Some(last)
}

/// Returns whether `got` comes from where an answer to `sent` may come from: the address it was for, or, where that is
/// the sender's account or what was sent is wrong, from that account or its server (RFC 6120, 8.1.2.1 and 8.3.1).
pub(super) fn answers_for(run: &Run<'_>, sent: &Stanza, got: &Stanza) -> bool {
    let Some(from) = &got.from else { return true };
    let Some(session) = sent.session.map(|session| &run.sessions[session]) else { return false };
    let home = session.bare().split_once('@').map_or("", |(_, domain)| domain);
    let own = from == session.bare() || from == home;
    match &sent.to {
        To::Nobody | To::Malformed => own || *from == session.jid,
        To::Jid(to) => to.as_str() == from || (own && got.class == "error"),
    }
}
