//! The configuration file: what is accepted, and what is said of what is not.

use std::path::Path;

use eyot_core::config::{LinkKind, StaticCluster};
use eyot_core::io::ConnKind;
use eyot_core::time::Span;
use eyot_io_tokio::real::config::file::File;
use eyot_io_tokio::real::config::{Need, Overrides, Settings, parse};

const EXAMPLE: &str = include_str!("../../docs/eyot.example.toml");

fn parsed(text: &str) -> Settings {
    parse(Some(Path::new("eyot.toml")), text, Overrides::default()).expect("a valid file")
}

fn refused(text: &str) -> String {
    parse(Some(Path::new("eyot.toml")), text, Overrides::default()).expect_err("an invalid file").to_string()
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let example: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let defaults = toml::Table::try_from(File::default()).unwrap();
    assert_eq!(example, defaults);
    for unwritten in ["location", "starttls", "direct_tls", "certificate", "key"] {
        assert!(EXAMPLE.contains(&format!("\n# {unwritten} = ")), "{unwritten} is not explained");
    }
    assert_eq!(parsed(EXAMPLE), parsed(""));
}

#[test]
fn the_commented_keys_of_the_example_can_be_used() {
    let keys = ["# location = ", "# starttls = ", "# direct_tls = ", "# certificate = ", "# key = "];
    let uncomment = |line: &'static str| {
        if keys.iter().any(|key| line.starts_with(key)) { line.trim_start_matches("# ") } else { line }
    };
    let before_cluster = EXAMPLE.split_once("# [cluster]").unwrap().0;
    let uncommented = before_cluster.lines().map(uncomment).collect::<Vec<_>>().join("\n");
    let settings = parsed(&uncommented);
    assert_eq!(settings.listen.len(), 4);
    assert!(settings.listen.iter().all(|listen| listen.need == Need::Required));
    assert_eq!(settings.node.location.as_deref(), Some("chat1.example.org:5222"));
    assert_eq!(settings.tls.unwrap().key, Path::new("/etc/eyot/key.pem"));
}

#[test]
fn without_a_file_the_node_listens_on_loopback_and_does_not_need_ipv6() {
    let listen: Vec<_> =
        parsed("").listen.iter().map(|listen| (listen.addr.to_string(), listen.kind, listen.need)).collect();
    let expected = [
        ("127.0.0.1:5222", ConnKind::ClientStartTls, Need::Required),
        ("[::1]:5222", ConnKind::ClientStartTls, Need::IfPossible),
        ("127.0.0.1:5223", ConnKind::ClientDirectTls, Need::Required),
        ("[::1]:5223", ConnKind::ClientDirectTls, Need::IfPossible),
    ];
    assert_eq!(listen, expected.map(|(addr, kind, need)| (addr.to_owned(), kind, need)));
}

#[test]
fn an_error_names_file_line_key_and_remedy() {
    let cases = [
        // (text, how the message begins, what it also says)
        ("nod = \"a\"", "eyot.toml:1: nod: unknown field", "docs/eyot.example.toml"),
        (
            "\n[limits]\nstanza_byte = 1",
            "eyot.toml:3: limits.stanza_byte: unknown field",
            "Remove or correct",
        ),
        (
            "[[domain]]\nname = \"a\"\nregister = 1",
            "eyot.toml:3: domain[0].register: unknown field",
            "Remove",
        ),
        ("[limits]\nstanza_bytes = \"1k\"", "eyot.toml:2: limits.stanza_bytes: invalid type", "expected u32"),
        ("[limits]\nstanza_bytes = -1", "eyot.toml:2: limits.stanza_bytes: invalid value", "docs/eyot"),
        (
            "[limits]\nstanza_bytes = 9999",
            "eyot.toml:2: limits.stanza_bytes: 9999 is too small",
            "at least 10000",
        ),
        ("[limits]\nscram_iterations = 1", "eyot.toml:2: limits.scram_iterations: 1", "at least 4096"),
        ("[limits]\nsend_queue_bytes = 20000", "eyot.toml:2: limits.send_queue_bytes", "at least 307786"),
        (
            "[limits]\nstanza_bytes = 70000\nsend_queue_bytes = 88191",
            "eyot.toml:3: limits.send_queue_bytes: a send_queue_bytes of 88191 is too small",
            "at least 88192, or a smaller stanza_bytes",
        ),
        (
            "[limits]\nstanza_bytes = 4294967295",
            "eyot.toml:2: limits.stanza_bytes: a send_queue_bytes of 2097152 is too small",
            "or a smaller stanza_bytes",
        ),
        ("[limits]\nlogin_time = \"60\"", "eyot.toml:2: limits.login_time: invalid value", "\"5min\""),
        ("[limits]\nclose_time = \"1ms\"", "eyot.toml:2: limits.close_time: 1ms is too short", "100ms"),
        ("[[domain]]\nname = \"a b\"", "eyot.toml:2: domain[0].name: \"a b\" is no domain", "host name"),
        (
            "[[domain]]\nname = \"a.example\"\n[[domain]]\nname = \"A.example\"",
            "eyot.toml:1: domain: a.example is named twice",
            "once",
        ),
        ("domain = []", "eyot.toml:1: domain: no domain is named", "[[domain]]"),
        ("[[domain]]", "eyot.toml:1: domain[0]: missing field `name`", "docs/eyot"),
        ("[listen]\nstarttls = [\"here\"]", "eyot.toml:2: listen.starttls[0]: ", "docs/eyot"),
        ("[listen]\nstarttls = []\ndirect_tls = []", "eyot.toml:1: listen: there is no listener", "address"),
        ("[tls]\nkey = \"k.pem\"", "eyot.toml:2: tls.key: `certificate` is missing", "remove both"),
        ("[tls]\ncertificate = \"c.pem\"", "eyot.toml:2: tls.certificate: `key` is missing", "remove both"),
        ("[log]\nlevel = \"=loud=\"", "eyot.toml:2: log.level: ", "Use off, error"),
        ("[log]\nformat = \"xml\"", "eyot.toml:2: log.format: unknown variant", "`json`"),
        ("node = \"a\"\nnode = \"b\"", "eyot.toml:2: ", "duplicate key"),
        ("node = ", "eyot.toml:1: ", "docs/eyot"),
    ];
    check(&cases);
}

#[test]
fn what_sessions_keep_has_its_bounds_and_a_level() {
    check(&[
        (
            "[limits]\nunacked_bytes = 100000",
            "eyot.toml:2: limits.unacked_bytes: an unacked_bytes of 100000 is smaller",
            "at least 262144",
        ),
        ("[limits]\nflush_again = \"0s\"", "eyot.toml:2: limits.flush_again: 0ms is too short", "100ms"),
        (
            "node = \"a\"\ndurability = \"cluster:2\"",
            "eyot.toml:2: durability: \"cluster:2\" counts other nodes, and this one is alone",
            "Use \"local\", or name the nodes in [cluster]",
        ),
        (
            "[[domain]]\nname = \"x.example\"\ndurability = \"site:2\"",
            "eyot.toml:3: domain[0].durability: \"site:2\" counts other nodes",
            "Use \"local\"",
        ),
        ("hold = \"1ms\"", "eyot.toml:1: hold: 1ms is too short or too long", "100ms to 5min"),
        ("below_level = \"ignore\"", "eyot.toml:1: below_level: unknown variant", "docs/eyot"),
        ("durability = \"cluster:0\"", "eyot.toml:1: durability: \"cluster:0\" is no level", "Use \"local\""),
        (
            "location = \"chat1:0\"",
            "eyot.toml:1: location: \"chat1:0\" is no host with a port",
            "chat1.example.org",
        ),
        ("location = \"\"", "eyot.toml:1: location: \"\" is no host", "[2001:db8::1]:5222"),
        ("location = \"[::1]:x\"", "eyot.toml:1: location:", "[2001:db8::1]:5222"),
        ("durability = 1", "eyot.toml:1: durability: invalid type", "docs/eyot"),
    ]);
}

/// The cluster of the example with a secret that is there, as the member `a`; `\n` and the section begin at line 2.
fn cluster(secret: &Path) -> String {
    // The last one: the one before it is that of members in the store.
    let begin = EXAMPLE.rfind("# [cluster]\n").expect("there is a section");
    let section: Vec<_> = EXAMPLE
        .get(begin..)
        .unwrap_or_default()
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.strip_prefix("# ").expect("the block is all comments"))
        .collect();
    let text = format!("node = \"a\"\n{}", section.join("\n"));
    text.replace("/etc/eyot/cluster.secret", &secret.display().to_string())
}

#[test]
fn the_cluster_of_the_example_can_be_used() {
    let temp = tempfile::tempdir().unwrap();
    let secret = temp.path().join("secret");
    std::fs::write(&secret, format!("{}\n", "5a".repeat(32))).unwrap();
    let settings = parsed(&cluster(&secret));
    let peers = settings.listen.iter().filter(|listen| listen.kind == ConnKind::Peer);
    let peers: Vec<_> = peers.map(|listen| (listen.addr.to_string(), listen.need)).collect();
    let expected = ["0.0.0.0:5230", "[::]:5230"].map(|addr| (addr.to_owned(), Need::Required));
    assert_eq!(peers, expected);
    let found = settings.node.cluster.unwrap();
    assert_eq!((found.node, found.secret.0, found.members.len()), (1, [0x5a; 32], 2));
    assert_eq!((found.grace, found.hysteresis), (StaticCluster::GRACE, StaticCluster::HYSTERESIS));
    let second = &found.members[1];
    assert_eq!(
        (second.node, &*second.name, &*second.site, &*second.route),
        (2, "b", "north", "[2001:db8::2]:5230")
    );
    assert_eq!((second.key[0], second.key[31], second.link), (0x20, 0x3f, LinkKind::Lan));

    // What has a default need not be written. Who has another secret is of another cluster.
    std::fs::write(&secret, "a5".repeat(32)).unwrap();
    let short = |line: &&str| !["grace", "hysteresis", "link"].iter().any(|key| line.starts_with(key));
    let text = cluster(&secret).lines().filter(short).collect::<Vec<_>>().join("\n");
    let other = parsed(&text).node.cluster.unwrap();
    assert_eq!((other.grace, other.members), (found.grace, found.members));
    assert_ne!(other.id, found.id);
    let far = cluster(&secret).replace("\"lan\"", "\"hf\"").replace("\"15s\"", "\"20min\"");
    let far = parsed(&far).node.cluster.unwrap();
    assert_eq!((far.members[0].link, far.grace), (LinkKind::Hf, Span::from_secs(1200)));
}

/// What is replaced in the cluster of the example, by what; how the message begins, what it also says.
const WRONG: [(&str, &str, &str, &str); 19] = [
    (
        "node = \"a\"",
        "node = \"c\"",
        "eyot.toml:1: node: no [[cluster.member]] has the name \"c\"",
        "Set `node`",
    ),
    (
        "[\"0.0.0.0:5230\", \"[::]:5230\"]",
        "[]",
        "eyot.toml:3: cluster.listen: there is no listener",
        "at least one",
    ),
    ("0.0.0.0:5230", "here", "eyot.toml:3: cluster.listen[0]: ", "docs/eyot"),
    ("/secret\"", "/none\"", "eyot.toml:4: cluster.secret: ", "Make one with `eyot cluster secret`"),
    ("grace = \"15s\"", "grace = \"25h\"", "eyot.toml:5: cluster.grace: 25h is too long", "at most 24h"),
    ("hysteresis = \"10s\"", "hysteresis = 10", "eyot.toml:6: cluster.hysteresis: invalid type", "docs/eyot"),
    ("grace = ", "grase = ", "eyot.toml:5: cluster.grase: unknown field", "Remove or correct"),
    ("number = 1", "number = 0", "eyot.toml:8: cluster.member[0].number: 0 stands for no node", "Use 1"),
    ("name = \"a\"\nsite", "site", "eyot.toml:7: cluster.member[0]: missing field `name`", "docs/eyot"),
    (
        "site = \"north\"",
        "site = \"\"",
        "eyot.toml:10: cluster.member[0].site: it is empty",
        "Name the place",
    ),
    ("\"00:01", "\"01", "eyot.toml:11: cluster.member[0].key: \"01:02", "`eyot cluster key`"),
    (
        "a.example.org:5230",
        "a.example.org",
        "eyot.toml:12: cluster.member[0].address: ",
        "b.example.org:5230",
    ),
    (
        "a.example.org:5230",
        "a.example.org:0",
        "eyot.toml:12: cluster.member[0].address: ",
        "b.example.org:5230",
    ),
    ("a.example.org:5230", "2001:db8::2", "eyot.toml:12: cluster.member[0].address: ", "[2001:db8::1]:5230"),
    (
        "link = \"lan\"",
        "link = \"lane\"",
        "eyot.toml:13: cluster.member[0].link: unknown variant",
        "docs/eyot",
    ),
    (
        "number = 2",
        "number = 1",
        "eyot.toml:7: cluster.member: b has its number, its name or its key",
        "its own",
    ),
    ("name = \"b\"", "name = \"\"", "eyot.toml:7: cluster.member: \"\" or its site is empty", "1 to 64"),
    (
        "node = \"a\"",
        "durability = \"cluster:3\"\nnode = \"a\"",
        "eyot.toml:1: durability: \"cluster:3\" counts more members than the 2 there are",
        "\"cluster:2\" or less",
    ),
    (
        "node = \"a\"",
        "durability = \"site:2\"\nnode = \"a\"",
        "eyot.toml:1: durability: \"site:2\" counts more sites than the 1 of the members",
        "other sites",
    ),
];

#[test]
fn a_cluster_that_cannot_be_is_told_with_line_and_remedy() {
    let temp = tempfile::tempdir().unwrap();
    let secret = temp.path().join("secret");
    std::fs::write(&secret, "5a".repeat(32)).unwrap();
    let whole = cluster(&secret);
    // Ways name members, and are told of in a test of their own.
    let whole = whole.split("[[cluster.route]]").next().unwrap_or_default().to_owned();
    for (old, new, begins, says) in WRONG {
        assert!(whole.contains(old), "{old}");
        check(&[(&whole.replacen(old, new, 1), begins, says)]);
    }
    check(&[(
        "[cluster]\nlisten = []",
        "eyot.toml:2: cluster.listen: there is no listener",
        "at least one address",
    )]);
    std::fs::write(&secret, "5a").unwrap();
    check(&[(&whole, "eyot.toml:4: cluster.secret: ", "copy it to every node")]);
}

#[test]
fn a_bound_has_a_range() {
    for (key, value, problem, remedy) in [
        ("elements_unauthenticated", 7, "too small", "at least 8"),
        ("sasl_attempts", 0, "too small", "at least 1"),
        ("archive_page", 0, "too small", "at least 1"),
        ("contacts_known", 10_001, "too large", "at most 10000"),
        ("tombstones", 129, "too large", "at most 128"),
        ("unacked_bytes", 33_554_433, "too large", "at most 33554432"),
    ] {
        let text = format!("[limits]\n{key} = {value}");
        check(&[(&text, &format!("eyot.toml:2: limits.{key}: {value} is {problem}"), remedy)]);
    }
}

/// Compares the message for each text with how it begins and what it also says.
fn check(cases: &[(&str, &str, &str)]) {
    for (text, begins, says) in cases {
        let message = refused(text);
        assert!(message.starts_with(begins), "{text:?}\n  gives  {message}\n  wanted {begins}");
        assert!(message.contains(says), "{text:?}\n  gives  {message}\n  lacks  {says}");
    }
}

#[test]
fn a_queue_that_just_holds_the_largest_stanza_is_accepted() {
    let settings = parsed("[limits]\nstanza_bytes = 70000\nsend_queue_bytes = 88192");
    assert_eq!(settings.node.limits.send_queue_bytes, 88192);
}

#[test]
fn a_missing_file_is_named() {
    let path = Path::new("no-such-directory/eyot.toml");
    let message =
        eyot_io_tokio::real::config::load(Some(path), Overrides::default()).unwrap_err().to_string();
    assert!(message.starts_with("no-such-directory/eyot.toml: cannot be read: "), "{message}");
}

#[test]
fn flags_override_the_file() {
    let text =
        "data = \"a\"\n[log]\nlevel = \"warn\"\n[[domain]]\nname = \"open.example\"\nregistration = \"open\"";
    let overrides = Overrides {
        domains: vec!["open.example".into(), "new.example".into()],
        data: Some("b".into()),
        starttls: Some(vec!["127.0.0.1:0".parse().unwrap()]),
        direct_tls: Some(Vec::new()),
        log: Some("debug".into()),
        record: None,
    };
    let settings = parse(None, text, overrides).unwrap();
    assert_eq!(settings.data, Path::new("b"));
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.listen.len(), 1);
    let registration = |name| settings.node.domain(name).unwrap().registration;
    assert_eq!(registration("open.example"), eyot_core::config::Registration::Open);
    assert_eq!(registration("new.example"), eyot_core::config::Registration::Closed);
    let flag = Overrides { domains: vec!["a b".into()], ..Overrides::default() };
    assert!(parse(None, "", flag).unwrap_err().to_string().starts_with("flags: --domain: "));
}
