//! What a reader sees: the image, the redirect, the pages. None of them says who the reader is.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use http_body_util::Full;
use runtime::server::Response;

/// A transparent GIF of one pixel in 43 bytes.
pub(crate) const PIXEL: [u8; 43] = *b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store, private");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

pub(crate) fn pixel() -> Response {
    let mut response = whole(StatusCode::OK, "image/gif", Bytes::from_static(&PIXEL));
    let shared = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(shared, HeaderValue::from_static("cross-origin"));
    response
}

/// A redirect; `None` when the destination can't stand in a header, which a checked token never holds.
pub(crate) fn redirect(destination: &str) -> Option<Response> {
    let location = HeaderValue::from_str(destination).ok()?;
    let mut response = whole(StatusCode::FOUND, "text/plain; charset=utf-8", Bytes::new());
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

pub(crate) fn not_found() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "This link does not work",
        "<p>It may have been cut on its way. Open the mail again and follow the link from there.</p>",
    )
}

pub(crate) fn taken_down() -> Response {
    page(
        StatusCode::GONE,
        "This link was taken down",
        "<p>The page it led to was reported as harmful. You were not sent there.</p>",
    )
}

/// The answer to the link that no reader can see: it leads nowhere.
pub(crate) fn trap() -> Response {
    page(
        StatusCode::OK,
        "Nothing here",
        "<p>This link has no page of its own. You can close this window.</p>",
    )
}

pub(crate) fn unsubscribe_form() -> Response {
    page(
        StatusCode::OK,
        "Unsubscribe",
        "<p>Stop receiving these mails?</p>\
         <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
         <button type=\"submit\">Unsubscribe</button></form>",
    )
}

pub(crate) fn unsubscribed() -> Response {
    page(StatusCode::OK, "You are unsubscribed", "<p>You can close this window.</p>")
}

pub(crate) fn unsubscribe_unclear() -> Response {
    page(
        StatusCode::BAD_REQUEST,
        "Not unsubscribed",
        "<p>The request did not say List-Unsubscribe=One-Click. Open the link and use its button.</p>",
    )
}

/// An unsubscription that could not be kept: nothing is promised that may not hold.
pub(crate) fn unsubscribe_later() -> Response {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again",
        "<p>Your wish could not be stored just now. Please try again in a minute.</p>",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

pub(crate) fn wrong_method(allowed: &'static str) -> Response {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "Not possible here", "");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(crate) fn robots() -> Response {
    whole(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from_static(b"User-agent: *\nDisallow: /\n"))
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;\
         color:#1d2b36;background:#fff}}h1{{font-size:1.6rem}}button{{font:inherit;padding:.6rem 1.4rem;border:0;\
         border-radius:.4rem;background:#0b5cad;color:#fff;cursor:pointer}}\
         @media(prefers-color-scheme:dark){{body{{color:#e6edf3;background:#11171d}}}}</style></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>\n"
    );
    let mut response = whole(status, "text/html; charset=utf-8", html.into());
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn whole(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = HttpResponse::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_tells_nobody_where_the_reader_came_from() {
        let response = redirect("https://example.com/a").unwrap();
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], "https://example.com/a");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-store, private");
        assert_eq!(response.headers()["x-robots-tag"], "noindex");
        assert!(redirect("https://example.com/\r\nSet-Cookie: a=b").is_none());
    }
}
