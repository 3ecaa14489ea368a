//! Step URL, part query: its parameters as Matomo keeps them (matomo.md 3.6), nothing decoded
//! before it must be.
//!
//! Of a repeated name the last value counts, at the place of the first; `a[]` collects.

use std::borrow::Cow;

use encoding_rs::Encoding;
use lake::limits::MAX_URL_PARAMETERS;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::parse::pairs;

/// What a value keeps of itself when it is written anew.
const VALUE: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One parameter of a query, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    /// Without brackets.
    pub(super) name: &'a str,
    /// None where there is no `=`.
    pub(super) value: Option<&'a str>,
    is_list: bool,
}

impl<'a> Parameter<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let brackets = ["[]", "%5B%5D", "%5b%5d", "%5B]", "[%5D"];
        let list = brackets.iter().find_map(|end| name.strip_suffix(end));
        let (name, is_list) = list.map_or((name, false), |name| (name, true));
        (!name.is_empty()).then_some(Self { name, value, is_list })
    }

    /// The value, decoded; `charset` where the page has another encoding than UTF-8.
    pub(super) fn decoded(&self, charset: Option<&'static Encoding>) -> Cow<'a, str> {
        let value = self.value.unwrap_or_default();
        match charset {
            None => pairs::decode(value),
            Some(charset) => of_charset(value, charset).into(),
        }
    }
}

fn of_charset(value: &str, charset: &'static Encoding) -> String {
    let spaced = value.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    charset.decode_without_bom_handling(&bytes).0.into_owned()
}

/// The parameters of a query or of a fragment that looks like one.
#[derive(Debug, Default)]
pub(super) struct Query<'a>(Vec<Parameter<'a>>);

impl<'a> Query<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut query = Self::default();
        if !text.is_empty() {
            query.0.reserve(text.bytes().filter(|byte| *byte == b'&').count().min(31) + 1);
            text.split('&').filter_map(Parameter::read).for_each(|parameter| query.add(parameter));
        }
        query
    }

    fn add(&mut self, parameter: Parameter<'a>) {
        let same = |known: &Parameter<'_>| known.name == parameter.name;
        // Beyond this nobody looks for repetition: the work must not grow with its square.
        let last =
            if self.0.len() > MAX_URL_PARAMETERS { None } else { self.0.iter().rposition(same) };
        match last {
            None => self.0.push(parameter),
            Some(at) if parameter.is_list && self.0.get(at).is_some_and(|known| known.is_list) => {
                self.0.insert(at + 1, parameter);
            }
            Some(_) => {
                if let Some(first) = self.0.iter_mut().find(|known| same(known)) {
                    *first = parameter;
                }
                let mut seen = false;
                self.0.retain(|known| !same(known) || !std::mem::replace(&mut seen, true));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Parameter<'a>> {
        self.0.iter()
    }

    /// Keeps the parameters that fit.
    pub(super) fn retain(&mut self, keeps: impl FnMut(&Parameter<'a>) -> bool) {
        self.0.retain(keeps);
    }

    /// The query as text.
    pub(super) fn text(&self, charset: Option<&'static Encoding>) -> String {
        let bytes = |parameter: &Parameter<'_>| {
            parameter.name.len() + parameter.value.map_or(0, str::len) + 4
        };
        let mut text = String::with_capacity(self.0.iter().map(bytes).sum());
        for parameter in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            if parameter.name.contains('%') {
                text.push_str(&parameter.name.replace("%5B", "[").replace("%5D", "]"));
            } else {
                text.push_str(parameter.name);
            }
            if parameter.is_list {
                text.push_str("[]");
            }
            if let Some(value) = parameter.value {
                text.push('=');
                match charset.filter(|_| value.contains('%')) {
                    None => text.push_str(value),
                    Some(charset) => {
                        text.extend(percent_encode(of_charset(value, charset).as_bytes(), &VALUE))
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeated_names_and_lists_are_kept_as_matomo_keeps_them() {
        for (query, kept) in [
            ("a=1&b=2", "a=1&b=2"),
            ("a=1&b=2&a=3", "a=3&b=2"),
            ("a[]=1&b=2&a[]=3", "a[]=1&a[]=3&b=2"),
            ("a%5B%5D=1&a[]=2", "a[]=1&a[]=2"),
            ("a=1&a[]=2&a[]=3", "a[]=2&a[]=3"),
            ("a[]=1&a[]=2&a=3", "a=3"),
            ("a&b=&=c&&d", "a&b=&d"),
            ("a[x]=1&a%5By%5D=2", "a[x]=1&a[y]=2"),
            ("", ""),
        ] {
            assert_eq!(Query::read(query).text(None), kept, "{query}");
        }
    }

    #[test]
    fn values_of_another_encoding_become_utf_8() {
        let query = Query::read("q=%E9t%E9+x&p=plain");
        let latin = Encoding::for_label(b"iso-8859-1");
        assert_eq!(query.text(latin), "q=%C3%A9t%C3%A9%20x&p=plain");
        assert_eq!(query.iter().next().unwrap().decoded(latin), "été x");
    }

    proptest! {
        #[test]
        fn a_kept_query_stays_as_it_is(query in "([ab]{1,2}(\\[\\])?(=[a-c]{0,2})?&){0,12}") {
            let once = Query::read(&query).text(None);
            prop_assert_eq!(&Query::read(&once).text(None), &once);
        }

        #[test]
        fn work_stays_bounded(names in proptest::collection::vec("[a-z]{1,3}", 0..400)) {
            let query = names.join("=1&");
            prop_assert!(Query::read(&query).text(None).len() <= query.len() + 2);
        }
    }
}
