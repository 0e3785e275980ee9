//! One run of one story, and the comparison of two.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use eyot_core::config::Config;
use eyot_core::jid::Domain;
use eyot_io_sim::client::{ClientConfig, Over};
use eyot_io_sim::engine::{Entropy, Key, Purpose, SimSpan};
use eyot_io_sim::net::{LinkProfile, TcpParams, builtin};
use madsim::runtime::Runtime;

use crate::host::Host;
use crate::identity::{DOMAIN, Identity};
use crate::net::SimNet;
use crate::person::{Person, client, password};
use crate::trace::Trace;

/// No story takes longer, in its own time.
const STORY_TIME: Duration = Duration::from_secs(3_600);
/// Segments lost of a million, at most.
const LOSS_PPM_MAX: u64 = 20_000;

/// Where a story takes place.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The network.
    pub net: SimNet,
    /// Everything that is seen.
    pub trace: Trace,
    /// Everything that is drawn.
    pub entropy: Entropy,
}

/// Plays a story with each seed, twice: both runs must see the same, to the nanosecond.
///
/// # Panics
///
/// When a run fails, or two runs of one seed differ. What was seen is shown.
pub fn play<F, S>(seeds: Range<u64>, story: F)
where
    F: Fn(Stage) -> S + Copy + Send + 'static,
    S: Future<Output = ()> + 'static,
{
    // Made outside of all runs: no run may depend on being the first.
    let _made = Identity::get();
    let mut runs = Vec::new();
    for seed in seeds {
        let (first, second) = (once(seed, story), once(seed, story));
        let differ = first.iter().zip(&second).position(|(left, right)| left != right);
        if let Some(line) = differ {
            panic!("seed {seed}: the runs differ in line {line}:\n{}\n{}", first[line], second[line]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}: one run saw more than the other");
        runs.push(first);
    }
    let different = runs.windows(2).any(|pair| pair[0] != pair[1]);
    assert!(different, "all seeds tell the same story: nothing is drawn");
}

/// Plays a story once and returns what was seen.
///
/// # Panics
///
/// When the story does.
pub fn once<F, S>(seed: u64, story: F) -> Vec<String>
where
    F: Fn(Stage) -> S + Send + 'static,
    S: Future<Output = ()> + 'static,
{
    let trace = Trace::default();
    let shared = trace.clone();
    // On a thread of its own: the simulator seeds the maps of the standard library once in a thread.
    let run = std::thread::spawn(move || {
        let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.set_time_limit(STORY_TIME);
        runtime.block_on(async move {
            let entropy = Entropy::new(seed);
            // As the production driver asks for with TCP_USER_TIMEOUT.
            let params = TcpParams { user_timeout: Some(SimSpan::from_secs(180)), ..TcpParams::LINUX };
            let net = SimNet::start(entropy, params);
            story(Stage { net, trace: shared, entropy }).await;
        });
    });
    let passed = run.join().is_ok();
    let lines = trace.lines();
    assert!(passed, "seed {seed} failed; what was seen:\n{}", lines.join("\n"));
    lines
}

impl Stage {
    /// Sets up a machine with a running node; `change` may change its configuration.
    pub async fn host(&self, change: impl FnOnce(&mut Config)) -> Host {
        let mut config = Config::single(Domain::parse(DOMAIN).expect("the domain is one"));
        // Stories are about bytes, not about arithmetic.
        config.limits.scram_iterations = 1;
        change(&mut config);
        let mut host = Host::new(&self.net, self.entropy, &self.trace, config);
        host.start().await;
        host
    }

    /// Adds a person with an account, behind a link that the seed chooses.
    pub async fn person(&self, host: &Host, name: &str, over: Over) -> Person {
        self.person_behind(host, (name, over), self.weather(name)).await
    }

    /// Adds a person with an account, behind a given link.
    pub async fn person_behind(&self, host: &Host, (name, over): (&str, Over), link: LinkProfile) -> Person {
        host.add_user(name, &password(name)).await;
        let config = client(name, over);
        self.connectable(config, link)
    }

    /// Adds a person without an account, behind a link that the seed chooses.
    pub fn stranger(&self, name: &str, over: Over) -> Person {
        self.connectable(client(name, over), self.weather(name))
    }

    /// Adds a person with a client of one's own choice.
    pub fn connectable(&self, config: ClientConfig, link: LinkProfile) -> Person {
        let home = self.net.home(&config.user, &link);
        Person::new(&self.net, &self.trace, self.entropy, (home, config))
    }

    /// Draws a link: near, far or by satellite; clean, or losing up to two segments of a hundred.
    pub fn weather(&self, name: &str) -> LinkProfile {
        let draw = |what: u64, bound| self.entropy.below(Purpose::Tie, Key::of(name).with(what), 0, bound);
        let near =
            ["lan", "wan-80ms", "satcom-geo"].into_iter().zip(0..).find(|(_, number)| *number == draw(1, 3));
        let profile = near.and_then(|(name, _)| builtin(name)).expect("one of three");
        let lossy = draw(2, 2) == 1;
        let loss_ppm =
            if lossy { u32::try_from(draw(3, LOSS_PPM_MAX)).expect("less than a million") } else { 0 };
        profile.with_loss(loss_ppm)
    }

    /// Draws a number below `bound`.
    pub fn drawn(&self, what: &str, bound: u64) -> u64 {
        self.entropy.below(Purpose::Tie, Key::of(what), 0, bound)
    }

    /// Lets time pass.
    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
