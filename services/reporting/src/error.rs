//! Why the reporting API can't be built or run.

/// Why the reporting API can't be built or run.
#[derive(Debug, thiserror::Error)]
pub enum ReportingError {
    /// No URL can start with it.
    #[error("the default base URL `{0}` is not an absolute http or https URL with a host")]
    DefaultBaseUrl(String),
}
