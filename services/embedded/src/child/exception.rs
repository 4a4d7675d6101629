//! Errors in a ClickHouse server's shape: a code, a name, a text, an HTTP status.

use http::StatusCode;

/// One of ClickHouse's error codes. A test compares each with the engine's own list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32, pub(crate) &'static str);

pub(crate) const BAD_ARGUMENTS: Code = Code(36, "BAD_ARGUMENTS");
pub(crate) const CANNOT_READ_ALL_DATA: Code = Code(33, "CANNOT_READ_ALL_DATA");
pub(crate) const TOO_LARGE_SIZE_COMPRESSED: Code = Code(39, "TOO_LARGE_SIZE_COMPRESSED");
pub(crate) const CHECKSUM_DOESNT_MATCH: Code = Code(40, "CHECKSUM_DOESNT_MATCH");
pub(crate) const NOT_IMPLEMENTED: Code = Code(48, "NOT_IMPLEMENTED");
pub(crate) const LOGICAL_ERROR: Code = Code(49, "LOGICAL_ERROR");
pub(crate) const SYNTAX_ERROR: Code = Code(62, "SYNTAX_ERROR");
pub(crate) const UNKNOWN_COMPRESSION_METHOD: Code = Code(89, "UNKNOWN_COMPRESSION_METHOD");
pub(crate) const UNKNOWN_SETTING: Code = Code(115, "UNKNOWN_SETTING");
pub(crate) const INCORRECT_DATA: Code = Code(117, "INCORRECT_DATA");
pub(crate) const READONLY: Code = Code(164, "READONLY");
pub(crate) const TOO_MANY_SIMULTANEOUS_QUERIES: Code = Code(202, "TOO_MANY_SIMULTANEOUS_QUERIES");
pub(crate) const SOCKET_TIMEOUT: Code = Code(209, "SOCKET_TIMEOUT");
pub(crate) const NETWORK_ERROR: Code = Code(210, "NETWORK_ERROR");
pub(crate) const QUERY_IS_TOO_LARGE: Code = Code(229, "QUERY_IS_TOO_LARGE");
pub(crate) const CANNOT_DECOMPRESS: Code = Code(271, "CANNOT_DECOMPRESS");
pub(crate) const ACCESS_DENIED: Code = Code(497, "ACCESS_DENIED");
pub(crate) const AUTHENTICATION_FAILED: Code = Code(516, "AUTHENTICATION_FAILED");
pub(crate) const UNKNOWN_EXCEPTION: Code = Code(1002, "UNKNOWN_EXCEPTION");

/// Codes that a server does not answer with 500, as in ClickHouse's `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`.
const STATUSES: [(u16, &[u32]); 10] = [
    (401, &[194]),
    (403, &[192, 193, 516, 512, 497]),
    (
        400,
        &[
            36, 427, 6, 25, 26, 38, 41, 72, 441, 675, 676, 27, 376, 15, 44, 37, 123, 8, 167, 168, 223, 62,
            117, 53, 321,
        ],
    ),
    (404, &[60, 46, 47, 50, 56, 81, 115, 152, 63, 73, 336, 78, 511]),
    (413, &[229]),
    (501, &[48]),
    (503, &[209, 76, 439]),
    (411, &[381]),
    (408, &[159]),
    (415, &[779]),
];

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    code: u32,
    text: String,
}

impl Exception {
    /// One of our own.
    pub(crate) fn new(code: Code, message: impl AsRef<str>) -> Self {
        Self {
            code: code.0,
            text: format!("Code: {}. DB::Exception: {}. ({})", code.0, message.as_ref(), code.1),
        }
    }

    /// The engine's text, which begins with its code, and sometimes ends with its version.
    pub(crate) fn from_engine(text: &str) -> Self {
        let text = text.trim();
        let text = match text.rfind(" (version ") {
            Some(at) if text.ends_with(')') => &text[..at],
            _ => text,
        };
        let code = text
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split('.').next())
            .and_then(|code| code.parse().ok());
        match code {
            Some(code) => Self { code, text: text.to_owned() },
            None => Self::new(UNKNOWN_EXCEPTION, text.trim_end_matches('.')),
        }
    }

    /// ClickHouse's number for it.
    pub(crate) fn code(&self) -> u32 {
        self.code
    }

    /// The text without a version.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The status that a server answers with.
    pub(crate) fn status(&self) -> StatusCode {
        let number =
            STATUSES.iter().find(|(_, codes)| codes.contains(&self.code)).map_or(500, |(status, _)| *status);
        StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body that a server answers with.
    pub(crate) fn body(&self, version: &str) -> String {
        format!("{} (version {version} (embedded build))\n", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_texts_keep_their_code_and_lose_their_version() {
        let exception = Exception::from_engine(
            "Code: 73. DB::Exception: Unknown format X. (UNKNOWN_FORMAT) (version 26.7.2.1)",
        );
        assert_eq!(exception.code(), 73);
        assert_eq!(exception.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            exception.body("26.7.2.1"),
            "Code: 73. DB::Exception: Unknown format X. (UNKNOWN_FORMAT) (version 26.7.2.1 (embedded build))\n"
        );
    }

    #[test]
    fn a_text_without_a_code_gets_one() {
        let exception = Exception::from_engine("No active streaming query");
        assert_eq!(
            exception.text(),
            "Code: 1002. DB::Exception: No active streaming query. (UNKNOWN_EXCEPTION)"
        );
        assert_eq!(exception.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
