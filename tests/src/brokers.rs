//! Two real brokers and the controller that they need to go on without each other.

use crate::kafka::{end, format, free_ports, kafka, run};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long copies may take to be whole again.
const IN_SYNC: Duration = Duration::from_secs(90);

/// A controller and two brokers, each a process with its data in a folder of its own.
pub struct Brokers {
    dir: PathBuf,
    /// The controller's, then the brokers'.
    ports: [u16; 3],
    running: [Option<Child>; 3],
}

impl Brokers {
    /// Starts them and waits until both take connections. `None` where Kafka can't be had.
    pub fn start(dir: &Path) -> Option<Self> {
        kafka()?;
        let ports = free_ports();
        for (node, port) in ports.iter().enumerate() {
            let folder = dir.join(node.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("server.properties"), properties(&folder, node, *port, ports[0]))
                .unwrap();
            format(&folder, &[]);
        }
        let mut brokers = Self { dir: dir.to_owned(), ports, running: [None, None, None] };
        for (node, (running, port)) in brokers.running.iter_mut().zip(ports).enumerate() {
            *running = Some(run(&dir.join(node.to_string()), port, None));
        }
        Some(brokers)
    }

    /// What a client is told: both.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{},127.0.0.1:{}", self.ports[1], self.ports[2])
    }

    /// Kills a broker, 0 or 1, as a power cut would.
    pub fn kill(&mut self, broker: usize) {
        if let Some(running) = self.running[broker + 1].take() {
            end(running);
        }
    }

    /// Starts it again over its data.
    pub fn restart(&mut self, broker: usize) {
        self.kill(broker);
        let node = broker + 1;
        self.running[node] = Some(run(&self.dir.join(node.to_string()), self.ports[node], None));
    }

    /// Waits until each broker has a copy of every partition, as `kcat` sees it.
    pub fn wait_in_sync(&self) {
        let deadline = Instant::now() + IN_SYNC;
        loop {
            let output = Command::new("kcat").args(["-b", &self.address(), "-L", "-J"]).output().unwrap();
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let topics = told["topics"].as_array().cloned().unwrap_or_default();
            let mut partitions = topics.iter().flat_map(|topic| topic["partitions"].as_array().unwrap());
            let is_whole =
                !topics.is_empty() && partitions.all(|one| one["isrs"].as_array().unwrap().len() == 2);
            if is_whole {
                return;
            }
            assert!(Instant::now() < deadline, "copies are not whole: {told}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        for running in &mut self.running {
            if let Some(running) = running.take() {
                end(running);
            }
        }
    }
}

fn properties(folder: &Path, node: usize, port: u16, controller: u16) -> String {
    let data = folder.join("data");
    let common = format!(
        "node.id={node}\n\
         controller.quorum.voters=0@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n",
        data.display()
    );
    if node == 0 {
        return format!("process.roles=controller\nlisteners=CONTROLLER://127.0.0.1:{port}\n{common}");
    }
    format!(
        "process.roles=broker\n\
         listeners=PLAINTEXT://127.0.0.1:{port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=2\n\
         offsets.topic.num.partitions=3\n\
         transaction.state.log.replication.factor=2\n\
         transaction.state.log.num.partitions=3\n\
         transaction.state.log.min.isr=1\n\
         replica.lag.time.max.ms=3000\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         {common}"
    )
}
