//! Values as exports really hold them: the wrong type is "none", not the end of the record.

use std::{borrow::Cow, fmt, marker::PhantomData};

use athenaeum_core::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A text, borrowed where it has no escapes. A number or truth value is taken as it is written; null, lists and
/// objects are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The text; empty where there is none.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text, if it is not empty.
    pub(crate) fn filled(self) -> Option<String> {
        self.0.filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// The text without its owner, if it is not empty.
    pub(crate) fn filled_ref(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

/// A moment: a number (see [`Timestamp::from_number`]) or a text in one of the usual forms; anything else is
/// none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Option<Timestamp>);

/// A whole number of any notation; anything else is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Int(pub(crate) Option<i64>);

/// `true`; anything else is `false`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

/// A list; anything else is an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object; anything else is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

macro_rules! ignore_containers {
    ($none:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            while access.next_element::<IgnoredAny>()?.is_some() {}
            Ok($none)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($none)
        }
    };
}

macro_rules! ignore_scalars {
    ($none:expr) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($none)
        }
    };
}

macro_rules! expecting {
    ($what:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($what)
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;

        impl<'de> Visitor<'de> for AsText {
            type Value = Text<'de>;

            expecting!("a text");
            ignore_containers!(Text(None));

            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text(None))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.to_string().into())))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.to_string().into())))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.to_string().into())))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.to_string().into())))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.to_owned().into())))
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Some(value.into())))
            }
        }

        deserializer.deserialize_any(AsText)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsTime;

        impl<'de> Visitor<'de> for AsTime {
            type Value = Time;

            expecting!("a time");
            ignore_containers!(Time(None));

            fn visit_unit<E: Error>(self) -> Result<Time, E> {
                Ok(Time(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Time, E> {
                Ok(Time(None))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Time, E> {
                Ok(Time(Timestamp::from_number(value as f64)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Time, E> {
                Ok(Time(Timestamp::from_number(value as f64)))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Time, E> {
                Ok(Time(Timestamp::from_number(value)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Time, E> {
                Ok(Time(value.parse().ok()))
            }
        }

        deserializer.deserialize_any(AsTime)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsInt;

        impl<'de> Visitor<'de> for AsInt {
            type Value = Int;

            expecting!("a whole number");
            ignore_containers!(Int(None));

            fn visit_unit<E: Error>(self) -> Result<Int, E> {
                Ok(Int(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Int, E> {
                Ok(Int(None))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Int, E> {
                Ok(Int(Some(value)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Int, E> {
                Ok(Int(i64::try_from(value).ok()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Int, E> {
                let whole = value.fract() == 0.0 && value.abs() < 9e15;
                Ok(Int(whole.then_some(value as i64)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Int, E> {
                Ok(Int(value.trim().parse().ok()))
            }
        }

        deserializer.deserialize_any(AsInt)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsFlag;

        impl<'de> Visitor<'de> for AsFlag {
            type Value = Flag;

            expecting!("true or false");
            ignore_containers!(Flag(false));

            fn visit_unit<E: Error>(self) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
                Ok(Flag(value == 1))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Flag, E> {
                Ok(Flag(value == "true"))
            }
        }

        deserializer.deserialize_any(AsFlag)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsList<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for AsList<T> {
            type Value = List<T>;

            expecting!("a list");
            ignore_scalars!(List(Vec::new()));

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<List<T>, A::Error> {
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(List(Vec::new()))
            }
        }

        deserializer.deserialize_any(AsList(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsObject<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for AsObject<T> {
            type Value = Object<T>;

            expecting!("an object");
            ignore_scalars!(Object(None));

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Object<T>, A::Error> {
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access)).map(Some).map(Object)
            }
        }

        deserializer.deserialize_any(AsObject(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::from_str;

    use super::*;

    #[test]
    fn the_wrong_type_is_none() {
        for json in ["null", "[1, {}]", "{\"a\": [2]}"] {
            assert_eq!(from_str::<Text<'_>>(json).unwrap(), Text(None), "{json}");
            assert_eq!(from_str::<Time>(json).unwrap(), Time(None), "{json}");
            assert_eq!(from_str::<Int>(json).unwrap(), Int(None), "{json}");
            assert_eq!(from_str::<Flag>(json).unwrap(), Flag(false), "{json}");
        }
        assert_eq!(from_str::<List<Int>>("{\"a\": 1}").unwrap(), List(vec![]));
        assert_eq!(
            from_str::<List<Int>>("[1, \"2\", null]").unwrap(),
            List(vec![Int(Some(1)), Int(Some(2)), Int(None)])
        );
        assert_eq!(from_str::<Object<Int>>("7").unwrap(), Object(None));
        assert_eq!(from_str::<Text<'_>>("7").unwrap().as_str(), "7");
        assert_eq!(from_str::<Time>("1e400").is_err(), from_str::<f64>("1e400").is_err());
    }
}
