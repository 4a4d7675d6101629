//! What a request asks for, read off its line and headers as a ClickHouse server reads them.

use base64::Engine as _;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::exception::{AUTHENTICATION_FAILED, BAD_ARGUMENTS, Exception, NOT_IMPLEMENTED};

/// Everything but the body.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// The `query` parameter.
    pub(crate) query: String,
    pub(crate) database: Option<String>,
    pub(crate) default_format: Option<String>,
    pub(crate) query_id: Option<String>,
    /// Values for `{name:Type}`.
    pub(crate) parameters: Vec<(String, String)>,
    /// Everything that is nothing else.
    pub(crate) settings: Vec<(String, String)>,
    /// The answer goes out in ClickHouse's blocks.
    pub(crate) compress: bool,
    /// The body comes in ClickHouse's blocks.
    pub(crate) decompress: bool,
    /// The client can read an LZ4 frame.
    pub(crate) takes_lz4: bool,
    /// No byte of the answer goes out before its end is known, as far as memory allows.
    pub(crate) wait_end_of_query: bool,
    /// The method changes nothing.
    pub(crate) read_only: bool,
    user: Option<String>,
    password: Option<String>,
}

impl Wish {
    /// Reads a request's line and headers.
    ///
    /// # Errors
    /// Something is asked for that a server has and this has not.
    pub(crate) fn read(parts: &Parts) -> Result<Self, Exception> {
        let mut wish = Self { read_only: parts.method != Method::POST, ..Self::default() };
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            wish.take(&name, value.into_owned())?;
        }
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        wish.database = header("x-clickhouse-database").or(wish.database);
        wish.default_format = header("x-clickhouse-format").or(wish.default_format);
        wish.takes_lz4 = accepts_lz4(&parts.headers);
        if let Some(encoding) = header(CONTENT_ENCODING.as_str())
            && !encoding.trim().eq_ignore_ascii_case("identity")
        {
            let text = format!(
                "Content-Encoding {encoding} of a request body is not supported by the embedded engine: send it plain, \
                 or in ClickHouse's own blocks with decompress=1"
            );
            return Err(Exception::new(NOT_IMPLEMENTED, text));
        }
        Ok(wish)
    }

    /// Takes a parameter of the request's line, or a field of its form.
    ///
    /// # Errors
    /// See [`Wish::read`].
    pub(crate) fn take(&mut self, name: &str, value: String) -> Result<(), Exception> {
        match name {
            "query" => self.query.push_str(&value),
            "database" => self.database = Some(value),
            "default_format" => self.default_format = Some(value),
            "query_id" => self.query_id = Some(value).filter(|id| !id.is_empty()),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "compress" => self.compress = flag(name, &value)?,
            "decompress" => self.decompress = flag(name, &value)?,
            "wait_end_of_query" => self.wait_end_of_query = flag(name, &value)?,
            // Of no effect here, as they are of none on most servers.
            "quota_key" | "stacktrace" | "buffer_size" | "session_timeout" | "session_check" => {}
            "client_protocol_version" if value == "0" || value.is_empty() => {}
            "session_id" | "role" | "client_protocol_version" => {
                let text = format!(
                    "Parameter {name} is not supported by the embedded engine: every request has a session of its own, \
                     the one user and the plain form of each format"
                );
                return Err(Exception::new(NOT_IMPLEMENTED, text));
            }
            _ => match name.strip_prefix("param_") {
                Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                None => self.settings.push((name.to_owned(), value)),
            },
        }
        Ok(())
    }

    /// Checks who asks. What is compared takes the same time whatever the password given.
    ///
    /// # Errors
    /// Not the user, or not the password; it does not say which.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        user: &str,
        password: &str,
    ) -> Result<(), Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let by_headers = header("x-clickhouse-user").is_some() || header("x-clickhouse-key").is_some();
        let (given_user, given_password) = if by_headers {
            if headers.contains_key(AUTHORIZATION) {
                let text =
                    "X-ClickHouse-User and X-ClickHouse-Key cannot be used together with Authorization";
                return Err(Exception::new(AUTHENTICATION_FAILED, text));
            }
            let user = header("x-clickhouse-user").unwrap_or("default");
            (user.to_owned(), header("x-clickhouse-key").unwrap_or_default().to_owned())
        } else if let Some(authorization) = header(AUTHORIZATION.as_str()) {
            basic(authorization).unwrap_or_default()
        } else {
            let user = self.user.as_deref().unwrap_or("default");
            (user.to_owned(), self.password.clone().unwrap_or_default())
        };
        let same_user = given_user.as_bytes().ct_eq(user.as_bytes());
        let same_password = given_password.as_bytes().ct_eq(password.as_bytes());
        if (same_user & same_password).into() {
            return Ok(());
        }
        let name: String = given_user.chars().filter(|character| !character.is_control()).take(64).collect();
        Err(Exception::new(
            AUTHENTICATION_FAILED,
            format!(
                "{name}: Authentication failed: password is incorrect, or there is no user with such name"
            ),
        ))
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Exception> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err(Exception::new(BAD_ARGUMENTS, format!("Parameter {name} must be 0 or 1"))),
    }
}

/// User and password of a `Basic` authorization.
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Whether `Accept-Encoding` names lz4; the other encodings are a permission that is not made use of.
fn accepts_lz4(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = matches!(quality.trim().strip_prefix("q="), Some("0" | "0.0" | "0.00" | "0.000"));
            name.trim().eq_ignore_ascii_case("lz4") && !refused
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn wish(uri: &str, headers: &[(&str, &str)]) -> (Parts, Result<Wish, Exception>) {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let wish = Wish::read(&parts);
        (parts, wish)
    }

    #[test]
    fn parameters_go_where_they_belong() {
        let (_, wish) = wish(
            "/?query=SELECT+1&database=d&default_format=CSV&param_a=%27x&max_threads=2&compress=1&query_id=q",
            &[("X-ClickHouse-Format", "JSON"), ("Accept-Encoding", "gzip, LZ4;q=0.5")],
        );
        let wish = wish.unwrap();
        assert_eq!((wish.query.as_str(), wish.database.as_deref()), ("SELECT 1", Some("d")));
        assert_eq!(wish.default_format.as_deref(), Some("JSON"));
        assert_eq!(wish.parameters, [("a".to_owned(), "'x".to_owned())]);
        assert_eq!(wish.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert!(wish.compress && wish.takes_lz4 && !wish.decompress && !wish.read_only);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (uri, headers, named) in [
            ("/?session_id=x", [("a", "b")], "session_id"),
            ("/?role=x", [("a", "b")], "role"),
            ("/?compress=maybe", [("a", "b")], "compress"),
            ("/", [("Content-Encoding", "gzip")], "gzip"),
        ] {
            let refused = wish(uri, &headers).1.unwrap_err();
            assert!(refused.text().contains(named), "{}", refused.text());
        }
        assert!(wish("/", &[("Accept-Encoding", "lz4;q=0")]).1.is_ok_and(|wish| !wish.takes_lz4));
    }

    #[test]
    fn every_way_to_sign_in_works_and_only_with_the_password() {
        let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        for (uri, headers, right) in [
            ("/?user=default&password=secret", vec![], true),
            ("/?password=secret", vec![], true),
            (
                "/",
                vec![("X-ClickHouse-User", "default".to_owned()), ("X-ClickHouse-Key", "secret".to_owned())],
                true,
            ),
            ("/", vec![("Authorization", basic("default:secret"))], true),
            ("/", vec![], false),
            ("/?password=", vec![], false),
            ("/?password=secre", vec![], false),
            ("/?password=secrett", vec![], false),
            ("/?user=root&password=secret", vec![], false),
            ("/", vec![("Authorization", basic("default:wrong"))], false),
            ("/?password=secret", vec![("Authorization", "Bearer secret".to_owned())], false),
            ("/?password=secret", vec![("X-ClickHouse-User", "default".to_owned())], false),
        ] {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (parts, wish) = wish(uri, &headers);
            let checked = wish.unwrap().authenticate(&parts.headers, "default", "secret");
            assert_eq!(checked.is_ok(), right, "{uri} {headers:?}");
            if let Err(refused) = checked {
                assert_eq!((refused.code(), refused.status().as_u16()), (516, 403));
            }
        }
    }
}
