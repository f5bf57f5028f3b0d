//! What the schemas of all items have in common.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

#[derive(Deserialize)]
#[expect(dead_code, reason = "members that are not read are checked")]
pub(super) struct Icon {
    src: String,
}

/// What is for whom (2025-11-25, schema, `Annotations`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "members that are not read are checked")]
pub(super) struct Annotations {
    #[serde(default, deserialize_with = "present")]
    audience: Option<Vec<Role>>,
    #[serde(default, deserialize_with = "present")]
    priority: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    last_modified: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// An object with values of one type, none of which is kept.
pub(super) struct Object<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Object<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, V>()?.is_some() {}
                Ok(Object(PhantomData))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A member that may be absent, but not `null`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
