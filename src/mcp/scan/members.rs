//! Takes apart one object or array of a longer text, such as a tool of a list, without copying its values.

use std::borrow::Cow;

use simdutf8::compat::from_utf8;

use super::super::splice::Span;
use super::cursor::Cursor;
use super::keys::Level;
use super::lexer::Stop;
use super::{Fault, ScanError};

/// The members of one JSON object, in order: decoded key, place of the value.
///
/// The whole of `object` is checked to be one JSON object of at most [`MAX_MEMBERS`](super::MAX_MEMBERS) members
/// with no key twice.
pub fn members(object: &[u8]) -> Result<Vec<(Cow<'_, str>, Span)>, ScanError<'_>> {
    whole(object, |cursor| {
        if cursor.peek() != Some(b'{') {
            return cursor.fail(Fault::NotAnObject);
        }
        let mut members = Vec::new();
        cursor.object(Level::Plain, |cursor, key| {
            let value = cursor.skip()?;
            members.push((key, value));
            Ok(())
        })?;
        Ok(members)
    })
}

/// The elements of one JSON array, in order; more than `limit` of them are [`Fault::TooManyElements`].
pub fn elements(array: &[u8], limit: usize) -> Result<Vec<Span>, ScanError<'_>> {
    whole(array, |cursor| {
        let mut elements = Vec::new();
        cursor.array(|cursor| {
            if elements.len() == limit {
                return cursor.fail(Fault::TooManyElements);
            }
            elements.push(cursor.skip()?);
            Ok(())
        })?;
        Ok(elements)
    })
}

pub(super) fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Stop>,
) -> Result<T, ScanError<'a>> {
    let text = from_utf8(bytes)
        .map_err(|error| Stop { fault: Fault::NotUtf8, at: error.valid_up_to() }.with_id(None))?;
    let mut cursor = Cursor::new(text);
    cursor.space();
    let value = read(&mut cursor).map_err(|stop| stop.with_id(None))?;
    cursor.space();
    if cursor.peek().is_some() {
        return cursor.fail(Fault::TrailingBytes).map_err(|stop: Stop| stop.with_id(None));
    }
    Ok(value)
}
