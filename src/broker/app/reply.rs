//! Answers to clients: JSON, or the same in an event stream for clients that take nothing else.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE},
};

use crate::mcp::{self, Id, Proof, Rejection, header, sse};

/// A refusal, and the id of the request where it is known.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) rejection: Rejection,
    pub(super) id: Option<Vec<u8>>,
    /// Refusals with HTTP status 200 are answers, in the form that the client takes.
    pub(super) form: Form,
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, id: None, form: Form::Json }
    }
}

/// How an answer to a POST is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    EventStream,
}

impl Form {
    /// JSON, unless the client takes event streams only.
    pub(super) fn asked_for(fields: &HeaderMap) -> Result<Self, Rejection> {
        let accept =
            fields.get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        if accept.is_empty() || header::accepts(&accept, "application/json") {
            return Ok(Self::Json);
        }
        if header::accepts(&accept, "text/event-stream") {
            return Ok(Self::EventStream);
        }
        Err(Rejection::NotAcceptable { needed: "application/json" })
    }

    /// An answer of JSON in `parts`, none of which is copied unless it must be framed.
    pub(super) fn answer(self, parts: Vec<Bytes>) -> Response {
        match self {
            Self::Json => {
                let length = parts.iter().map(Bytes::len).sum::<usize>();
                let parts = parts.into_iter().map(Ok::<_, std::convert::Infallible>);
                let mut response = Response::new(Body::from_stream(futures_util::stream::iter(parts)));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                response
            }
            Self::EventStream => event_stream(Body::from(sse::event(&parts.concat(), None))),
        }
    }
}

/// A response that is an event stream.
pub(super) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert("cache-control", HeaderValue::from_static("no-store"));
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 202 to what is not answered.
pub(super) fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// The answer to a refused request.
pub(super) fn refused(refused: &Refused) -> Response {
    let id = refused.id.as_deref().and_then(|id| std::str::from_utf8(id).ok());
    let mcp::Response { status, headers, body } = refused.rejection.response(id.and_then(Id::parse));
    if status == 200 {
        return refused.form.answer(vec![body.into()]);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(&*value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Says that the broker has answered a probe, and whether the probe has come by the router.
pub(super) fn proof(nonce: &str, by_router: bool, response: &mut Response) {
    let proof = Proof { details: None, broker: Some(by_router) };
    if let Ok(value) = HeaderValue::try_from(proof.write(nonce)) {
        response.headers_mut().insert(header::X_MCP_PROBE, value);
    }
}
