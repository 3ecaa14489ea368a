//! A bulk body of Matomo's protocol: requests as queries or as objects, in one JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::pairs;
use super::parameters::Parameters;

/// A bulk body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Bulk<'a> {
    requests: Vec<One<'a>>,
    token_auth: Text<'a>,
    send_image: Text<'a>,
}

/// One request of it.
#[derive(Debug)]
enum One<'a> {
    Query(Cow<'a, str>),
    Fields(Vec<(Cow<'a, str>, Text<'a>)>),
    Other,
}

/// A value as the text that a query would hold.
#[derive(Debug, Clone, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'a> Bulk<'a> {
    /// Whether a body is meant as a bulk.
    #[must_use]
    pub fn is_one(body: &[u8]) -> bool {
        body.trim_ascii() == b"[]" || memchr::memmem::find(body, b"\"requests\"").is_some()
    }

    /// Reads a body without halves of characters; one that is not JSON holds no request.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The parameters of each request, in order.
    pub fn requests(&self) -> impl Iterator<Item = Parameters<'_>> {
        self.requests.iter().map(|request| match request {
            One::Query(text) => {
                let query = text.split_once('?').map_or(&**text, |(_, query)| query);
                Parameters::of(pairs::parse(query.split('#').next().unwrap_or_default()))
            }
            One::Fields(fields) => Parameters::of(
                fields
                    .iter()
                    .map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&*value.0))),
            ),
            One::Other => Parameters::default(),
        })
    }

    /// The token for all of them.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        Some(&*self.token_auth.0).filter(|token| !token.is_empty())
    }

    /// `"send_image":0`.
    #[must_use]
    pub fn asks_for_no_body(&self) -> bool {
        self.send_image.0 == "0"
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for One<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = One<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a request")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<One<'de>, E> {
                Ok(One::Query(text.into()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<One<'de>, E> {
                Ok(One::Query(text.to_owned().into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<One<'de>, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    fields.push((name.0, value));
                }
                Ok(One::Fields(fields))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<One<'de>, A::Error> {
                serde::de::IgnoredAny.visit_seq(seq).map(|_| One::Other)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<One<'de>, E> {
                Ok(One::Other)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<One<'de>, E> {
                Ok(One::Other)
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<One<'de>, E> {
                Ok(One::Other)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<One<'de>, E> {
                Ok(One::Other)
            }
            fn visit_unit<E: Error>(self) -> Result<One<'de>, E> {
                Ok(One::Other)
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(if value { "1" } else { "0" }.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }
            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            // Items and custom variables may come as JSON itself instead of as its text.
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Text<'de>, A::Error> {
                let value = Value::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Text(value.to_string().into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
                let value = Value::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Text(value.to_string().into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings_urls_and_objects_are_requests() {
        let body = br##"{"requests":["?idsite=1&rec=1","https://x.example/matomo.php?idsite=2","idsite=3",
            {"idsite":4,"rec":true,"cvar":{"1":["a","b"]},"e_v":1.5,"x":null},7,[],null],"token_auth":"t","send_image":0}"##;
        let bulk = Bulk::parse(body);
        let sites: Vec<_> = bulk
            .requests()
            .map(|parameters| parameters.idsite.map(Cow::into_owned).unwrap_or_default())
            .collect();
        assert_eq!(sites, ["1", "2", "3", "4", "", "", ""]);
        let object = bulk.requests().nth(3).unwrap();
        assert_eq!(object.cvar.as_deref(), Some(r#"{"1":["a","b"]}"#));
        assert_eq!((object.rec.as_deref(), object.e_v.as_deref()), (Some("1"), Some("1.5")));
        assert_eq!((bulk.token(), bulk.asks_for_no_body()), (Some("t"), true));
    }

    #[test]
    fn what_is_no_json_holds_no_request() {
        for body in [r#"{"requests":["?idsite=1&rec=1""#, "[]", r#"{"requests":7}"#, ""] {
            assert_eq!(Bulk::parse(body.as_bytes()).requests().count(), 0, "{body}");
        }
        assert!(Bulk::is_one(b" [] ") && Bulk::is_one(b"{ \"requests\" : []}"));
        assert!(!Bulk::is_one(b"requests=1") && !Bulk::is_one(b""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_bulk(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Bulk::parse(&bytes).requests().count();
        }
    }
}
