//! What ClickHouse answers when it can't or won't, and what that means for whoever asked.
//!
//! A server's text may quote a value of a row. `Display` therefore shows the code and its name only, fit for a log;
//! [`DatabaseError::text`] has the rest, for a person at a terminal who migrates.

use clickhouse::error::Error;
use std::time::Duration;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// It passes by itself: try the same again.
    Transient,
    /// The rows are refused for what they hold: no repeat helps.
    Poison,
    /// A person has to change something: a password, a database, a schema.
    Misconfigured,
}

/// A call to ClickHouse that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// The server answered with an exception.
    #[error("clickhouse refused with code {code}{}", named(.name))]
    Server {
        /// ClickHouse's number of the exception.
        code: u32,
        /// Its name, such as `UNKNOWN_TABLE`; may be empty.
        name: String,
        /// All that the server said.
        text: String,
    },
    /// No answer, or none that is ClickHouse's.
    #[error("clickhouse is not reachable")]
    Unreachable {
        /// What the client saw.
        text: String,
    },
    /// No answer in time.
    #[error("clickhouse did not answer within {0:?}")]
    TimedOut(Duration),
    /// The tables are not the ones that this program writes or reads.
    #[error("the tables do not match this program")]
    Mismatch {
        /// What the client saw.
        text: String,
    },
    /// A value can't be written in ClickHouse's format.
    #[error("a value does not fit its column")]
    Value {
        /// What the client saw.
        text: String,
    },
}

fn named(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" ({name})") }
}

/// Codes that speak of what rows hold. Only these ever lead to a dead letter; what is not known is tried again.
/// The numbers are ClickHouse's `src/Common/ErrorCodes.cpp`.
const POISON: &[u32] = &[
    6,   // CANNOT_PARSE_TEXT
    25,  // CANNOT_PARSE_ESCAPE_SEQUENCE
    26,  // CANNOT_PARSE_QUOTED_STRING
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    38,  // CANNOT_PARSE_DATE
    41,  // CANNOT_PARSE_DATETIME
    53,  // TYPE_MISMATCH
    69,  // ARGUMENT_OUT_OF_BOUND
    70,  // CANNOT_CONVERT_TYPE
    72,  // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    128, // TOO_LARGE_ARRAY_SIZE
    131, // TOO_LARGE_STRING_SIZE
    321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    376, // CANNOT_PARSE_UUID
    407, // DECIMAL_OVERFLOW
    467, // CANNOT_PARSE_BOOL
    469, // VIOLATED_CONSTRAINT
    675, // CANNOT_PARSE_IPV4
    676, // CANNOT_PARSE_IPV6
    691, // UNKNOWN_ELEMENT_OF_ENUM
];

/// Codes that only a person resolves.
const MISCONFIGURED: &[u32] = &[
    8,   // THERE_IS_NO_COLUMN
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    44,  // ILLEGAL_COLUMN
    46,  // UNKNOWN_FUNCTION
    47,  // UNKNOWN_IDENTIFIER
    48,  // NOT_IMPLEMENTED
    60,  // UNKNOWN_TABLE
    62,  // SYNTAX_ERROR
    73,  // UNKNOWN_FORMAT
    81,  // UNKNOWN_DATABASE
    115, // UNKNOWN_SETTING
    164, // READONLY
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    194, // REQUIRED_PASSWORD
    195, // IP_ADDRESS_NOT_ALLOWED
    291, // DATABASE_ACCESS_DENIED
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
];

/// ClickHouse's `TABLE_ALREADY_EXISTS`.
pub(crate) const TABLE_EXISTS: u32 = 57;
/// ClickHouse's `UNKNOWN_TABLE`.
pub(crate) const UNKNOWN_TABLE: u32 = 60;
/// ClickHouse's `UNKNOWN_DATABASE`.
pub(crate) const UNKNOWN_DATABASE: u32 = 81;

impl DatabaseError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Server { code, .. } if POISON.contains(code) => ErrorClass::Poison,
            Self::Server { code, .. } if MISCONFIGURED.contains(code) => ErrorClass::Misconfigured,
            Self::Server { .. } | Self::Unreachable { .. } | Self::TimedOut(_) => ErrorClass::Transient,
            Self::Mismatch { .. } => ErrorClass::Misconfigured,
            Self::Value { .. } => ErrorClass::Poison,
        }
    }

    /// ClickHouse's code, when it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        if let Self::Server { code, .. } = self { Some(*code) } else { None }
    }

    /// All that was said. It may quote a value: not for logs, and never for strangers.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Server { text, .. }
            | Self::Unreachable { text }
            | Self::Mismatch { text }
            | Self::Value { text } => text,
            Self::TimedOut(_) => "",
        }
    }
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::BadResponse(answer) => from_answer(answer),
            Error::TimedOut => Self::TimedOut(Duration::ZERO),
            Error::SchemaMismatch(_)
            | Error::InvalidColumnsHeader(_)
            | Error::InvalidParams(_)
            | Error::Unsupported(_)
            | Error::NotEnoughData
            | Error::RowNotFound
            | Error::DeserializeAnyNotSupported
            | Error::VariantDiscriminatorIsOutOfBound(_) => Self::Mismatch { text },
            Error::Custom(_) | Error::SequenceMustHaveLength | Error::InvalidTagEncoding(_) => {
                Self::Value { text }
            }
            _ => Self::Unreachable { text: chain(&error) },
        }
    }
}

/// `Code: 60. DB::Exception: … (UNKNOWN_TABLE) (version …)`, or a bare HTTP status from whatever stands in between.
fn from_answer(text: String) -> DatabaseError {
    let code = text.split("Code: ").nth(1).and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    });
    let Some(code) = code else { return DatabaseError::Unreachable { text } };
    let name = name_of(&text).unwrap_or_default().to_owned();
    DatabaseError::Server { code, name, text }
}

/// The name at the very end, before the version. Anything else in brackets may be a value of a row.
fn name_of(text: &str) -> Option<&str> {
    let text = text.rsplit_once(" (version ").map_or(text, |(before, _)| before).trim_end();
    let (_, name) = text.strip_suffix(')')?.rsplit_once('(')?;
    let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_name.then_some(name)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

/// Waits for a call of the client for so long and no longer.
///
/// # Errors
/// The call's own failure, or [`DatabaseError::TimedOut`]. What timed out may still happen on the server.
pub async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, DatabaseError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(DatabaseError::from),
        Err(_) => Err(DatabaseError::TimedOut(limit)),
    }
}

/// How long a small query of this crate may take.
pub(crate) const QUERY_LIMIT: Duration = Duration::from_secs(20);

/// [`within`] for the small queries of this crate.
pub(crate) async fn call<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, DatabaseError> {
    within(QUERY_LIMIT, call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_their_code() {
        for (answer, code, name, class) in [
            (
                "Code: 516. DB::Exception: default: Authentication failed (AUTHENTICATION_FAILED) (version 26.7)",
                Some(516),
                "AUTHENTICATION_FAILED",
                ErrorClass::Misconfigured,
            ),
            (
                "Code: 469. DB::Exception: Constraint violated. Column values: label = '(SECRET)'. (VIOLATED_CONSTRAINT)",
                Some(469),
                "VIOLATED_CONSTRAINT",
                ErrorClass::Poison,
            ),
            (
                "Code: 252. DB::Exception: Too many parts (TOO_MANY_PARTS)",
                Some(252),
                "TOO_MANY_PARTS",
                ErrorClass::Transient,
            ),
            (
                "Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)",
                Some(241),
                "MEMORY_LIMIT_EXCEEDED",
                ErrorClass::Transient,
            ),
            ("Code: 99999", Some(99999), "", ErrorClass::Transient),
            ("Code: 27. near (SECRET) at row 3", Some(27), "", ErrorClass::Poison),
            ("502 Bad Gateway", None, "", ErrorClass::Transient),
            ("<html>Code: none</html>", None, "", ErrorClass::Transient),
        ] {
            let error = DatabaseError::from(Error::BadResponse(answer.to_owned()));
            assert_eq!(error.code(), code, "{answer}");
            assert_eq!(error.class(), class, "{answer}");
            assert!(!error.to_string().contains("SECRET"));
            assert_eq!(error.text(), answer);
            if !name.is_empty() {
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }

    #[test]
    fn the_clients_own_errors_have_classes() {
        for (error, class) in [
            (Error::Network("connection refused".into()), ErrorClass::Transient),
            (Error::TimedOut, ErrorClass::Transient),
            (Error::SchemaMismatch("column".into()), ErrorClass::Misconfigured),
            (Error::Custom("value".into()), ErrorClass::Poison),
        ] {
            assert_eq!(DatabaseError::from(error).class(), class);
        }
    }

    #[test]
    fn no_code_has_two_classes() {
        assert!(POISON.iter().all(|code| !MISCONFIGURED.contains(code)));
    }
}
