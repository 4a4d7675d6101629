//! Settings that can't work: each is said in one line, and what can be mended from outside is waited for.

use crate::place::{Place, TURN, engine, engine_at};
use acceptance::{Broker, Stage, wait_until};
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "only-for-tests-1";

/// Whether a stage is not ready, and says why in these words.
async fn says(stage: &Stage, text: &str) -> bool {
    let (status, told) = stage.readiness().await;
    status == 503 && told.contains(text)
}

/// A command that must fail; its one line.
fn refusal(place: &Place, arguments: &[&str]) -> String {
    let output = place.output(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} was taken");
    assert_eq!(said.trim().lines().count(), 1, "one line:\n{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clickhouse_that_is_away_wrong_or_newer_is_waited_for_and_said_once() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::shared() else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker, &engine).with("TRUEOPEN_KAFKA__TOPIC_PREFIX", "refused.");
    place.command(&["migrate"]);
    place.command(&["account", "create", "demo"]);
    engine.stop().await.unwrap();

    // Away at the start: the tracker serves, loader and reporting API are not ready.
    let mut track = place.start("track");
    track.ready().await;
    let (mut load, mut report) = (place.start("load"), place.start("report"));
    wait_until(|| says(&load, "clickhouse is not reachable"), |said| *said).await;
    wait_until(|| says(&report, "accounts and keys were never read from clickhouse"), |said| *said).await;
    let said = refusal(&place, &["migrate"]);
    assert!(said.contains("clickhouse is not reachable"), "{said}");

    // A wrong password, then a schema that a newer program made.
    let address = place.variable("TRUEOPEN_CLICKHOUSE__URL").trim_start_matches("http://").parse().unwrap();
    let engine = engine_at(dir.path(), address).await;
    load.ready().await;
    report.ready().await;
    let count = |log: &str, words: &str| log.lines().filter(|line| line.contains(words)).count();
    // Once a table, and once for the copy of accounts.
    let times = count(&load.log(), "clickhouse does not take rows");
    assert!((1..=2).contains(&times), "{}", load.log());
    for log in [load.log(), report.log()] {
        assert_eq!(count(&log, "accounts and keys can't be refreshed"), 1, "{log}");
    }
    load.stop();
    report.stop();
    let wrong = place.with("TRUEOPEN_CLICKHOUSE__PASSWORD", PASSWORD);
    let said = refusal(&wrong, &["migrate"]);
    assert!(said.contains("clickhouse refused with code"), "{said}");
    let load = wrong.start("load");
    wait_until(|| says(&load, "clickhouse refused with code"), |said| *said).await;
    load.stop();

    let newer = "INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', 'x', now64(3))";
    let asked = reqwest::Client::new().post(engine.url()).basic_auth(engine.user(), Some(engine.password()));
    assert!(asked.body(newer).send().await.unwrap().status().is_success());
    let said = refusal(&place, &["migrate"]);
    assert!(said.contains("schema version 9999") && said.contains("run the newer program"), "{said}");
    let load = place.start("load");
    wait_until(|| says(&load, "schema version 9999"), |said| *said).await;
    // Once a table, and not again at the next try.
    wait_until(|| async { count(&load.log(), "schema version 9999") }, |times| *times == 2).await;
    load.stop();
    track.stop();
    engine.stop().await.unwrap();
}

/// A CA made here and a key store with a certificate of it for 127.0.0.1, and another CA that signed nothing.
struct Certificates<'a>(&'a Path);

impl Certificates<'_> {
    fn keytool(&self, arguments: &[&str]) {
        let output = Command::new("keytool")
            .args(arguments)
            .args(["-storepass", PASSWORD, "-storetype", "PKCS12"])
            .current_dir(self.0)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "keytool {arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    fn make(&self) {
        let pair = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2", "-alias"];
        for ca in ["ca", "other"] {
            let store = format!("{ca}.p12");
            let names = [ca, "-dname", "CN=a test's own", "-ext", "bc:c", "-keystore", &store];
            self.keytool(&[pair.as_slice(), &names].concat());
            let file = format!("{ca}.pem");
            self.keytool(&["-exportcert", "-rfc", "-alias", ca, "-file", &file, "-keystore", &store]);
        }
        let server = ["-alias", "server", "-keystore", "server.p12"];
        let names = ["server", "-dname", "CN=broker", "-keystore", "server.p12"];
        self.keytool(&[pair.as_slice(), &names].concat());
        self.keytool(&[["-certreq", "-file", "server.csr"].as_slice(), &server].concat());
        let sign = [
            "-gencert",
            "-alias",
            "ca",
            "-keystore",
            "ca.p12",
            "-infile",
            "server.csr",
            "-outfile",
            "server.pem",
        ];
        self.keytool(&[sign.as_slice(), &["-rfc", "-ext", "san=ip:127.0.0.1", "-validity", "2"]].concat());
        self.keytool(&[
            "-importcert",
            "-noprompt",
            "-alias",
            "ca",
            "-file",
            "ca.pem",
            "-keystore",
            "server.p12",
        ]);
        self.keytool(&[["-importcert", "-noprompt", "-file", "server.pem"].as_slice(), &server].concat());
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_are_verified_and_a_wrong_password_is_said() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    if acceptance::kafka().is_none() {
        return;
    }
    let certificates = Certificates(dir.path());
    certificates.make();
    let store = certificates.path("server.p12");
    let Some(broker) = Broker::start_secured(&dir.path().join("kafka"), &store, PASSWORD, "trueopen") else {
        return;
    };
    let engine = engine(dir.path()).await;
    let setting = |name: &str| format!("TRUEOPEN_KAFKA__SETTINGS__{name}");
    let secured = Place::new(dir.path(), &broker.secured_address(), &engine)
        .with(&setting("SECURITY_PROTOCOL"), "SASL_SSL")
        .with(&setting("SASL_MECHANISM"), "SCRAM-SHA-512")
        .with(&setting("SASL_USERNAME"), "trueopen");
    let known = secured.with(&setting("SSL_CA_LOCATION"), &certificates.path("ca.pem"));
    let right = known.with(&setting("SASL_PASSWORD"), PASSWORD);

    // Verified by default: against the system's list, and against a CA that signed nothing here.
    for unknown in
        [secured.clone(), secured.with(&setting("SSL_CA_LOCATION"), &certificates.path("other.pem"))]
    {
        let said = refusal(&unknown.with(&setting("SASL_PASSWORD"), PASSWORD), &["migrate"]);
        assert!(said.contains("no kafka broker answers") && said.contains("certificate"), "{said}");
    }
    let wrong = known.with(&setting("SASL_PASSWORD"), "wrong");
    let said = refusal(&wrong, &["migrate"]);
    assert!(said.to_lowercase().contains("authentication failed"), "{said}");
    // The tracker serves all the same; a stage that is nothing without Kafka waits and says why once.
    let mut track = wrong.start("track");
    track.ready().await;
    let pixel = format!("http://{}/o/x.gif", wrong.variable("TRUEOPEN_TRACKER__LISTEN"));
    assert_eq!(reqwest::get(pixel).await.unwrap().status(), 200);
    let classify = wrong.start("classify");
    wait_until(|| says(&classify, "uthentication failed"), |said| *said).await;
    track.stop();
    classify.stop();

    let told = right.command(&["migrate"]);
    assert!(told.contains("made topics") && told.contains("as they have to be"), "{told}");
    let mut classify = right.start("classify");
    classify.ready().await;
    assert!(!classify.log().contains(PASSWORD));
    classify.stop();
    let printed = right.command(&["config"]);
    assert!(printed.contains("sasl.password") && !printed.contains(PASSWORD), "{printed}");
    engine.stop().await.unwrap();
}
