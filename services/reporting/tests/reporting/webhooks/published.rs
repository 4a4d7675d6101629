//! Every event that is mapped, by the provider's own published document (`examples/`), through the API.

use super::proof::{PROVIDERS, Proof, all, post, sent};
use super::{alone, events};
use engagement::DeliveryEvent;
use serde_json::Value;

fn examples(provider: &str) -> Vec<Value> {
    let text = match provider {
        "ses" => include_str!("examples/ses.json"),
        "sendgrid" => include_str!("examples/sendgrid.json"),
        "mailgun" => include_str!("examples/mailgun.json"),
        "postmark" => include_str!("examples/postmark.json"),
        _ => include_str!("examples/sparkpost.json"),
    };
    let file: Value = serde_json::from_str(text).unwrap();
    file["examples"].as_array().unwrap().clone()
}

fn said(event: &DeliveryEvent) -> String {
    let words = [Some(event.kind.as_str()), event.bounce_class.as_deref(), event.bounce_reason.as_deref()];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn published_documents_become_what_they_say() {
    let _alone = alone().await;
    let world = all().await;
    let (mut expected, mut wrong) = (Vec::new(), Vec::new());
    for provider in PROVIDERS {
        let examples = examples(provider);
        assert!(!examples.is_empty());
        for example in examples {
            let becomes: Vec<_> =
                example["becomes"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let about = format!("{provider}: {}", example["source"].as_str().unwrap());
            let (status, answer) =
                post(&world, provider, &sent(provider, &example["document"], Proof::Good)).await;
            assert!(status.is_success(), "{about}: {answer}");
            let left = |word: &&&str| !answer["ignored_because"][**word].is_null();
            let ignored = becomes.iter().filter(left).count();
            let told: Vec<_> = becomes.iter().filter(|word| !left(word)).collect();
            if answer["accepted"] != told.len()
                || answer["ignored"] != ignored
                || answer["bad"] != Value::Array(Vec::new())
            {
                wrong.push(format!("{about}: expected {becomes:?}, got {answer}"));
            }
            expected.extend((0..answer["accepted"].as_u64().unwrap()).map(|place| {
                let word = told.get(usize::try_from(place).unwrap());
                (about.clone(), word.map(|word| (**word).to_owned()).unwrap_or_default())
            }));
        }
    }
    let events = events(&world, expected.len()).await;
    for (event, (about, expected)) in events.iter().zip(&expected) {
        if said(event) != *expected {
            wrong.push(format!("{about}: expected {expected}, got {}", said(event)));
        }
        let text = serde_json::to_string(event).unwrap();
        let private =
            ["recipient@", "john@", "alice@", "example@", "noemail@", "Summer", "Test subject", "Full dump"];
        assert!(!private.iter().any(|private| text.contains(private)), "{about}: {text}");
        assert!(!event.recipient_domain.is_empty() || about.contains("no recipient"), "{about}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let kinds: std::collections::BTreeSet<_> =
        expected.iter().map(|(_, said)| said.split(' ').next().unwrap()).collect();
    let every = ["bounced", "complained", "deferred", "delivered", "dropped", "sent", "unsubscribed"];
    assert!(kinds.into_iter().eq(every), "an event that no document stands for");
}
