//! Mailbox providers: who runs the mailbox, by the receiving server's name or the recipient domain, as data.
//!
//! The provider is a property of a message: of the MX host that its delivery events name, else of a table of consumer
//! domains, else it is the recipient domain itself, and `unknown` where there is none. Reports look it up when they ask, in
//! tables that each migration writes from `schema/mailbox-providers.json`, so that a corrected entry corrects all history.
//! [`provider`] is the same rule in plain Rust, for the recount.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What stands for a message without MX host and recipient domain.
pub const UNKNOWN: &str = "unknown";
/// The most labels that a name of the table has; the views compare as many.
const MOST_LABELS: usize = 5;

/// A provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The id in reports.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Where it is known from.
    pub source: String,
    /// Names of its receiving servers: each host of that name and below it is the provider's.
    #[serde(default)]
    pub mx: Vec<String>,
    /// Its consumer domains.
    #[serde(default)]
    pub domains: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    providers: Vec<Provider>,
}

struct Tables {
    providers: Vec<Provider>,
    mx: HashMap<String, usize>,
    domains: HashMap<String, usize>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("../../../schema/mailbox-providers.json"))
        .expect("schema/mailbox-providers.json is checked by a test");
    let index = |names: fn(&Provider) -> &Vec<String>| {
        let all = file.providers.iter().enumerate();
        all.flat_map(|(at, provider)| names(provider).iter().map(move |name| (name.clone(), at))).collect()
    };
    let (mx, domains) = (index(|provider| &provider.mx), index(|provider| &provider.domains));
    Tables { providers: file.providers, mx, domains }
});

/// Every provider that is known by name.
#[must_use]
pub fn all() -> &'static [Provider] {
    &TABLES.providers
}

/// The provider of a message: `mx_host` and `recipient_domain` in lower case, empty where they are not known.
#[must_use]
pub fn provider<'a>(mx_host: &str, recipient_domain: &'a str) -> &'a str {
    let by_host = endings(mx_host).find_map(|name| TABLES.mx.get(name));
    let known = by_host.or_else(|| TABLES.domains.get(recipient_domain));
    match known {
        Some(at) => &TABLES.providers[*at].id,
        None if recipient_domain.is_empty() => UNKNOWN,
        None => recipient_domain,
    }
}

/// The last labels of a name, the longest ending first; one label alone is nobody's.
fn endings(host: &str) -> impl Iterator<Item = &str> {
    let starts = host.rmatch_indices('.').map(|(dot, _)| dot + 1).chain(std::iter::once(0));
    let mut starts: Vec<usize> = starts.skip(1).take(MOST_LABELS - 1).collect();
    if !host.contains('.') {
        starts.clear();
    }
    starts.reverse();
    starts.into_iter().map(|start| &host[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_first_then_consumer_domain_then_the_domain_itself() {
        for (mx_host, domain, expected) in [
            ("alt1.gmail-smtp-in.l.google.com", "gmail.com", "gmail"),
            ("aspmx.l.google.com", "clinic.example", "google_workspace"),
            ("clinic-example.mail.protection.outlook.com", "clinic.example", "microsoft_365"),
            ("hotmail-com.olc.protection.outlook.com", "hotmail.com", "outlook"),
            ("mx-eu.mail.am0.yahoodns.net", "yahoo.com", "yahoo"),
            ("mx1.clinic.example", "clinic.example", "clinic.example"),
            ("mx1.clinic.example", "gmail.com", "gmail"),
            ("", "icloud.com", "icloud"),
            ("", "clinic.example", "clinic.example"),
            ("", "", UNKNOWN),
            ("com", "", UNKNOWN),
            ("notgoogle.com", "a.example", "a.example"),
        ] {
            assert_eq!(provider(mx_host, domain), expected, "{mx_host} {domain}");
        }
    }

    #[test]
    fn the_table_is_sound() {
        let mut ids = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        for provider in all() {
            assert!(ids.insert(&provider.id) && provider.id != UNKNOWN, "{}", provider.id);
            assert!(provider.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(!provider.source.is_empty(), "{}", provider.id);
            assert!(provider.mx.len() + provider.domains.len() > 0, "{}", provider.id);
            for (kind, name) in provider
                .mx
                .iter()
                .map(|name| ("mx", name))
                .chain(provider.domains.iter().map(|name| ("domain", name)))
            {
                assert!(names.insert((kind, name)), "{name} belongs to two");
                assert!(
                    *name == name.to_lowercase() && (2..=MOST_LABELS).contains(&name.split('.').count()),
                    "{name}"
                );
            }
        }
    }
}
