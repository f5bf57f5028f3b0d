//! The lists: a page of what the request may see, from bytes that were built with the snapshot.

use axum::response::Response;
use bytes::Bytes;

use super::{Endpoint, head::Head, reply::Form};
use crate::{
    exchange::Session,
    mcp::{Message, Rejection},
    routing::Primitive,
};

impl Endpoint {
    pub(super) fn list(
        &self,
        primitive: Primitive,
        head: &Head,
        session: Option<&Session>,
        message: &Message<'_>,
        id: &[u8],
        form: Form,
    ) -> Result<Response, Rejection> {
        let cursor = message.params.cursor.as_ref().map(|cursor| &*cursor.value);
        let page = head
            .scope(session)?
            .page(primitive, cursor, head.snapshot.limits().page)
            .ok_or(Rejection::BadCursor)?;
        let member = primitive.member().as_bytes();
        let begin = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{""#, member, br#"":["#].concat();
        let end = page.next.map_or_else(
            || Bytes::from_static(b"]}}"),
            |next| format!(r#"],"nextCursor":{}}}}}"#, serde_json::Value::from(next)).into(),
        );
        self.shared.metrics.list(begin.len() + page.items.len() + end.len());
        Ok(form.answer(vec![begin.into(), page.items, end]))
    }
}
