//! The id of a query: everything that its answer is made of, sealed for one token.
//!
//! No state of ours is kept of a query. Whoever has the token can read the answer, whoever has not can
//! neither read nor make an id: `ChaCha20-Poly1305` under a key that HKDF derives from the token's stored
//! hash, with a nonce by chance. The cipher compares tags in constant time. A token that is revoked
//! takes its ids with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lake::clock::Random;
use lake::limits::MAX_QUERY_ID_BYTES;
use lake::token::Token;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};

/// Another form of id gets another one.
const PURPOSE: &[u8] = b"hitlake query 1";

/// What stands in an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Athena's id of the execution.
    #[serde(rename = "e")]
    pub(crate) execution: String,
    /// Of the text and of the objects that it reads, hex.
    #[serde(rename = "v")]
    data: String,
    /// How many executions the question has had before this one.
    #[serde(rename = "r")]
    pub(crate) run: u32,
    /// The sites.
    #[serde(rename = "s")]
    pub(crate) sites: Vec<i32>,
    /// The question named them itself.
    #[serde(rename = "n")]
    pub(crate) by_sites: bool,
    /// The question, with dates that do not move.
    #[serde(rename = "q")]
    pub(crate) parameters: Vec<(String, String)>,
}

/// Why there is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsealed {
    /// It would be longer than a URL may be.
    #[error(
        "the id of the query would have {0} bytes, because it holds the question; the limit is {MAX_QUERY_ID_BYTES}; name a long filter as a segment in the site's settings"
    )]
    TooLong(usize),
    /// The cipher refuses, which it has no reason to.
    #[error("the question could not be sealed")]
    Cipher,
}

impl Sealed {
    /// Of an execution over a version of the data.
    pub(crate) fn new(
        execution: String,
        data: u128,
        run: u32,
        (sites, by_sites): (&[i32], bool),
        parameters: Vec<(String, String)>,
    ) -> Self {
        let data = format!("{data:032x}");
        Self { execution, data, run, sites: sites.to_vec(), by_sites, parameters }
    }

    /// Whether the execution read this version of the data.
    pub(crate) fn is_of(&self, data: u128) -> bool {
        self.data == format!("{data:032x}")
    }

    /// The id, for this token.
    pub(crate) fn seal(&self, token: &Token, random: &dyn Random) -> Result<String, Unsealed> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = serde_json::to_vec(self).map_err(|_| Unsealed::Cipher)?;
        let of_nonce = Nonce::assume_unique_for_key(nonce);
        key(token)
            .ok_or(Unsealed::Cipher)?
            .seal_in_place_append_tag(of_nonce, Aad::from(PURPOSE), &mut sealed)
            .map_err(|_| Unsealed::Cipher)?;
        let id = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        if id.len() > MAX_QUERY_ID_BYTES { Err(Unsealed::TooLong(id.len())) } else { Ok(id) }
    }

    /// What stands in an id of this token; none where it is none.
    pub(crate) fn open(id: &str, token: &Token) -> Option<Self> {
        let whole = Some(id).filter(|id| id.len() <= MAX_QUERY_ID_BYTES)?;
        let mut whole = URL_SAFE_NO_PAD.decode(whole).ok()?;
        let (nonce, sealed) = whole.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = key(token)?.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

/// The key of a token; never none.
fn key(token: &Token) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, PURPOSE).extract(token.sha256.as_bytes());
    let key = derived.expand(&[PURPOSE], &CHACHA20_POLY1305).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests {
    use lake::clock::SeededRandom;

    use super::*;

    fn token(sha256: &str) -> Token {
        let sha256 = sha256.to_owned();
        Token { sha256, read: true, write: false, sites: None, created_ms: 0, expires: None }
    }

    fn sealed(filter: &str) -> Sealed {
        let parameters = vec![("filter".to_owned(), filter.to_owned())];
        Sealed::new("execution".to_owned(), 7, 1, (&[1, 2], true), parameters)
    }

    #[test]
    fn an_id_is_its_tokens_alone_and_cannot_be_changed() {
        let (mine, other) = (token("aa"), token("ab"));
        let random = SeededRandom::new(1);
        let of = sealed("userId==ann");
        let id = of.seal(&mine, &random).unwrap();
        assert_eq!(Sealed::open(&id, &mine), Some(of.clone()));
        assert!(of.is_of(7) && !of.is_of(8));
        assert_eq!(Sealed::open(&id, &other), None);
        let bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Sealed::open(&URL_SAFE_NO_PAD.encode(changed), &mine), None, "byte {at}");
        }
        for other in ["", "x", &id[1..], &id[..id.len() - 4], &id[..16], &format!("{id}AAAA")] {
            assert_eq!(Sealed::open(other, &mine), None, "{other}");
        }
        assert!(!bytes.windows(3).any(|text| text == b"ann"), "nothing of it can be read");
        assert_ne!(of.seal(&mine, &random).unwrap(), id, "no two are alike");
    }

    #[test]
    fn an_id_is_short_enough_for_a_url() {
        let length =
            |filter: usize| sealed(&"x".repeat(filter)).seal(&token("aa"), &SeededRandom::new(1));
        let overhead = length(0).unwrap().len();
        let most = (MAX_QUERY_ID_BYTES - overhead) / 4 * 3;
        let id = length(most).unwrap();
        assert!(id.len() > MAX_QUERY_ID_BYTES - 4 && Sealed::open(&id, &token("aa")).is_some());
        assert!(matches!(length(most + 4), Err(Unsealed::TooLong(_))));
    }
}
