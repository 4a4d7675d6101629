//! Log lines: lower case, facts as fields, to standard error.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// A filter such as `info` or `info,loader=debug`.
    pub filter: String,
    /// `text` for people, `json` for collectors.
    pub format: Format,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text }
    }
}

/// A filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong: log.filter is no filter: {0}")]
pub struct FilterError(String);

/// Starts writing log lines. Called once, early; a second call changes nothing.
///
/// # Errors
/// [`FilterError`] for a filter that can't be read.
pub fn init(config: &TelemetryConfig) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|e| FilterError(e.to_string()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process, as tests do, keeps the first's writer.
    let _ = match config.format {
        Format::Text => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
