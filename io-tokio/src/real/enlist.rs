//! `eyot cluster init`, `join` and what else is asked of a member: by the running node, or, for `init` and `join`, by one that runs without
//! listeners for a moment.

use std::time::Duration;

use eyot_core::config::DomainConfig;
use eyot_core::jid::Domain;

use super::config::Settings;
use super::control::client::Client;
use super::control::server::Desk;
use super::control::wire::{Reply, Request};
use super::data_dir::{DataDir, Paths};
use super::node;
use super::serve;

/// How long a node without listeners may take to stop.
const STOP_TIME: Duration = Duration::from_secs(10);

/// Asks the node that runs on the data directory.
///
/// # Errors
///
/// Why it was not done, in words.
pub fn ask(settings: &Settings, request: Request) -> Result<Reply, String> {
    let paths = Paths::new(settings.data.clone());
    match running(&paths, request)? {
        Ok(reply) => Ok(reply),
        Err(_) => Err(format!("no node runs on {}. Start it first.", paths.dir().display())),
    }
}

/// Asks the node that runs on the data directory, or one that is started for that and runs without listeners. `given`: the operator
/// has named a configuration; without one the domains that were served last count.
///
/// # Errors
///
/// Why it was not done, in words.
pub fn turn(mut settings: Settings, given: bool, request: Request) -> Result<Reply, String> {
    let paths = Paths::new(settings.data.clone());
    let request = match running(&paths, request)? {
        Ok(reply) => return Ok(reply),
        Err(request) => request,
    };
    let dir = DataDir::create(paths).map_err(|error| error.to_string())?;
    if let (Some(served), false) = (dir.paths().served_domains().map_err(|error| error.to_string())?, given) {
        let domains: Vec<_> = served.iter().filter_map(|name| Domain::parse(name).ok()).collect();
        if !domains.is_empty() {
            settings.node.domains = domains.into_iter().map(DomainConfig::closed).collect();
        }
    }
    let names: Vec<String> =
        settings.node.domains.iter().map(|domain| domain.name.as_str().to_owned()).collect();
    let certificate = serve::prepare(&mut settings, &dir, &names).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let reply = runtime.block_on(async {
        let (ways, _lines) = serve::ways(&settings, &certificate.tls);
        let (handle, linked) = (ways.handle.clone(), ways.linked.clone());
        let started = node::start(&dir, settings.node.clone(), None, ways).await;
        let mut running = started.map_err(|error| error.to_string())?;
        let desk = Desk { handle, config: settings.node.clone(), linked };
        let reply = desk.perform(request).await;
        if reply == Reply::Done {
            // It stops by itself: at its next start it is a member.
            running.ended().await;
            running.close().await;
        } else {
            // What was answered is durable, however the stop goes.
            let _stop = running.stop(STOP_TIME).await;
        }
        Ok::<Reply, String>(reply)
    })?;
    runtime.shutdown_background();
    if let Reply::Refused(why) = reply { Err(why) } else { Ok(reply) }
}

/// Asks the node that runs; gives the request back where none does.
fn running(paths: &Paths, request: Request) -> Result<Result<Reply, Request>, String> {
    let Some(mut client) = Client::connect(&paths.control()).map_err(|error| error.to_string())? else {
        return Ok(Err(request));
    };
    match client.call(request) {
        Ok(Reply::Refused(why)) => Err(why),
        Ok(reply) => Ok(Ok(reply)),
        Err(error) => {
            Err(format!("the node went away: {error}. `eyot cluster status` says whether it was done."))
        }
    }
}
