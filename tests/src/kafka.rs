//! A real Kafka broker for tests: a KRaft broker from Maven Central on free ports, with its data in a folder of its own.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a broker may take to take connections.
const START: Duration = Duration::from_secs(120);

/// The folder of Kafka's jars, fetched once into the cache folder; `None` where it can't be had. Each call that says so
/// prints one line and counts a skipped test; in CI it fails instead.
pub fn kafka() -> Option<&'static Path> {
    static JARS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let jars = JARS.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/fetch.sh");
        let output = Command::new(script).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        if output.status.success() {
            Ok(PathBuf::from(text(output.stdout)))
        } else {
            Err(text(output.stderr))
        }
    });
    match jars {
        Ok(jars) => Some(jars),
        Err(reason) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "a test that needs Kafka can't be skipped in CI: {reason}"
            );
            let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
            // Written past the capture of test output, which would hide it.
            let _ = writeln!(std::io::stderr(), "skipped, {count} so far: {reason}");
            None
        }
    }
}

/// Whether `kcat` is there; where it is not, that is said, and in CI it fails.
pub fn kcat() -> bool {
    let found = Command::new("kcat").arg("-V").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "kcat is missing (Debian: apt-get install kcat)");
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: kcat is missing (Debian: apt-get install kcat)");
    }
    found
}

/// Every record of a topic as another client than ours sees it, a line each; `None` without `kcat`.
pub fn kcat_lines(address: &str, topic: &str) -> Option<Vec<String>> {
    if !kcat() {
        return None;
    }
    let read = ["-C", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed"];
    let output = Command::new("kcat").args(["-b", address, "-t", topic]).args(read).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// One broker. It ends when this is dropped, and when the process that started it ends however it ends.
pub struct Broker {
    dir: PathBuf,
    ports: [u16; 3],
    /// A folder to remove when the broker ends.
    remove: Option<PathBuf>,
    running: Option<Child>,
}

impl Broker {
    /// Starts a new broker whose data lies in a folder, and waits until it takes connections. `None` where Kafka can't
    /// be had.
    pub fn start(dir: &Path) -> Option<Self> {
        Self::start_in(dir, None, None)
    }

    /// The same with a second listener, of TLS by this PKCS12 key store and SCRAM for one user; both have one password.
    pub fn start_secured(dir: &Path, key_store: &str, password: &str, user: &str) -> Option<Self> {
        Self::start_in(dir, None, Some(&Secured { key_store, password, user }))
    }

    fn start_in(dir: &Path, remove: Option<&Path>, secured: Option<&Secured<'_>>) -> Option<Self> {
        kafka()?;
        let ports = free_ports();
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("server.properties"), properties(dir, ports, secured)).unwrap();
        let scram = secured.map(|Secured { password, user, .. }| {
            ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={user},password={password}]")]
        });
        format(dir, scram.as_ref().map_or(&[][..], |scram| &scram[..]));
        let mut broker =
            Self { dir: dir.to_owned(), ports, remove: remove.map(Path::to_owned), running: None };
        broker.restart();
        Some(broker)
    }

    /// The address of one broker for all tests of this process, which ends, with its data, when the process does.
    pub fn shared() -> Option<String> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        let start = || {
            // Nothing is dropped at the end of a process, so the shell around the broker takes the folder away.
            let dir = tempfile::tempdir().unwrap().keep();
            Self::start_in(&dir, Some(&dir), None)
        };
        SHARED.get_or_init(start).as_ref().map(Self::address)
    }

    /// Changes a setting of a topic with Kafka's own tool.
    pub fn alter_topic(address: &str, topic: &str, setting: &str) {
        let jars = kafka().expect("it was there when the broker started");
        let output = java(jars)
            .args([
                "kafka.admin.ConfigCommand",
                "--bootstrap-server",
                address,
                "--alter",
                "--entity-type",
                "topics",
            ])
            .args(["--entity-name", topic, "--add-config", setting])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// What a client is told: host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The id of the shell around its process.
    pub fn id(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// What a client of the secured listener is told.
    pub fn secured_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// Kills it, as a power cut would. Its data stays.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            end(running);
        }
    }

    /// Starts it again over the same data and ports.
    pub fn restart(&mut self) {
        self.kill();
        self.running = Some(run(&self.dir, self.ports[0], self.remove.as_deref()));
    }
}

/// Runs a node whose `server.properties` lie in a folder, until its port takes connections.
pub(crate) fn run(dir: &Path, port: u16, remove: Option<&Path>) -> Child {
    let jars = kafka().expect("it was there at the first start");
    let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let around = "\"$@\" </dev/null & broker=$!; read -r end; kill -9 $broker; wait $broker 2>/dev/null; \
                  [ -z \"$REMOVE\" ] || rm -rf \"$REMOVE\"";
    let java = java(jars);
    let mut running = Command::new("sh")
        .args(["-c", around, "sh"])
        .arg(java.get_program())
        .args(java.get_args())
        .arg("kafka.Kafka")
        .arg(dir.join("server.properties"))
        .env("REMOVE", remove.unwrap_or(Path::new("")))
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + START;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            drop(running.stdin.take());
            let _ = running.wait();
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            panic!("the broker did not start; its log:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

/// Kills a node: the shell around it waits on its input, kills the broker when that ends, and waits for it.
pub(crate) fn end(mut running: Child) {
    drop(running.stdin.take());
    running.wait().unwrap();
}

/// Formats the data folder of the node whose `server.properties` lie in a folder.
pub(crate) fn format(dir: &Path, more: &[String]) {
    let jars = kafka().expect("asked before");
    let formatted = java(jars)
        .args(["kafka.tools.StorageTool", "format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAA", "--config"])
        .arg(dir.join("server.properties"))
        .args(more)
        .output()
        .unwrap();
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn java(jars: &Path) -> Command {
    let mut java = Command::new("java");
    // Small and quick to start: these brokers hold a few megabytes for a few seconds.
    java.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(jars.join("*"));
    java
}

/// A listener of TLS and SCRAM.
struct Secured<'a> {
    key_store: &'a str,
    password: &'a str,
    user: &'a str,
}

impl Secured<'_> {
    fn properties(&self) -> String {
        let Self { key_store, password, .. } = self;
        format!(
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             ssl.keystore.type=PKCS12\n\
             ssl.keystore.location={key_store}\n\
             ssl.keystore.password={password}\n\
             ssl.key.password={password}\n"
        )
    }
}

fn properties(dir: &Path, [broker, controller, port]: [u16; 3], secured: Option<&Secured<'_>>) -> String {
    let data = dir.join("data");
    let listener = if secured.is_some() { format!(",SASL_SSL://127.0.0.1:{port}") } else { String::new() };
    let more = secured.map(Secured::properties).unwrap_or_default();
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}{listener}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}{listener}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n{more}",
        data.display()
    )
}

/// Three ports that nobody uses now.
pub(crate) fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
