//! Protobuf as it is on the wire: fields read where they lie, and fields written once.
//!
//! The types of `envoy-types` own all they hold: a message of Envoy would become some sixty allocations that nothing
//! outlives. (Protocol Buffers, Encoding.)

use bytes::{BufMut as _, BytesMut};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no protobuf message")]
pub(in crate::ext_proc) struct Malformed;

/// The value of a field, as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Varint(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Of four or eight bytes, which nothing here is.
    Fixed,
}

impl<'a> Field<'a> {
    /// Empty for what is no bytes.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Varint(_) | Self::Fixed => &[],
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()).map_err(|_not_utf8| Malformed)
    }

    pub(super) fn number(self) -> u64 {
        match self {
            Self::Varint(number) => number,
            Self::Bytes(_) | Self::Fixed => 0,
        }
    }

    pub(super) fn flag(self) -> bool {
        self.number() != 0
    }
}

/// The fields of a message with their numbers, in the order in which they came.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), Malformed>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = next(&mut message);
        if field.is_err() {
            message = &[];
        }
        Some(field)
    })
}

fn next<'a>(message: &mut &'a [u8]) -> Result<(u64, Field<'a>), Malformed> {
    let key = varint(message)?;
    let field = match key & 7 {
        0 => Field::Varint(varint(message)?),
        1 => fixed(message, 8)?,
        2 => {
            let length = usize::try_from(varint(message)?).map_err(|_too_long| Malformed)?;
            Field::Bytes(message.split_off(..length).ok_or(Malformed)?)
        }
        5 => fixed(message, 4)?,
        // groups, which proto3 has not
        _ => return Err(Malformed),
    };
    Ok((key >> 3, field))
}

fn varint(message: &mut &[u8]) -> Result<u64, Malformed> {
    decode_varint(message).map_err(|_malformed| Malformed)
}

fn fixed<'a>(message: &mut &'a [u8], width: usize) -> Result<Field<'a>, Malformed> {
    message.split_off(..width).map(|_| Field::Fixed).ok_or(Malformed)
}

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) BytesMut);

impl Writer {
    pub(super) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.length(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// A field whose bytes, `length` of them, follow.
    pub(super) fn length(&mut self, field: u64, length: usize) {
        encode_varint(field << 3 | 2, &mut self.0);
        encode_varint(length as u64, &mut self.0);
    }

    /// Zero is what a field is that is not there.
    pub(super) fn number(&mut self, field: u64, number: u64) {
        if number != 0 {
            encode_varint(field << 3, &mut self.0);
            encode_varint(number, &mut self.0);
        }
    }

    pub(super) fn flag(&mut self, field: u64, flag: bool) {
        self.number(field, flag.into());
    }

    /// A message that `write` writes, and that ends `following` bytes after that.
    pub(super) fn message(&mut self, field: u64, following: usize, write: impl FnOnce(&mut Self)) {
        encode_varint(field << 3 | 2, &mut self.0);
        // most messages here are short: their length takes one byte
        let begin = self.0.len();
        self.0.put_u8(0);
        write(self);
        let end = self.0.len();
        let length = (end - begin - 1 + following) as u64;
        let width = encoded_len_varint(length);
        self.0.put_bytes(0, width - 1);
        self.0.copy_within(begin + 1..end, begin + width);
        if let Some(mut place) = self.0.get_mut(begin..begin + width) {
            encode_varint(length, &mut place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_makes_room_for_itself() {
        for length in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 16_385] {
            let mut writer = Writer::default();
            writer.number(1, 7);
            writer.message(2, 0, |inner| inner.bytes(3, &vec![b'x'; length]));
            writer.flag(4, true);
            let read: Vec<_> = fields(&writer.0).collect::<Result<_, _>>().unwrap();
            let [(1, Field::Varint(7)), (2, inner), (4, Field::Varint(1))] = read[..] else {
                panic!("{read:?}")
            };
            let inner: Vec<_> = fields(inner.bytes()).collect::<Result<_, _>>().unwrap();
            assert_eq!(inner, [(3, Field::Bytes(&vec![b'x'; length]))]);
        }
    }

    #[test]
    fn what_is_cut_or_unknown_is_malformed() {
        for bad in [&[0x0a][..], &[0x0a, 2, 0], &[0x08], &[0x08, 0x80], &[0x0b], &[0x0d, 1, 2, 3], &[0x0f]] {
            assert_eq!(fields(bad).last(), Some(Err(Malformed)), "{bad:?}");
        }
        assert_eq!(fields(&[0x0d, 1, 2, 3, 4, 0x08, 5]).last(), Some(Ok((1, Field::Varint(5)))));
    }
}
