//! What is asked about, of what an account has: when its events are, and which campaigns, domains and providers are its
//! largest and smallest. The same data, the same picks.

use super::question::Filter;
use crate::Failure;
use clickhouse::{Client, Row};
use engagement::{AccountNumber, providers};
use serde::Deserialize;

/// An account's own rows, as they are stored.
const ROWS: &str = "(
    SELECT toString(campaign) AS campaign, trim(TRAILING '.' FROM lowerUTF8(toString(recipient_domain))) AS recipient_domain,
        '' AS mx_host, received_at AS at, sipHash64(event_id) AS hash
    FROM events WHERE account = {account: UInt32} AND retention_until > now('UTC')
    UNION ALL
    SELECT toString(campaign), toString(recipient_domain), toString(mx_host), at, sipHash64(event_id)
    FROM deliveries WHERE account = {account: UInt32} AND retention_until > now('UTC'))";
/// How many of the smallest are looked at for one of another provider than the largest's.
const LOOKED_AT: usize = 50;

/// What an account has.
#[derive(Debug, Clone)]
pub(super) struct Picks {
    /// The first of its events, in milliseconds.
    pub(super) first: i64,
    /// The last.
    pub(super) last: i64,
    /// Three of four come after it.
    pub(super) lower: i64,
    /// Three of four come before it.
    pub(super) upper: i64,
    /// Messages to hold reports to: each filter alone, of the largest and of a small one, and together.
    pub(super) filters: Vec<Filter>,
}

#[derive(Row, Deserialize)]
struct Times {
    count: u64,
    first: i64,
    last: i64,
    lower: f64,
    upper: f64,
}

#[derive(Row, Deserialize)]
struct Place {
    campaign: String,
    recipient_domain: String,
    mx_host: String,
}

impl Place {
    fn provider(&self) -> String {
        providers::provider(&self.mx_host, &self.recipient_domain).to_owned()
    }
}

impl Picks {
    /// Those of an account without any rows.
    pub(super) fn nothing(now: i64) -> Self {
        Self { first: now, last: now, lower: now, upper: now, filters: Vec::new() }
    }

    /// Looks at an account's rows; `None` where it has none.
    pub(super) async fn of(client: &Client, account: AccountNumber) -> Result<Option<Self>, Failure> {
        let times = client.query(&format!(
            "SELECT count() AS count, toUnixTimestamp64Milli(min(at)) AS first, toUnixTimestamp64Milli(max(at)) AS last,
                 quantileDeterministic(0.25)(toUnixTimestamp64Milli(at), hash) AS lower,
                 quantileDeterministic(0.75)(toUnixTimestamp64Milli(at), hash) AS upper
             FROM {ROWS}"
        ));
        let times: Times = times.param("account", account.0).fetch_one().await?;
        if times.count == 0 {
            return Ok(None);
        }
        let mut filters = Vec::new();
        let mut alone = |filter: Filter| {
            if filter != Filter::default() && !filters.contains(&filter) {
                filters.push(filter);
            }
        };
        let look = async |group: Group, within: &str, order: Order| {
            places(client, account, group, within, order).await
        };
        let large = look(Group::Campaign, "", Order::Largest).await?;
        let small = look(Group::Campaign, "", Order::Smallest).await?;
        for place in large.iter().take(1).chain(small.iter().take(1)) {
            alone(Filter { campaign: place.campaign.clone(), ..Filter::default() });
        }
        for order in [Order::Largest, Order::Smallest] {
            for place in look(Group::Domain, "", order).await?.into_iter().take(1) {
                alone(Filter { recipient_domain: place.recipient_domain, ..Filter::default() });
            }
        }
        let largest = look(Group::Host, "", Order::Largest).await?.first().map(Place::provider);
        let smallest = look(Group::Host, "", Order::Smallest).await?;
        let other = smallest.iter().map(Place::provider).find(|other| Some(other) != largest.as_ref());
        for mailbox_provider in largest.into_iter().chain(other) {
            alone(Filter { mailbox_provider, ..Filter::default() });
        }
        // Together: what is largest within the largest campaign.
        if let Some(Place { campaign, .. }) = large.first() {
            for place in look(Group::Host, campaign, Order::Largest).await?.into_iter().take(1) {
                let all = Filter {
                    campaign: campaign.clone(),
                    mailbox_provider: place.provider(),
                    recipient_domain: place.recipient_domain,
                };
                alone(Filter { mailbox_provider: String::new(), ..all.clone() });
                alone(Filter { recipient_domain: String::new(), ..all.clone() });
                alone(Filter { campaign: String::new(), ..all.clone() });
                alone(all);
            }
        }
        let [lower, upper] = [times.lower, times.upper].map(|time| time as i64);
        Ok(Some(Self { first: times.first, last: times.last, lower, upper, filters }))
    }
}

/// What places are told apart by.
#[derive(Debug, Clone, Copy)]
enum Group {
    Campaign,
    Domain,
    /// Domain and receiving host, of which a provider follows.
    Host,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Largest,
    Smallest,
}

/// The places with most rows or with fewest, of one campaign or of all.
async fn places(
    client: &Client,
    account: AccountNumber,
    group: Group,
    within: &str,
    order: Order,
) -> Result<Vec<Place>, Failure> {
    let (columns, named) = match group {
        Group::Campaign => ("campaign, '' AS recipient_domain, '' AS mx_host", "campaign"),
        Group::Domain => ("'' AS campaign, recipient_domain, '' AS mx_host", "recipient_domain"),
        Group::Host => ("'' AS campaign, recipient_domain, mx_host", "recipient_domain"),
    };
    let direction = match order {
        Order::Largest => "DESC",
        Order::Smallest => "ASC",
    };
    let query = client.query(&format!(
        "SELECT {columns} FROM (SELECT campaign AS of_campaign, * FROM {ROWS})
         WHERE {named} != '' AND ({{within: String}} = '' OR of_campaign = {{within: String}})
         GROUP BY campaign, recipient_domain, mx_host
         ORDER BY count() {direction}, campaign, recipient_domain, mx_host LIMIT {LOOKED_AT}"
    ));
    Ok(query.param("account", account.0).param("within", within).fetch_all().await?)
}
