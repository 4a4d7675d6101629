//! The arrows between our crates point one way, and dependencies keep to `deny.toml`.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

/// What each crate of ours may use of ours, outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("engagement", &[]),
    ("journal", &[]),
    ("runtime", &[]),
    ("embedded", &[]),
    ("stream", &["journal"]),
    ("store", &["engagement", "runtime"]),
    ("classifier", &["engagement", "runtime", "stream"]),
    ("tracker", &["engagement", "runtime", "store", "stream"]),
    ("loader", &["engagement", "runtime", "store", "stream"]),
    ("reporting", &["engagement", "runtime", "store", "stream"]),
    (
        "trueopen",
        &[
            "classifier",
            "embedded",
            "engagement",
            "loader",
            "reporting",
            "runtime",
            "store",
            "stream",
            "tracker",
        ],
    ),
    ("acceptance", &[]),
];

fn metadata() -> Metadata {
    // For this platform alone: what other systems would pull in is not downloaded, and not ours to ship.
    let platform = vec!["--locked".into(), "--filter-platform".into(), "x86_64-unknown-linux-gnu".into()];
    MetadataCommand::new().other_options(platform).exec().unwrap()
}

fn ours(metadata: &Metadata) -> BTreeMap<String, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (package.name.to_string(), package)).collect()
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let ours = ours(&metadata);
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        ours.keys().cloned().collect::<BTreeSet<_>>(),
        known,
        "a crate without arrows, or arrows without a crate"
    );
    for (name, allowed) in ARROWS {
        for dependency in &ours[*name].dependencies {
            if dependency.kind != DependencyKind::Development && ours.contains_key(&dependency.name) {
                assert!(
                    allowed.contains(&dependency.name.as_str()),
                    "{name} must not use {}",
                    dependency.name
                );
            }
        }
    }
}

#[test]
fn the_core_is_pure() {
    let metadata = metadata();
    let engagement = ours(&metadata)["engagement"];
    for dependency in &engagement.dependencies {
        let impure = ["tokio", "hyper", "clickhouse", "reqwest", "tracing", "prometheus"];
        assert!(!impure.contains(&dependency.name.as_str()), "engagement must not use {}", dependency.name);
    }
}

#[test]
fn dependencies_keep_to_deny_toml() {
    let metadata = metadata();
    let root = metadata.workspace_root.join("deny.toml");
    let deny: toml::Table = std::fs::read_to_string(root).unwrap().parse().unwrap();
    let strings = |value: &toml::Value| -> BTreeSet<String> {
        value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let allowed = strings(&deny["licenses"]["allow"]);
    let exceptions: BTreeMap<String, BTreeSet<String>> = deny["licenses"]["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["crate"].as_str().unwrap().to_owned(), strings(&entry["allow"])))
        .collect();
    let banned: BTreeMap<&str, &toml::Value> = deny["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["crate"].as_str().unwrap(), entry))
        .collect();
    let mut wrong = Vec::new();
    for package in used(&metadata) {
        if let Some(ban) = banned.get(package.name.as_str()) {
            let wrappers = ban.get("wrappers").map(strings).unwrap_or_default();
            let users = users_of(&metadata, package);
            if users.iter().any(|user| !wrappers.contains(user)) {
                wrong.push(format!("{} is banned: {} (used by {users:?})", package.name, ban["reason"]));
            }
        }
        if let Some(source) = &package.source
            && !source.is_crates_io()
        {
            wrong.push(format!("{} comes from {source}", package.name));
        }
        let extra = exceptions.get(package.name.as_str());
        let licence = package.license.clone().unwrap_or_default();
        if !permitted(&licence, |id| allowed.contains(id) || extra.is_some_and(|extra| extra.contains(id))) {
            wrong.push(format!("{} has the licence {licence:?}", package.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The packages that use a package directly in a build of ours.
fn users_of(metadata: &Metadata, package: &Package) -> BTreeSet<String> {
    let used: BTreeSet<_> = used(metadata).into_iter().map(|package| &package.id).collect();
    let nodes = metadata.resolve.as_ref().unwrap().nodes.iter();
    let users =
        nodes.filter(|node| used.contains(&node.id) && node.deps.iter().any(|dep| dep.pkg == package.id));
    users.map(|node| metadata[&node.id].name.to_string()).collect()
}

/// The packages that end up in a build of ours: not what unused features pull in.
fn used(metadata: &Metadata) -> Vec<&Package> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<_> = metadata.workspace_members.iter().collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let next = nodes[id].deps.iter();
            open.extend(next.map(|dep| &dep.pkg));
        }
    }
    metadata.packages.iter().filter(|package| seen.contains(&package.id)).collect()
}

/// Whether an SPDX expression can be met: OR needs one side, AND both. `/` is the old spelling of OR.
fn permitted(expression: &str, known: impl Fn(&str) -> bool + Copy) -> bool {
    let expression = expression.replace('/', " OR ");
    fn or(
        tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        known: impl Fn(&str) -> bool + Copy,
    ) -> bool {
        let mut met = and(tokens, known);
        while tokens.next_if(|token| token == "OR").is_some() {
            met |= and(tokens, known);
        }
        met
    }
    fn and(
        tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        known: impl Fn(&str) -> bool + Copy,
    ) -> bool {
        let mut met = one(tokens, known);
        while tokens.next_if(|token| token == "AND").is_some() {
            met &= one(tokens, known);
        }
        met
    }
    fn one(
        tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        known: impl Fn(&str) -> bool + Copy,
    ) -> bool {
        let Some(token) = tokens.next() else { return false };
        if token == "(" {
            let met = or(tokens, known);
            return tokens.next().as_deref() == Some(")") && met;
        }
        if tokens.next_if(|token| token == "WITH").is_some() {
            let exception = tokens.next().unwrap_or_default();
            return known(&format!("{token} WITH {exception}"));
        }
        known(&token)
    }
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut tokens = tokens.into_iter().peekable();
    or(&mut tokens, known) && tokens.next().is_none()
}

#[test]
fn licence_expressions_are_understood() {
    let known = |id: &str| ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&id);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("ISC AND (Apache-2.0 OR GPL-2.0)", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("", false),
    ] {
        assert_eq!(permitted(expression, known), expected, "{expression}");
    }
}
