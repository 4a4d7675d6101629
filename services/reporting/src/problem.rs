//! What a client sees when something is wrong: problem documents (RFC 9457). They hold nothing of what is behind the
//! API; what a person at the server needs to know goes to the log where the problem is made.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use store::{AccountsError, DatabaseError, ErrorClass};
use tracing::{error, warn};

/// A problem document.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// Which problem, as a stable name: `urn:trueopen:problem:…`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// The same in words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
    /// Each thing that is wrong, where there is more to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    header: Extra,
}

/// The header that some problems come with.
#[derive(Debug, Clone, Default)]
enum Extra {
    #[default]
    None,
    RetryAfter,
    Challenge(Cow<'static, str>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Fault {
    /// What is wrong.
    detail: String,
    /// Which query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// Which place in the body, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
}

/// Seconds after which to try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// The most characters of a stranger's text that an answer repeats.
const ECHOED: usize = 64;

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (detail, errors) = (detail.into(), Vec::new());
        Self { kind, title, status: status.as_u16(), detail, errors, header: Extra::None }
    }

    /// Whether it has this status.
    pub(crate) fn is(&self, status: StatusCode) -> bool {
        self.status == status.as_u16()
    }

    /// 400: the request is wrong as a whole.
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "urn:trueopen:problem:bad-request", "The request is wrong", detail)
    }

    /// 400: a query parameter is wrong. Its name may be a stranger's.
    pub(crate) fn parameter(name: &str, detail: &str) -> Self {
        let name: String = name.chars().take(ECHOED).collect();
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "urn:trueopen:problem:bad-parameter",
            "A query parameter is wrong",
            format!("{name}: {detail}"),
        );
        problem.errors.push(Fault { detail: detail.to_owned(), parameter: Some(name), pointer: None });
        problem
    }

    /// 400: a place in the body is wrong.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let mut problem = Self::bad_request(detail.clone());
        problem.errors.push(Fault { detail, parameter: None, pointer: Some(pointer) });
        problem
    }

    /// 401: no key, or none that is known.
    pub(crate) fn unauthorized(given: bool) -> Self {
        let (detail, challenge) = if given {
            ("this key is unknown or revoked", r#"Bearer realm="trueopen", error="invalid_token""#)
        } else {
            ("give a key: `Authorization: Bearer KEY`", r#"Bearer realm="trueopen""#)
        };
        let kind = "urn:trueopen:problem:unauthorized";
        let problem = Self::new(StatusCode::UNAUTHORIZED, kind, "A valid key is needed", detail);
        Self { header: Extra::Challenge(challenge.into()), ..problem }
    }

    /// 403: the key lacks a scope.
    pub(crate) fn scope(needed: &str) -> Self {
        let problem = Self::new(
            StatusCode::FORBIDDEN,
            "urn:trueopen:problem:missing-scope",
            "The key may not do this",
            format!("this needs a key with the scope {needed}"),
        );
        let challenge = format!(r#"Bearer realm="trueopen", error="insufficient_scope", scope="{needed}""#);
        Self { header: Extra::Challenge(challenge.into()), ..problem }
    }

    /// 401: a webhook without a proof that holds, or for nobody. It does not say which.
    pub(crate) fn unproven() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:trueopen:problem:unproven",
            "Nothing proves where this comes from",
            "the account does not take this provider's webhooks, or the signature or password is wrong or too old",
        )
    }

    /// 404: the same for an account that is not there and for one that is another's.
    pub(crate) fn no_account() -> Self {
        Self::not_found("there is no such account for this key")
    }

    /// 404 for anything else.
    pub(crate) fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "urn:trueopen:problem:not-found", "There is no such thing", detail)
    }

    /// 405.
    pub(crate) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:trueopen:problem:method-not-allowed",
            "The method does not exist here",
            "this URL has other methods; see /openapi.json",
        )
    }

    /// 409.
    pub(crate) fn conflict(detail: String) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "urn:trueopen:problem:conflict",
            "Something else is in the way",
            detail,
        )
    }

    /// 413.
    pub(crate) fn too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:trueopen:problem:too-large",
            "The body is too large",
            format!("{most} bytes at most; nothing of it was taken"),
        )
    }

    /// 503, to be tried again.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        let kind = "urn:trueopen:problem:unavailable";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, "Try again later", detail);
        Self { header: Extra::RetryAfter, ..problem }
    }

    /// 500: a defect of ours. The log says which.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:trueopen:problem:internal",
            "Something broke on our side",
            "the server's log says what",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match &self.header {
            Extra::None => {}
            Extra::RetryAfter => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            Extra::Challenge(text) => {
                if let Ok(value) = HeaderValue::from_str(text) {
                    headers.insert(header::WWW_AUTHENTICATE, value);
                }
            }
        }
        response
    }
}

/// ClickHouse's `TIMEOUT_EXCEEDED` and `MEMORY_LIMIT_EXCEEDED`.
const TOO_MUCH: [u32; 2] = [159, 241];

impl From<DatabaseError> for Problem {
    fn from(cause: DatabaseError) -> Self {
        // `cause` shows code and name only, never a value.
        match cause.class() {
            ErrorClass::Transient if cause.code().is_some_and(|code| TOO_MUCH.contains(&code)) => {
                warn!(error = %cause, "a question asked too much of the database (trueopen_loader_rollup_waiting_messages says how \
                    many messages are counted one by one)");
                Self::unavailable(
                    "this asks more of the database than one question may: ask for a shorter window, or again when what came in \
                     large numbers just now has been added up",
                )
            }
            ErrorClass::Transient => {
                warn!(error = %cause, "the database gave no answer");
                Self::unavailable("the database is not available")
            }
            ErrorClass::Misconfigured => {
                error!(error = %cause, "the database refuses this program");
                Self::unavailable("the database is not available")
            }
            ErrorClass::Poison => {
                error!(error = %cause, "the database refused a value");
                Self::internal()
            }
        }
    }
}

impl From<clickhouse::error::Error> for Problem {
    fn from(cause: clickhouse::error::Error) -> Self {
        DatabaseError::from(cause).into()
    }
}

impl From<AccountsError> for Problem {
    fn from(cause: AccountsError) -> Self {
        match cause {
            AccountsError::Exists(_) | AccountsError::HostTaken(_) => Self::conflict(cause.to_string()),
            AccountsError::NoAccount(_) => Self::no_account(),
            AccountsError::Settings(fault) => Self::field(format!("/{}", fault.field()), fault.to_string()),
            AccountsError::Label(_) => Self::field("/label", cause.to_string()),
            AccountsError::NoScope => Self::field("/scopes", cause.to_string()),
            AccountsError::Lock(_) => Self::unavailable("another change of accounts is under way"),
            AccountsError::Database(cause) => cause.into(),
            AccountsError::NoRandom | AccountsError::Full | AccountsError::Foreign { .. } => {
                error!(error = %cause, "accounts can't be read or written");
                Self::internal()
            }
        }
    }
}
