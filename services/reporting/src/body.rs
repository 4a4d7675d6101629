//! Bodies, read within their bounds.

use crate::problem::Problem;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// So many bytes of a body past its bound are read and dropped, and for so long.
const PASSED_OVER: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

/// The whole body, if it is not past its bound.
pub(crate) async fn read(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(&mut body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            pass_over(body).await;
            Err(Problem::too_large(most))
        }
        Err(_) => Err(Problem::bad_request("the body ended early")),
    }
}

/// Reads on for a little and keeps nothing: a client that still writes when its connection closes never sees the answer.
async fn pass_over(mut body: Body) {
    let read = async {
        let mut passed = 0;
        while passed < PASSED_OVER
            && let Some(Ok(frame)) = body.frame().await
        {
            passed += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Whoever sends more, or slower, is cut off.
    let _ = tokio::time::timeout(PATIENCE, read).await;
}

/// The whole body as a JSON document. The error names the field.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, most: usize) -> Result<T, Problem> {
    let bytes = read(body, most).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::bad_request(format!("the body is not the JSON document that belongs here: {error}"))
    })
}
