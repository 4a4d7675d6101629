//! An account's settings: what it suppresses, how long its data is kept, and where its URLs point.

use engagement::sources::Class;
use serde::{Deserialize, Serialize};
use url::Url;

/// The most days that evidence or rows are kept.
pub const MOST_DAYS: u16 = 3650;
/// The most bytes of a tracking base URL; it stands in every link of every mail.
const MOST_URL_BYTES: usize = 200;

/// Which automated classes an account leaves out of its figures. Human and unknown sources are never left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Suppress {
    /// Apple Mail Privacy Protection.
    pub apple: bool,
    /// Gmail's prefetch.
    pub google: bool,
    /// Mail-security gateways, bursts, fan-out, traps.
    pub scanners: bool,
    /// Every other automated source.
    pub other: bool,
}

impl Default for Suppress {
    fn default() -> Self {
        Self { apple: true, google: true, scanners: true, other: true }
    }
}

impl Suppress {
    /// Nothing is left out.
    pub const NONE: Self = Self { apple: false, google: false, scanners: false, other: false };

    /// Whether a class is left out.
    #[must_use]
    pub const fn has(&self, class: Class) -> bool {
        match class {
            Class::Apple => self.apple,
            Class::Google => self.google,
            Class::Scanners => self.scanners,
            Class::Other => self.other,
        }
    }

    /// The classes that are left out, in the order in which answers list them.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        Class::ALL.into_iter().filter(|class| self.has(*class)).collect()
    }

    /// Leaves out exactly these classes.
    #[must_use]
    pub fn of(classes: &[Class]) -> Self {
        let has = |class| classes.contains(&class);
        Self {
            apple: has(Class::Apple),
            google: has(Class::Google),
            scanners: has(Class::Scanners),
            other: has(Class::Other),
        }
    }
}

/// The settings of one account, as the reporting API shows and takes them. What a document leaves out is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What reports leave out, unless they are asked otherwise.
    pub suppress: Suppress,
    /// How many days addresses, agents, headers and servers' texts are kept, 1 to 3650.
    pub evidence_days: u16,
    /// How many days events are kept, from `evidence_days` to 3650.
    pub retention_days: u16,
    /// Where the account's URLs point, such as `https://track.example.org`; `None` for the tracker's default.
    pub tracking_base_url: Option<String>,
    /// Whether mails get a link that no reader can see.
    pub trap_links: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            suppress: Suppress::default(),
            evidence_days: 30,
            retention_days: 400,
            tracking_base_url: None,
            trap_links: false,
        }
    }
}

/// Which setting is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not 1 to 3650.
    #[error("evidence_days is {0}, not between 1 and {MOST_DAYS}")]
    EvidenceDays(u16),
    /// Not 1 to 3650.
    #[error("retention_days is {0}, not between 1 and {MOST_DAYS}")]
    RetentionDays(u16),
    /// Evidence can't outlive its event.
    #[error("retention_days is {retention}, less than the {evidence} of evidence_days")]
    RetentionBeforeEvidence {
        /// The days of events.
        retention: u16,
        /// The days of evidence.
        evidence: u16,
    },
    /// Not a URL that links can be made from.
    #[error("tracking_base_url {0}")]
    TrackingBaseUrl(&'static str),
}

impl SettingsError {
    /// The field that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::EvidenceDays(_) => "evidence_days",
            Self::RetentionDays(_) | Self::RetentionBeforeEvidence { .. } => "retention_days",
            Self::TrackingBaseUrl(_) => "tracking_base_url",
        }
    }
}

impl Settings {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`SettingsError`] names the first field that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(1..=MOST_DAYS).contains(&self.evidence_days) {
            return Err(SettingsError::EvidenceDays(self.evidence_days));
        }
        if !(1..=MOST_DAYS).contains(&self.retention_days) {
            return Err(SettingsError::RetentionDays(self.retention_days));
        }
        if self.retention_days < self.evidence_days {
            return Err(SettingsError::RetentionBeforeEvidence {
                retention: self.retention_days,
                evidence: self.evidence_days,
            });
        }
        self.tracking_base_url.as_deref().map_or(Ok(()), check_base_url)
    }

    /// The host of the account's own URLs: lower case, without port.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let url = Url::parse(self.tracking_base_url.as_deref()?).ok()?;
        url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase())
    }
}

fn check_base_url(text: &str) -> Result<(), SettingsError> {
    let refuse = |why| Err(SettingsError::TrackingBaseUrl(why));
    if text.len() > MOST_URL_BYTES {
        return refuse("has more than 200 bytes");
    }
    // The parser forgives what mails and proxies don't: spaces around, backslashes, a missing slash.
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'<>`{}|^".contains(&b)) {
        return refuse("holds a character that no plain URL has (write other hosts in their xn-- form)");
    }
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return refuse("is not an absolute http or https URL");
    }
    let Ok(url) = Url::parse(text) else { return refuse("is not an absolute http or https URL") };
    if url.host_str().is_none_or(|host| host.trim_end_matches('.').is_empty()) {
        return refuse("has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("has a query or a fragment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(url: &str) -> Settings {
        Settings { tracking_base_url: Some(url.to_owned()), ..Settings::default() }
    }

    #[test]
    fn the_default_is_the_designs_document() {
        let expected: serde_json::Value = serde_json::from_str(
            r#"{"suppress": {"apple": true, "google": true, "scanners": true, "other": true}, "evidence_days": 30,
                "retention_days": 400, "tracking_base_url": null, "trap_links": false}"#,
        )
        .unwrap();
        assert_eq!(serde_json::to_value(Settings::default()).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(
            serde_json::from_str::<Settings>(r#"{"colour": 1}"#).unwrap_err().to_string().contains("colour")
        );
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn days_have_bounds_and_the_error_names_the_field() {
        for (evidence, retention, field) in [
            (0, 400, Some("evidence_days")),
            (3651, 3650, Some("evidence_days")),
            (1, 1, None),
            (3650, 3650, None),
            (30, 29, Some("retention_days")),
            (30, 3651, Some("retention_days")),
            (30, 0, Some("retention_days")),
        ] {
            let settings =
                Settings { evidence_days: evidence, retention_days: retention, ..Settings::default() };
            let error = settings.check().err();
            assert_eq!(error.as_ref().map(SettingsError::field), field, "{evidence} {retention}");
            assert!(error.is_none_or(|e| e.to_string().contains(field.unwrap())));
        }
    }

    #[test]
    fn only_plain_base_urls_pass() {
        for good in [
            "https://track.example.org",
            "http://localhost:8080",
            "HTTPS://T.example/path/",
            "http://[::1]:1",
        ] {
            assert_eq!(with_url(good).check(), Ok(()), "{good}");
        }
        for bad in [
            "",
            "track.example.org",
            "ftp://t.example",
            "javascript:alert(1)",
            "https://",
            "https:/t.example",
            "https:\\\\t.example",
            " https://t.example",
            "https://t.example/?a=b",
            "https://t.example/#x",
            "https://u:p@t.example",
            "https://t.example/a b",
            "https://t.example/'; DROP TABLE events --",
            "https://bücher.example",
            "https://./",
            &format!("https://{}.example", "x".repeat(200)),
        ] {
            assert!(with_url(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_lower_case_and_has_no_port() {
        assert_eq!(with_url("https://Track.Example.org:8443/x").host().as_deref(), Some("track.example.org"));
        assert_eq!(with_url("https://track.example.org./").host().as_deref(), Some("track.example.org"));
        assert_eq!(Settings::default().host(), None);
    }

    #[test]
    fn classes_go_there_and_back() {
        let some = Suppress { google: false, other: false, ..Suppress::default() };
        assert_eq!(some.classes(), [Class::Apple, Class::Scanners]);
        assert_eq!(Suppress::of(&some.classes()), some);
        assert_eq!(Suppress::of(&[]), Suppress::NONE);
    }
}
