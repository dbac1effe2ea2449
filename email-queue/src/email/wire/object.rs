//! An object with named fields, and its unknown names.

use std::{
    cell::{Cell, RefCell},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};

use crate::email::names::{self, Misspelt};

/// The number of unknown names per object that are compared with the known ones.
const MAX_COMPARED: usize = 64;

/// So many unknown names of an object are kept, of so many bytes each.
const MAX_KEPT: usize = 8;
const MAX_KEPT_NAME: usize = 64;

/// Accepts only an object. serde's derive would also accept a list of the values.
pub(in crate::email) struct Object<T> {
    pub(in crate::email) value: T,
    /// The first name that is no field's, but close to that of one.
    pub(in crate::email) misspelt: Option<Misspelt>,
    /// The first few names that are no field's.
    pub(in crate::email) unknown: Vec<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                let unknown = Unknown::default();
                let value = T::deserialize(Fields { map, unknown: &unknown })?;
                Ok(Object { value, misspelt: unknown.misspelt.take(), unknown: unknown.kept.take() })
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// The unknown names seen so far.
#[derive(Default)]
struct Unknown {
    compared: Cell<usize>,
    misspelt: Cell<Option<Misspelt>>,
    kept: RefCell<Vec<String>>,
}

impl Unknown {
    fn see(&self, name: &str, known: &'static [&'static str]) {
        if known.contains(&name) || self.compared.get() == MAX_COMPARED {
            return;
        }
        self.compared.set(self.compared.get() + 1);
        let mut kept = self.kept.borrow_mut();
        if kept.len() < MAX_KEPT && name.len() <= MAX_KEPT_NAME && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            kept.push(name.to_owned());
        }
        let first = self.misspelt.take();
        self.misspelt.set(first.or_else(|| names::misspelt(name, known)));
    }
}

/// A map that takes the struct's field names from serde, so that they need not be listed again.
struct Fields<'a, A> {
    map: A,
    unknown: &'a Unknown,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Entries { map: self.map, unknown: self.unknown, fields })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.map)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The same map, with a check of each name.
struct Entries<'a, A> {
    map: A,
    unknown: &'a Unknown,
    fields: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.map.next_key_seed(Name { seed, unknown: self.unknown, fields: self.fields })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

struct Name<'a, K> {
    seed: K,
    unknown: &'a Unknown,
    fields: &'static [&'static str],
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Name<'_, K> {
    type Value = K::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<K::Value, E> {
        self.unknown.see(name, self.fields);
        self.seed.deserialize(name.into_deserializer())
    }
}
