//! A page of an export costs the same wherever it is: the engine begins behind its cursor.

use crate::world::World;

/// Of how many granules the engine reads how many for a page of a view, by its own plan.
async fn granules(world: &World, page: &str) -> (u64, u64) {
    let query = format!("EXPLAIN indexes = 1 SELECT * FROM {page} LIMIT 1000");
    let plan = world.connection.client().query(&query).fetch_all::<String>().await.unwrap();
    // The primary key is asked last.
    let line = plan.iter().rev().find(|line| line.contains("Granules: ") && line.contains('/')).unwrap();
    let (read, all) = line.rsplit(' ').next().unwrap().split_once('/').unwrap();
    (read.parse().unwrap(), all.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_page_reads_nothing_of_what_stands_before_it() {
    let world = World::new().await;
    let forever = "toDateTime('2100-01-01 00:00:00', 'UTC')";
    let client = world.connection.client();
    // One day of one account.
    for insert in [
        format!(
            "INSERT INTO events (account, event_id, revision, kind, received_at, message_id, sent_at, method, actor, source, confidence,
                 evidence_until, retention_until)
             SELECT 1, generateUUIDv4(), 1, 'open', toDateTime64('2026-03-10 09:00:00', 3, 'UTC') + number % 3600,
                 leftPad(toString(number), 8, '0'), toDateTime64('2026-03-10 08:00:00', 3, 'UTC'), 'GET', 'human', 'chrome', 0.5, {forever}, {forever}
             FROM numbers(200000)"
        ),
        format!(
            "INSERT INTO deliveries (account, message_id, event_id, type, at, received_at, tracked, evidence_until, retention_until)
             SELECT 1, leftPad(toString(number), 8, '0'), toString(number), 'sent', toDateTime64('2026-03-10 09:00:00', 3, 'UTC'),
                 toDateTime64('2026-03-10 09:00:00', 3, 'UTC'), true, {forever}, {forever}
             FROM numbers(200000)"
        ),
    ] {
        client.query(&insert).execute().await.unwrap();
    }
    let window = "account = 1, from_ms = 1773100800000, to_ms = 1773187200000";
    let nil = "00000000-0000-0000-0000-000000000000";
    let hits = |after: &str| {
        format!("export_hits({window}, after_day = 20522, after_message = '{after}', after_event = '{nil}')")
    };
    let deliveries =
        |after: &str| format!("export_deliveries({window}, after_message = '{after}', after_event = '')");
    for page in [&hits as &dyn Fn(&str) -> String, &deliveries] {
        let (read, all) = granules(&world, &page("00000000")).await;
        assert!(read == all && all >= 20, "{read} of {all}");
        let (read, all) = granules(&world, &page("00175000")).await;
        assert!(read * 4 < all, "{read} of {all}");
    }
}
