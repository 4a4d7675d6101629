//! A small made-up sending whose figures can be worked out by hand.
//!
//! The window is 10 March 2026, from midnight (in) to midnight (out). Times below are of that day; `9.` and `11.` are the
//! days around it. Every message is of campaign c1 and domain a.example unless it says otherwise, and every one but m07,
//! m10, m18 and m25 has a `sent` event on the 10th.
//!
//! | message | delivery events | hits |
//! | --- | --- | --- |
//! | m01 | delivered | human open twice, human click |
//! | m02 | delivered | Apple open |
//! | m03 | delivered | Apple open, human click (implies an open) |
//! | m04 | delivered, not tracked | |
//! | m05 | delivered, bounced hard on the 12. | |
//! | m06 | deferred twice, delivered | |
//! | m07 | none, token says sent 08:59 | Barracuda click, Yahoo open (unknown) |
//! | m08 | sent 9. 23:59:59.999, delivered at `from` | human open at `to` |
//! | m09 | bounced soft, then hard | |
//! | m10 | dropped | |
//! | m11 | delivered, complained, unsubscribed | |
//! | m12 | delivered | unsubscribe: GET by Safe Links, POST in a burst |
//! | m13 | delivered | unsubscribe: GET and HEAD; trap link followed |
//! | m14 | delivered | click: revision 1 human, 2 a burst |
//! | m15 | delivered | open: revision 1 unknown, 2 human; its token says campaign `wrong` |
//! | m16 | bounced soft, then delivered | |
//! | m17 | delivered and bounced block at one moment | |
//! | m18 | bounced, class unheard of; no `sent` | |
//! | m19 | delivered | Google prefetch open |
//! | m20 | delivered; c2, b.example | click by a library |
//! | m21 | delivered | Apple open, bare WebKit open (unknown) |
//! | m22 | delivered | Apple open, Barracuda open |
//! | m23 | delivered; events say neither campaign nor domain | human open; token says c2, B.Example. |
//! | m24 | sent 23:00, delivered 11. | human open 11. |
//! | m25 | sent and delivered 5. | human open |
//! | m26 | delivered | Apple open 11. |
//! | m27 | delivered | open by an automated source that `sources` does not list |
//! | m28 | delivered | unknown click |

use crate::facts::{Delivery, Hit, insert_deliveries, insert_hits, millis};
use crate::world::{DEMO, World};
use uuid::Uuid;

#[derive(Default, Clone)]
pub(crate) struct Seed {
    pub(crate) hits: Vec<Hit>,
    pub(crate) deliveries: Vec<Delivery>,
}

impl Seed {
    pub(crate) fn delivery(&mut self, message: &str, kind: &'static str, time: &str) -> &mut Delivery {
        let at = at(time);
        self.deliveries.push(Delivery {
            message_id: message.to_owned(),
            event_id: format!("d{}", self.deliveries.len()),
            kind,
            at,
            received_at: at + 1000,
            campaign: "c1".to_owned(),
            recipient_domain: "a.example".to_owned(),
            tracked: true,
            bounce_class: "",
            bounce_reason: "",
            mx_host: "mx.example",
        });
        self.deliveries.last_mut().unwrap()
    }

    pub(crate) fn bounced(&mut self, message: &str, class: &'static str, time: &str) {
        self.delivery(message, "bounced", time).bounce_class = class;
    }

    pub(crate) fn hit(
        &mut self,
        message: &str,
        kind: &'static str,
        who: (&'static str, &str),
        time: &str,
    ) -> &mut Hit {
        self.hits.push(Hit {
            event_id: Uuid::from_u128(self.hits.len() as u128 + 1),
            revision: 1,
            kind,
            at: at(time),
            message_id: message.to_owned(),
            campaign: "c1".to_owned(),
            recipient_domain: "a.example".to_owned(),
            sent_at: at("08:59:00"),
            method: "GET",
            actor: who.0,
            source: who.1.to_owned(),
            client: "",
            link: (None, ""),
        });
        self.hits.last_mut().unwrap()
    }

    /// The last hit judged again.
    pub(crate) fn corrected(&mut self, who: (&'static str, &str)) {
        let last = self.hits.last().unwrap().clone();
        self.hits.push(Hit { revision: last.revision + 1, actor: who.0, source: who.1.to_owned(), ..last });
    }

    pub(crate) async fn insert(&self, world: &World) {
        let client = world.connection.client();
        insert_hits(&client, DEMO, &self.hits).await;
        insert_deliveries(&client, DEMO, &self.deliveries).await;
    }
}

/// `09:00:00` of the 10th, or `11. 09:00:00`.
pub(crate) fn at(time: &str) -> i64 {
    let (day, time) = time.split_once(". ").unwrap_or(("10", time));
    millis(&format!("2026-03-{day:0>2}T{time}Z"))
}

pub(crate) fn seed() -> Seed {
    let mut seed = Seed::default();
    for number in 1..=28 {
        if ![7, 8, 10, 18, 24, 25].contains(&number) {
            seed.delivery(&format!("m{number:02}"), "sent", "06:59:00");
        }
    }
    for number in [1, 2, 3, 5, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 26, 27, 28] {
        seed.delivery(&format!("m{number:02}"), "delivered", "09:01:00");
    }
    seed.hit("m01", "open", ("human", "chrome"), "10:00:00").client = "Chrome";
    seed.hit("m01", "open", ("human", "chrome"), "10:01:00").client = "Chrome";
    seed.hit("m01", "click", ("human", "chrome"), "10:05:00").client = "Chrome";
    seed.hit("m02", "open", ("automated", "apple_mpp"), "09:02:00");
    seed.hit("m03", "open", ("automated", "apple_mpp"), "09:02:00");
    seed.hit("m03", "click", ("human", "safari"), "10:00:00").client = "Safari";
    seed.delivery("m04", "delivered", "09:01:00").tracked = false;
    seed.bounced("m05", "hard", "12. 09:00:00");
    seed.delivery("m06", "deferred", "09:01:00");
    seed.delivery("m06", "deferred", "09:30:00");
    seed.delivery("m06", "delivered", "10:00:00");
    seed.hit("m07", "click", ("automated", "barracuda"), "09:05:00");
    seed.hit("m07", "open", ("unknown", "yahoo_proxy"), "09:06:00");
    seed.delivery("m08", "sent", "9. 23:59:59.999");
    seed.delivery("m08", "delivered", "00:00:00.000");
    seed.hit("m08", "open", ("human", "chrome"), "11. 00:00:00.000").sent_at = at("9. 23:59:59");
    seed.bounced("m09", "soft", "09:10:00");
    seed.bounced("m09", "hard", "09:20:00");
    seed.delivery("m10", "dropped", "09:00:00");
    seed.delivery("m11", "complained", "12:00:00");
    seed.delivery("m11", "unsubscribed", "12:01:00");
    seed.hit("m12", "unsubscribe", ("automated", "microsoft_safelinks"), "10:00:00");
    seed.hit("m12", "unsubscribe", ("automated", "scanner_burst"), "10:02:00").method = "POST";
    seed.hit("m13", "unsubscribe", ("human", "chrome"), "10:00:00");
    seed.hit("m13", "unsubscribe", ("automated", "head_request"), "10:01:00").method = "HEAD";
    seed.hit("m13", "trap", ("automated", "scanner_trap"), "10:02:00");
    seed.hit("m14", "click", ("human", "chrome"), "09:05:00");
    seed.corrected(("automated", "scanner_burst"));
    seed.hit("m15", "open", ("unknown", "generic_client"), "09:05:00").campaign = "wrong".to_owned();
    seed.corrected(("human", "outlook"));
    seed.bounced("m16", "soft", "07:00:00");
    seed.delivery("m16", "delivered", "08:00:00");
    seed.delivery("m17", "delivered", "09:00:00");
    seed.bounced("m17", "block", "09:00:00");
    seed.bounced("m18", "strange", "09:00:00");
    seed.hit("m19", "open", ("automated", "google_prefetch"), "09:02:00");
    seed.hit("m20", "click", ("automated", "http_library"), "09:02:00");
    seed.hit("m21", "open", ("automated", "apple_mpp"), "09:02:00");
    seed.hit("m21", "open", ("unknown", "webkit_bare"), "09:03:00");
    seed.hit("m22", "open", ("automated", "apple_mpp"), "09:02:00");
    seed.hit("m22", "open", ("automated", "barracuda"), "09:03:00");
    seed.hit("m23", "open", ("human", "thunderbird"), "09:40:00").recipient_domain = "B.Example.".to_owned();
    seed.hits.last_mut().unwrap().campaign = "c2".to_owned();
    seed.delivery("m24", "sent", "23:00:00");
    seed.delivery("m24", "delivered", "11. 08:00:00");
    seed.hit("m24", "open", ("human", "outlook"), "11. 09:00:00");
    seed.delivery("m25", "sent", "5. 09:00:00");
    seed.delivery("m25", "delivered", "5. 09:00:00");
    seed.hit("m25", "open", ("human", "apple_mail"), "09:00:00").sent_at = at("5. 09:00:00");
    seed.hit("m26", "open", ("automated", "apple_mpp"), "11. 00:01:00");
    seed.hit("m27", "open", ("automated", "brand_new_bot"), "09:02:00");
    seed.hit("m28", "click", ("unknown", "generic_client"), "09:02:00");
    for delivery in &mut seed.deliveries {
        let (campaign, domain) = match delivery.message_id.as_str() {
            "m20" => ("c2", "b.example"),
            "m23" => ("", ""),
            _ => continue,
        };
        (delivery.campaign, delivery.recipient_domain) = (campaign.to_owned(), domain.to_owned());
    }
    for hit in &mut seed.hits {
        if hit.message_id == "m20" {
            (hit.campaign, hit.recipient_domain) = ("c2".to_owned(), "b.example".to_owned());
        }
    }
    seed
}
