use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// A list that keeps at most `MAX` items and one more, which shows that it is too long. Otherwise an item of ten bytes
/// of JSON would take two hundred bytes of memory.
pub(in crate::email) struct AtMost<const MAX: usize, T>(pub(in crate::email) Vec<T>);

impl<const MAX: usize, T> AtMost<MAX, T> {
    pub(super) fn read<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error>
    where
        T: Deserialize<'de>,
    {
        let mut items = Vec::new();
        while items.len() <= MAX
            && let Some(item) = list.next_element()?
        {
            items.push(item);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(items))
    }
}

impl<'de, const MAX: usize, T: Deserialize<'de>> Deserialize<'de> for AtMost<MAX, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<const MAX: usize, T>(PhantomData<T>);

        impl<'de, const MAX: usize, T: Deserialize<'de>> Visitor<'de> for ListVisitor<MAX, T> {
            type Value = AtMost<MAX, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<AtMost<MAX, T>, A::Error> {
                AtMost::read(list)
            }
        }

        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}
