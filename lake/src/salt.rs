//! Salts of fingerprints: 32 random bytes a day, week or month, shared by all instances.
//!
//! The salt belongs to the hit's local date. Whoever needs it first creates it; of two at once
//! one wins and the other reads the winner's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::clock::Random;
use crate::site::Identity;
use crate::store::StoreRef;

/// Salts that this process has seen.
#[derive(Debug)]
pub struct Salts {
    store: StoreRef,
    random: Arc<dyn Random>,
    known: Mutex<HashMap<Path, [u8; 32]>>,
}

impl Salts {
    /// None seen yet.
    #[must_use]
    pub fn new(store: StoreRef, random: Arc<dyn Random>) -> Self {
        Self { store, random, known: Mutex::default() }
    }

    /// The salt for hits of a local date.
    ///
    /// # Errors
    ///
    /// When the store fails, or holds something else than 32 bytes there.
    pub async fn get(&self, identity: Identity, date: Date) -> Result<[u8; 32], Error> {
        let path = path(identity, date);
        if let Some(salt) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path) {
            return Ok(*salt);
        }
        let salt = self.read_or_create(&path).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path, salt);
        Ok(salt)
    }

    async fn read_or_create(&self, path: &Path) -> Result<[u8; 32], Error> {
        match self.store.get(path).await {
            Err(Error::NotFound { .. }) => {
                let mut salt = [0; 32];
                self.random.fill(&mut salt);
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match self.store.put_opts(path, PutPayload::from(salt.to_vec()), options).await {
                    Ok(_) => return Ok(salt),
                    Err(Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let bytes = self.store.get(path).await?.bytes().await?;
        <[u8; 32]>::try_from(bytes.as_ref())
            .map_err(|source| Error::Generic { store: "salts", source: Box::new(source) })
    }
}

fn path(identity: Identity, date: Date) -> Path {
    let (period, first) = match identity {
        Identity::Daily | Identity::FirstParty => ("daily", date),
        Identity::Weekly => {
            let monday = i64::from(date.weekday().to_monday_zero_offset());
            (
                "weekly",
                date.checked_sub(jiff::SignedDuration::from_hours(24 * monday)).unwrap_or(date),
            )
        }
        Identity::Monthly => ("monthly", date.first_of_month()),
    };
    Path::from(format!("salts/{period}/{first}"))
}
