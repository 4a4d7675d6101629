//! The life of a process: stages that start together, stop in order, and fail it when one ends by itself.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info, warn};

/// Tells a stage to stop. Cloning shares the same request.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks every [`Shutdown`] that came from it to stop. Dropping it asks too: nothing outlives its owner.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// A trigger and its first handle.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Ends when stopping was asked for.
    pub async fn requested(mut self) {
        // An error means that the trigger is gone, which asks as well.
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Why a process failed.
#[derive(Debug, thiserror::Error)]
pub enum StageFailed {
    /// A stage ended with an error, or without having been asked to.
    #[error("{stage} ended: {reason}")]
    Ended {
        /// The stage's name.
        stage: &'static str,
        /// Its error, or that it ended by itself.
        reason: String,
    },
    /// A stage did not stop within its deadline.
    #[error("{stage} did not stop within {seconds} s")]
    Late {
        /// The stage's name.
        stage: &'static str,
        /// The deadline.
        seconds: u64,
    },
}

struct Running {
    name: &'static str,
    trigger: Trigger,
    id: tokio::task::Id,
}

/// Stages in the order in which they stop.
#[derive(Default)]
pub struct Stages {
    running: Vec<Running>,
    tasks: JoinSet<Result<(), String>>,
}

impl Stages {
    /// No stages yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a stage. Stages stop in the order in which they were started here: sources first, sinks last.
    pub fn start<F, E>(&mut self, name: &'static str, stage: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (trigger, shutdown) = Trigger::new();
        let work = stage(shutdown);
        let handle = self.tasks.spawn(async move { work.await.map_err(|e| e.to_string()) });
        self.running.push(Running { name, trigger, id: handle.id() });
    }

    /// Runs until `stop` ends or a stage does, then stops the rest in order, each within `deadline`.
    ///
    /// # Errors
    /// The first stage that ended by itself, failed or came late.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Result<(), StageFailed> {
        let mut failed = None;
        tokio::select! {
            () = stop => info!("stopping"),
            Some(ended) = self.tasks.join_next_with_id() => failed = Some(self.unexpected(ended)),
        }
        let mut order = std::mem::take(&mut self.running).into_iter();
        for stage in order.by_ref() {
            stage.trigger.ask();
            if let Err(error) = self.wait_for(&stage, deadline).await {
                error!(stage = stage.name, reason = %error, "stage did not stop cleanly");
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn wait_for(&mut self, stage: &Running, deadline: Duration) -> Result<(), StageFailed> {
        let late = StageFailed::Late { stage: stage.name, seconds: deadline.as_secs() };
        tokio::time::timeout(deadline, async {
            // Another stage may end meanwhile; it is then gone from the set, and waiting for it ends at once.
            while !self.tasks.is_empty() {
                let Some(ended) = self.tasks.join_next_with_id().await else { break };
                let (id, outcome) = outcome(ended);
                if id == stage.id {
                    return outcome.map_err(|reason| StageFailed::Ended { stage: stage.name, reason });
                }
                if let Err(reason) = outcome {
                    warn!(%reason, "another stage ended while stopping");
                }
            }
            Ok(())
        })
        .await
        .unwrap_or(Err(late))
    }

    fn unexpected(&mut self, ended: Result<(tokio::task::Id, Result<(), String>), JoinError>) -> StageFailed {
        let (id, outcome) = outcome(ended);
        let index = self.running.iter().position(|stage| stage.id == id);
        let stage = index.map_or("a stage", |index| self.running.remove(index).name);
        let reason = outcome.err().unwrap_or_else(|| "without having been asked to".to_owned());
        error!(stage, %reason, "stage ended, stopping the rest");
        StageFailed::Ended { stage, reason }
    }
}

fn outcome(
    ended: Result<(tokio::task::Id, Result<(), String>), JoinError>,
) -> (tokio::task::Id, Result<(), String>) {
    match ended {
        Ok(pair) => pair,
        Err(error) => (error.id(), Err("it panicked; the line above says where".to_owned())),
    }
}

/// Ends at the first SIGINT or SIGTERM. A second one ends the process at once, with exit code 130.
///
/// # Errors
/// When the signals can't be listened for.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut sender = Some(sender);
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            match sender.take() {
                Some(first) => _ = first.send(()),
                None => end_now(),
            }
        }
    });
    Ok(async move {
        let _ = receiver.await;
    })
}

/// The one place that ends without draining: an operator who signals twice asks for exactly that.
#[allow(clippy::disallowed_methods, reason = "a second signal asks for an end without draining")]
fn end_now() -> ! {
    warn!("second signal, ending at once");
    std::process::exit(130)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    async fn until_asked(
        name: &'static str,
        log: Arc<Mutex<Vec<&'static str>>>,
        shutdown: Shutdown,
    ) -> Result<(), String> {
        shutdown.requested().await;
        log.lock().unwrap().push(name);
        Ok(())
    }

    #[tokio::test]
    async fn stages_stop_in_order() {
        let log = Arc::new(Mutex::new(vec![]));
        let mut stages = Stages::new();
        for name in ["tracker", "classifier", "loader"] {
            stages.start(name, |shutdown| until_asked(name, log.clone(), shutdown));
        }
        stages.run(async {}, Duration::from_secs(5)).await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["tracker", "classifier", "loader"]);
    }

    #[tokio::test]
    async fn a_stage_that_ends_by_itself_fails_the_process_and_the_rest_stop() {
        let log = Arc::new(Mutex::new(vec![]));
        let mut stages = Stages::new();
        stages.start("tracker", |shutdown| until_asked("tracker", log.clone(), shutdown));
        stages.start("loader", |_| async { Err("the disk is gone") });
        let error = stages.run(std::future::pending(), Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.to_string(), "loader ended: the disk is gone");
        assert_eq!(*log.lock().unwrap(), ["tracker"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_hangs_is_named() {
        let mut stages = Stages::new();
        stages.start("loader", |_| std::future::pending::<Result<(), String>>());
        let error = stages.run(async {}, Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "loader did not stop within 3 s");
    }
}
