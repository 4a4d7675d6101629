//! The HTTP front: connections, routes, and the way of one request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::answer::{AnswerBody, CancelGuard, Head, answer, plain};
use super::body::{self, Body};
use super::compress::Packer;
use super::database::{Database, Setup};
use super::exception::{BAD_ARGUMENTS, Exception, TOO_MANY_SIMULTANEOUS_QUERIES};
use super::request::Wish;
use super::run::{Job, Work};
use super::statement;
use crate::protocol::ChildSettings;

/// How long a connection may stay without a request, and a request's head take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer that are held back for errors' sake.
const HELD: usize = 64 << 10;
/// Pieces of an answer that wait for the client.
const WAITING_EVENTS: usize = 4;

/// What every request needs.
pub(crate) struct Front {
    database: Arc<Database>,
    settings: ChildSettings,
    /// Places for statements under way.
    places: Arc<Semaphore>,
}

impl Front {
    pub(crate) fn new(database: Arc<Database>, settings: ChildSettings) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(settings.max_queries));
        Arc::new(Self { database, settings, places })
    }

    /// Serves until `stop` turns true, then lets what is under way go on until the deadline and cancels the rest.
    ///
    /// Past `max_connections` further clients wait in the listener's backlog.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let connections = Arc::new(Semaphore::new(self.settings.max_connections));
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = accept(&listener, &connections) => accepted,
            };
            let Some((stream, permit)) = accepted else { continue };
            let front = Arc::clone(&self);
            let stop = stop.clone();
            tokio::spawn(async move {
                front.connection(stream, stop).await;
                drop(permit);
            });
        }
        drop(listener);
        let all = u32::try_from(self.settings.max_connections).unwrap_or(u32::MAX);
        if tokio::time::timeout(self.settings.stop_deadline, connections.acquire_many(all)).await.is_err() {
            let database = Arc::clone(&self.database);
            let _ = tokio::task::spawn_blocking(move || database.cancel_all()).await;
            let _ = tokio::time::timeout(Duration::from_secs(1), connections.acquire_many(all)).await;
        }
        // An answer's connection may end before its statement has let go of the engine.
        let all = u32::try_from(self.settings.max_queries).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.places.acquire_many(all)).await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, mut stop: watch::Receiver<bool>) {
        let service = service_fn(move |request| {
            let front = Arc::clone(&self);
            async move { Ok::<_, Infallible>(front.route(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // How a connection ends is its client's business: there is nothing to do about it here.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn route(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let asks = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("query=")));
        match (request.uri().path(), request.method()) {
            (_, &Method::OPTIONS) => {
                let mut response = plain(StatusCode::NO_CONTENT, "");
                response.headers_mut().remove(CONTENT_TYPE);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS, GET, HEAD, POST"));
                response
            }
            ("/ping" | "/replicas_status", &(Method::GET | Method::HEAD)) => plain(StatusCode::OK, "Ok.\n"),
            ("/", &(Method::GET | Method::HEAD)) if !asks => plain(StatusCode::OK, "Ok.\n"),
            ("/", &(Method::GET | Method::POST)) => self.query(request).await,
            ("/" | "/ping" | "/replicas_status", _) => {
                let mut response = plain(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "GET and POST are for queries, GET and HEAD for /ping.\n",
                );
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS, GET, HEAD, POST"));
                response
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                "There is no such handle. Use / for queries or /ping for health checks.\n",
            ),
        }
    }

    async fn query(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let mut head = Head {
            database: Arc::clone(&self.database),
            query_id: uuid::Uuid::new_v4().to_string(),
            format: "TabSeparated".to_owned(),
        };
        match self.try_query(request, &mut head).await {
            Ok((waiting, packer, hold)) => {
                answer(head, packer, hold, waiting.events, waiting.guard, waiting.permit).await
            }
            Err(exception) => head.failed(&exception),
        }
    }

    /// Starts the job of a request.
    async fn try_query(
        &self,
        request: Request<Incoming>,
        head: &mut Head,
    ) -> Result<(Waiting, Packer, usize), Exception> {
        let (parts, incoming) = request.into_parts();
        let mut wish = Wish::read(&parts)?;
        wish.authenticate(&parts.headers, &self.settings.user, &self.settings.password)?;
        if let Some(query_id) = &wish.query_id {
            if HeaderValue::from_str(query_id).is_err() {
                return Err(Exception::new(BAD_ARGUMENTS, "Parameter query_id must be printable"));
            }
            head.query_id.clone_from(query_id);
        }
        let content_type =
            parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body = Body::new(incoming, wish.decompress);
        let work = body::work(&mut wish, content_type, body).await?;

        let default_format = wish.default_format.unwrap_or_else(|| "TabSeparated".to_owned());
        if !default_format.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Exception::new(BAD_ARGUMENTS, "Parameter default_format must be a format's name"));
        }
        head.format.clone_from(&default_format);
        if let Work::Statement { sql } = &work
            && let Some(format) = statement::output_format(sql)
        {
            format.clone_into(&mut head.format);
        }
        let packer = if wish.compress {
            Packer::Blocks
        } else if wish.takes_lz4 {
            Packer::frame()
        } else {
            Packer::Plain
        };
        let max_answer = usize::try_from(self.settings.max_answer_bytes).unwrap_or(usize::MAX);
        let hold = if wish.wait_end_of_query { max_answer } else { HELD };

        let place = Arc::clone(&self.places).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(self.settings.queue_wait, place).await else {
            let text = format!("Too many simultaneous queries. Maximum: {}", self.settings.max_queries);
            return Err(Exception::new(TOO_MANY_SIMULTANEOUS_QUERIES, text));
        };
        let permit = Arc::new(permit);
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let cancellable = Arc::new(AtomicBool::new(false));
        let job = Job {
            database: Arc::clone(&self.database),
            setup: Setup {
                database: wish.database,
                settings: wish.settings,
                read_only: wish.read_only,
                query_id: head.query_id.clone(),
            },
            parameters: wish.parameters,
            default_format,
            max_answer_bytes: self.settings.max_answer_bytes,
            client_timeout: self.settings.client_timeout,
            work,
            events: sender,
            cancellable: Arc::clone(&cancellable),
        };
        let held = Arc::clone(&permit);
        tokio::task::spawn_blocking(move || {
            job.run();
            drop(held);
        });
        let guard = CancelGuard {
            database: Arc::clone(&self.database),
            query_id: head.query_id.clone(),
            cancellable,
        };
        Ok((Waiting { events, guard, permit }, packer, hold))
    }
}

/// A job under way, from the client's side.
struct Waiting {
    events: mpsc::Receiver<super::run::Event>,
    guard: CancelGuard,
    permit: Arc<tokio::sync::OwnedSemaphorePermit>,
}

/// The next client, once there is room for it. `None` when it was gone before it was taken.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are written whole; waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(_) => {
            // Out of file descriptors, most likely: without a pause this would spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
