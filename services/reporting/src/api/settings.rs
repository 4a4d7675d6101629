//! An account's settings.

use super::answer::Json;
use crate::audit;
use crate::auth::{Caller, Segments};
use crate::body;
use crate::problem::Problem;
use crate::state::App;
use axum::body::Body;
use axum::extract::State;
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Scope, Settings};
use tracing::warn;
use utoipa::ToSchema;

/// The settings document. A `PUT` may name any part of it; what it doesn't name stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of `store::Settings` for the OpenAPI document; a test compares them")]
pub(super) struct SettingsDocument {
    /// What reports leave out, unless they are asked otherwise.
    suppress: SuppressDocument,
    /// How many days addresses, agents, headers and servers' texts are kept, 1 to 3650: to the midnight (UTC) before they are over,
    /// of less than seven to the full hour.
    #[schema(minimum = 1, maximum = 3650)]
    evidence_days: u16,
    /// How many days events are kept, from `evidence_days` to 3650; ends as `evidence_days` does.
    #[schema(minimum = 1, maximum = 3650)]
    retention_days: u16,
    /// Where the account's URLs point, such as `https://track.example.org`; null for the server's default.
    tracking_base_url: Option<String>,
    /// Whether mails get a link that no reader can see.
    trap_links: bool,
}

/// Which automated classes are left out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
pub(super) struct SuppressDocument {
    /// Apple Mail Privacy Protection.
    apple: bool,
    /// Gmail's prefetch.
    google: bool,
    /// Mail-security gateways, bursts, fan-out, traps.
    scanners: bool,
    /// Every other automated source.
    other: bool,
}

/// The settings in force. Needs `settings:write` or `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/settings", tag = "account",
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = SettingsDocument), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_settings(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
) -> Result<Json<Settings>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::SettingsWrite, Scope::ReportsRead])?;
    let (settings, _) = app.accounts.settings(entry.account.number).await?;
    Ok(Json(settings))
}

/// Change settings, and get the whole document back. What the body doesn't name stays as it is, so a whole document and a
/// part of one both do what they say; a field that doesn't exist is refused. The next report follows, over all history.
/// Needs `settings:write`.
#[utoipa::path(put, path = "/v1/accounts/{account}/settings", tag = "account", request_body = SettingsDocument,
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = SettingsDocument), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_settings(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    request: Body,
) -> Result<Json<Settings>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::SettingsWrite])?;
    let number = entry.account.number;
    let changes: Map<String, Value> = body::json(request, app.body_limit()).await?;
    // Named, not changed: whoever was told that stored rows did not follow can say the same again.
    let names_days = changes.contains_key("evidence_days") || changes.contains_key("retention_days");
    let change = app.settings_change.lock().await;
    let (before, _) = app.accounts.settings(number).await?;
    let after = merged(&before, changes)?;
    if after != before {
        app.accounts.put_settings(number, after.clone()).await?;
    }
    drop(change);
    if after != before {
        app.refresh().await;
        audit::changed(&app, &caller, number, audit::SETTINGS_PUT, &difference(&before, &after)).await?;
    }
    if names_days && let Err(error) = app.accounts.apply_retention(number, &after).await {
        warn!(account = number.0, %error, "stored rows keep their old retention");
        return Err(Problem::unavailable(
            "the settings are in force, but stored events keep their old days: send the same again",
        ));
    }
    Ok(Json(after))
}

/// The settings with what the changes name put over them.
fn merged(before: &Settings, changes: Map<String, Value>) -> Result<Settings, Problem> {
    let broken = |error: serde_json::Error| Problem::bad_request(format!("the settings are wrong: {error}"));
    let mut document = serde_json::to_value(before).map_err(broken)?;
    for (name, value) in changes {
        let Some(place) = document.get_mut(&name) else {
            return Err(Problem::field(format!("/{name}"), format!("there is no setting `{name}`")));
        };
        match (place, value) {
            (Value::Object(inner), Value::Object(changes)) => {
                for (inner_name, value) in changes {
                    let pointer = format!("/{name}/{inner_name}");
                    let Some(place) = inner.get_mut(&inner_name) else {
                        return Err(Problem::field(
                            pointer,
                            format!("there is no setting `{name}.{inner_name}`"),
                        ));
                    };
                    *place = value;
                }
            }
            (place, value) => *place = value,
        }
        // One by one, so that the error can name the field.
        if let Err(error) = serde_json::from_value::<Settings>(document.clone()) {
            return Err(Problem::field(format!("/{name}"), format!("{name}: {error}")));
        }
    }
    let after: Settings = serde_json::from_value(document).map_err(broken)?;
    after.check().map_err(|fault| Problem::field(format!("/{}", fault.field()), fault.to_string()))?;
    Ok(after)
}

/// What changed, for the audit log: `retention_days 400 -> 30`.
fn difference(before: &Settings, after: &Settings) -> String {
    let document = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (before, after) = (document(before), document(after));
    let names =
        before.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let changed = names.into_iter().filter(|name| before[name] != after[name]);
    changed.map(|name| format!("{name} {} -> {}", before[&name], after[&name])).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use utoipa::PartialSchema as _;

    fn put(changes: Value) -> Result<Settings, String> {
        let Value::Object(changes) = changes else { panic!("a document is an object") };
        merged(&Settings::default(), changes).map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn what_is_not_named_stays() {
        let after = put(json!({"suppress": {"apple": false}, "evidence_days": 7})).unwrap();
        assert!(!after.suppress.apple && after.suppress.google);
        assert_eq!((after.evidence_days, after.retention_days), (7, 400));
        assert_eq!(put(json!({})).unwrap(), Settings::default());
        let whole = serde_json::to_value(Settings::default()).unwrap();
        assert_eq!(put(whole).unwrap(), Settings::default());
        assert_eq!(difference(&Settings::default(), &after).matches(" -> ").count(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (changes, pointer) in [
            (json!({"colour": 1}), "/colour"),
            (json!({"suppress": {"mimecast": true}}), "/suppress/mimecast"),
            (json!({"suppress": {"apple": "yes"}}), "/suppress"),
            (json!({"suppress": true}), "/suppress"),
            (json!({"suppress": null}), "/suppress"),
            (json!({"evidence_days": "30"}), "/evidence_days"),
            (json!({"evidence_days": 0}), "/evidence_days"),
            (json!({"evidence_days": 1e9}), "/evidence_days"),
            (json!({"retention_days": 3}), "/retention_days"),
            (json!({"tracking_base_url": "javascript:alert(1)"}), "/tracking_base_url"),
            (json!({"trap_links": "'; DROP TABLE settings --"}), "/trap_links"),
        ] {
            let error = put(changes).unwrap_err();
            assert!(error.contains(&format!("\"pointer\":\"{pointer}\"")), "{error} does not name {pointer}");
        }
    }

    #[test]
    fn the_documented_shape_is_the_stored_one() {
        let stored = serde_json::to_value(Settings::default()).unwrap();
        for (schema, object) in
            [(SettingsDocument::schema(), &stored), (SuppressDocument::schema(), &stored["suppress"])]
        {
            let schema = serde_json::to_value(schema).unwrap();
            let mut documented: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            let mut real: Vec<_> = object.as_object().unwrap().keys().collect();
            documented.sort();
            real.sort();
            assert_eq!(documented, real);
        }
    }
}
