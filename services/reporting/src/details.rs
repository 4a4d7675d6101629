//! The reports behind the dashboards' details: who came and when, what was judged again, why mail was refused, how long it
//! took. Each is one view and the shape of its rows; what the figures mean stands in `metrics.md`.

use crate::compare::{Paired, Pairs, by_group};
use crate::problem::Problem;
use crate::query::bound;
use crate::window::Window;
use clickhouse::{Client, RowOwned, RowRead};
use engagement::AccountNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of row, and what asks for it.
pub(crate) trait Detail: RowOwned + RowRead + Serialize + Send + Sync + Paired {
    /// The view that knows them; its text stands in place of its name, see [`crate::query`].
    const VIEW: &'static str;
    /// Its columns, where they are not the row's fields.
    const COLUMNS: &'static str = "?fields";
    /// In which order.
    const ORDER: &'static str;
}

/// The columns that make a row's group.
macro_rules! paired {
    ($row:ident by $($column:ident),+) => {
        impl Paired for $row {
            fn pairs(now: &[Self], before: &[Self]) -> Pairs {
                by_group(now, before, |row| ($(&row.$column,)+))
            }
        }
    };
}

paired!(MachineRow by source, recipient_domain);
paired!(AfterDeliveryRow by from_seconds);
paired!(CorrectionRow by first_actor, first_source, actor, source);
paired!(HourRow by weekday, hour);
paired!(RefusalRow by bounce_class, bounce_reason, enhanced_code, smtp_code);
paired!(DeliveryTimeRow by from_seconds);

/// The rows of a report; one more than `most` where there are more. `more` are the report's own parameters.
pub(crate) async fn rows<T: Detail>(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    more: &[(&str, &str)],
    most: u32,
) -> Result<Vec<T>, Problem> {
    let statement = format!(
        "SELECT {} FROM ({}) ORDER BY {} LIMIT {{most: UInt64}}",
        T::COLUMNS,
        store::migrate::view(T::VIEW),
        T::ORDER
    );
    let query = bound(client.query(&statement), account, window, &[]);
    let query = more.iter().fold(query, |query, (name, value)| query.param(name, value));
    Ok(query.param("most", u64::from(most) + 1).fetch_all().await?)
}

/// The hits of machines: of all, of each, of each domain, or of each pair.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct MachineRow {
    /// The automated source; empty where it is not grouped by.
    source: String,
    /// The domain of the recipients; empty where it is not grouped by, and for messages without one.
    recipient_domain: String,
    /// The suppression class of the source: apple, google, scanners or other; empty where source is not grouped by.
    class: String,
    /// Requests of every kind.
    hits: u64,
    /// Loads of the pixel.
    opens: u64,
    /// Followed links.
    clicks: u64,
    /// Followed links that no reader can see.
    traps: u64,
    /// Messages that were looked at.
    messages: u64,
    /// How many sources there are in the group.
    sources: u64,
    /// How many domains there are in the group.
    recipient_domains: u64,
    /// How many domains there are whose mail a gateway looked at.
    scanned_domains: u64,
    /// The median of the seconds from delivery to the hit.
    seconds_after_median: f64,
}

impl Detail for MachineRow {
    const VIEW: &'static str = "report_machine_groups";
    const ORDER: &'static str = "hits DESC, source, recipient_domain";
}

/// Hits of every kind in a span of time after delivery.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct AfterDeliveryRow {
    /// Where the span begins, in seconds: 0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400 or 604800. It ends where the
    /// next one of these begins.
    from_seconds: u32,
    /// By gateways and what clicks like them.
    scanners: u64,
    /// By Apple's prefetch.
    apple: u64,
    /// By Google's prefetch.
    google: u64,
    /// By other machines.
    other: u64,
    /// By nobody knows whom.
    unknown: u64,
    /// By people.
    human: u64,
}

impl Detail for AfterDeliveryRow {
    const VIEW: &'static str = "report_after_delivery";
    const COLUMNS: &'static str = "toUInt32(from_seconds) AS from_seconds, scanners, apple, google, other, of_unknown AS unknown, human";
    const ORDER: &'static str = "from_seconds";
}

/// Hits whose verdict was revised, by what was said first and what is said now.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct CorrectionRow {
    /// Who was said to have made them first: human, automated or unknown.
    first_actor: String,
    /// The source that was named first.
    first_source: String,
    /// Who is said to have made them now.
    actor: String,
    /// The source that is named now.
    source: String,
    /// How many hits. Where who and source stayed, reasons were added.
    hits: u64,
}

impl Detail for CorrectionRow {
    const VIEW: &'static str = "report_corrections";
    const ORDER: &'static str =
        "first_actor != actor DESC, hits DESC, first_actor, first_source, actor, source";
}

/// Opens and clicks in one hour of the week.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct HourRow {
    /// The day of the week, Monday as 1.
    weekday: u8,
    /// The hour of the day, from 0.
    hour: u8,
    /// By people.
    human: u64,
    /// By machines.
    automated: u64,
    /// By nobody knows whom.
    unknown: u64,
}

impl Detail for HourRow {
    const VIEW: &'static str = "report_hours";
    const COLUMNS: &'static str = "weekday, hour, human, automated, of_unknown AS unknown";
    const ORDER: &'static str = "weekday, hour";
}

/// Messages that were refused for good, by each one's last refusal.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct RefusalRow {
    /// hard, soft, block or undetermined.
    bounce_class: String,
    /// The finer reason.
    bounce_reason: String,
    /// The enhanced code, such as 5.1.1; empty where none was told.
    enhanced_code: String,
    /// The SMTP code; 0 where none was told.
    smtp_code: u16,
    /// How many messages.
    messages: u64,
    /// Of how many domains.
    recipient_domains: u64,
}

impl Detail for RefusalRow {
    const VIEW: &'static str = "report_refusals";
    const ORDER: &'static str = "messages DESC, bounce_class, bounce_reason, enhanced_code, smtp_code";
}

/// Messages by how long they took from sent to delivered.
#[derive(Debug, Clone, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryTimeRow {
    /// Where the span begins, in seconds: 0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400 or 604800. It ends where the
    /// next one of these begins.
    from_seconds: u32,
    /// How many messages.
    messages: u64,
}

impl Detail for DeliveryTimeRow {
    const VIEW: &'static str = "report_delivery_spans";
    const COLUMNS: &'static str = "toUInt32(from_seconds) AS from_seconds, messages";
    const ORDER: &'static str = "from_seconds";
}
