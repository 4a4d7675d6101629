//! Configuration: a TOML file, overridden by `TRUEOPEN_…` variables, overridden by flags.
//!
//! The variable of `tracker.listen` is `TRUEOPEN_TRACKER__LISTEN`: sections are parted by two underscores, since names
//! hold single ones. A bad value stops the start with one line that names it.

use config::{Config, File, FileFormat};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::Path;

/// A value that is never printed: `Debug` and `Serialize` show a mask, so that `trueopen config` can print everything.
#[derive(Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(transparent)]
pub struct Secret(String);

/// What stands in a secret's place when it is printed.
const MASK: &str = "********";

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { MASK })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { MASK })
    }
}

/// Why a configuration can't be used: one line that names the value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or can't be read.
    #[error("the configuration file {path} can't be read: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A value is missing, unknown or of the wrong kind.
    #[error("the configuration is wrong: {0}")]
    Value(String),
}

/// The prefix of the variables that are read.
const PREFIX: &str = "TRUEOPEN_";

/// Reads a configuration. `flags` are pairs of a dotted name and a value, applied last; `lists` are the dotted names of
/// values that a variable or a flag gives as a list parted by commas.
///
/// # Errors
/// [`ConfigError`] with one line that names the file or the value.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    flags: &[(&str, String)],
    lists: &[&str],
) -> Result<T, ConfigError> {
    load_from(file, flags, lists, None)
}

fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    flags: &[(&str, String)],
    lists: &[&str],
    variables: Option<std::collections::HashMap<String, String>>,
) -> Result<T, ConfigError> {
    let mut builder = Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::File { path: path.display().to_string(), reason: e.to_string() })?;
        // Parsed here first: this error names line and column of the file.
        text.parse::<toml::Table>().map_err(|e| ConfigError::File {
            path: path.display().to_string(),
            reason: one_line(&e.to_string()),
        })?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let variables = variables.unwrap_or_else(|| std::env::vars_os().filter_map(utf8).collect());
    let named: BTreeMap<String, String> = variables.into_iter().filter_map(setting).collect();
    let named = named.iter().map(|(name, value)| (name.as_str(), value));
    // All as texts: what needs a number reads one from it, and a password of digits keeps its zeros.
    for (name, value) in named.chain(flags.iter().map(|(name, value)| (*name, value))) {
        let set = if lists.contains(&name) {
            builder.set_override(name, value.split(',').map(str::trim).collect::<Vec<_>>())
        } else {
            builder.set_override(name, value.as_str())
        };
        builder = set.map_err(|e| value_error(&e))?;
    }
    let config = builder.build().map_err(|e| value_error(&e))?;
    config.try_deserialize().map_err(|e| value_error(&e))
}

/// The setting that a variable names: `TRUEOPEN_TRACKER__LISTEN` is `tracker.listen`. Variables without a section are
/// other tools' (the cache folder, the data directory's flag), and an empty one is as good as none.
fn setting((name, value): (String, String)) -> Option<(String, String)> {
    let name = name.strip_prefix(PREFIX)?;
    (name.contains("__") && !value.is_empty()).then(|| (name.to_ascii_lowercase().replace("__", "."), value))
}

fn utf8((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

fn value_error(error: &config::ConfigError) -> ConfigError {
    ConfigError::Value(one_line(&error.to_string()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields, default)]
    struct Whole {
        tracker: Tracker,
        password: Secret,
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields, default)]
    struct Tracker {
        port: u16,
        trusted_proxies: Vec<String>,
    }

    impl Default for Whole {
        fn default() -> Self {
            Self { tracker: Tracker::default(), password: Secret::new("hidden") }
        }
    }

    impl Default for Tracker {
        fn default() -> Self {
            Self { port: 1, trusted_proxies: vec![] }
        }
    }

    fn read(toml: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Whole, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let flags: Vec<_> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        load_from(Some(file.path()), &flags, &["tracker.trusted_proxies"], Some(variables))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn later_sources_win() {
        let file = "[tracker]\nport = 2\n";
        assert_eq!(read("", &[], &[]).unwrap().tracker.port, 1);
        assert_eq!(read(file, &[], &[]).unwrap().tracker.port, 2);
        let variable =
            [("TRUEOPEN_TRACKER__PORT", "3"), ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "10.0.0.0/8,::1/128")];
        let whole = read(file, &variable, &[]).unwrap();
        assert_eq!(whole.tracker.port, 3);
        assert_eq!(whole.tracker.trusted_proxies, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(read(file, &variable, &[("tracker.port", "4")]).unwrap().tracker.port, 4);
        let flag = [("tracker.trusted_proxies", "192.0.2.0/24, 198.51.100.0/24")];
        assert_eq!(
            read("", &variable, &flag).unwrap().tracker.trusted_proxies,
            ["192.0.2.0/24", "198.51.100.0/24"]
        );
    }

    #[test]
    fn a_bad_value_is_named_in_one_line() {
        for (file, variables, named) in [
            ("[tracker]\nport = \"x\"", &[][..], "tracker.port"),
            ("[tracker]\nprot = 3", &[], "prot"),
            ("[tracker]\nport = 70000", &[], "tracker.port"),
            ("", &[("TRUEOPEN_TRACKER__PORT", "abc")], "tracker.port"),
            ("[tracker\n", &[], "line 1"),
        ] {
            let error = read(file, variables, &[]).unwrap_err();
            assert!(error.contains(named), "{error} does not name {named}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn secrets_never_print() {
        let digits =
            read("", &[("TRUEOPEN_X__Y", ""), ("TRUEOPEN_OTHER", "1")], &[("password", "0123")]).unwrap();
        assert_eq!(digits.password.reveal(), "0123");
        let whole = read("password = \"opensesame\"", &[], &[]).unwrap();
        assert_eq!(whole.password.reveal(), "opensesame");
        let shown = format!("{whole:?} {}", toml::to_string(&whole).unwrap());
        assert!(!shown.contains("opensesame") && shown.contains(MASK), "{shown}");
    }
}
