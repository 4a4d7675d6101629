//! Bodies, read within their bounds.

use crate::problem::Problem;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// The whole body, if it is not past its bound.
pub(crate) async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::too_large(most)),
        Err(_) => Err(Problem::bad_request("the body ended early")),
    }
}

/// The whole body as a JSON document. The error names the field.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, most: usize) -> Result<T, Problem> {
    let bytes = read(body, most).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::bad_request(format!("the body is not the JSON document that belongs here: {error}"))
    })
}
