use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Near, Query, Spec, Stats, VectorStorage},
};
use athenaeum_tenancy::Scope;

use crate::Error;

/// Vectors in memory, all compared each time, as exactly as `f32` allows: what others are held against.
#[derive(Debug, Clone)]
pub struct InMemory {
    spec: Spec,
    entries: Arc<Mutex<BTreeMap<Key, (Entry, Timestamp)>>>,
}

/// Collections by tenant and name.
#[derive(Debug, Default)]
pub(super) struct House(Mutex<HashMap<(String, String), InMemory>>);

impl InMemory {
    /// A place where each tenant has collections of their own.
    pub fn house() -> impl Fn(&Scope, &Spec) -> Self {
        let house = House::default();
        move |scope, spec| {
            let mut house = house.0.lock().unwrap_or_else(PoisonError::into_inner);
            let name = (scope.tenant().as_str().to_owned(), spec.name.clone());
            house.entry(name).or_insert_with(|| Self { spec: spec.clone(), entries: Arc::default() }).clone()
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, (Entry, Timestamp)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, vector: &[f32]) -> Result<(), Error> {
        let fits = vector.len() == self.spec.dimensions && vector.iter().all(|value| value.is_finite());
        if fits { Ok(()) } else { Err(Error::Invalid { reason: "a vector does not fit".into() }) }
    }
}

impl VectorStorage for InMemory {
    type Error = Error;

    async fn store(&self, entries: &[Entry]) -> Result<(), Error> {
        entries.iter().try_for_each(|entry| self.check(&entry.vector))?;
        let now = Timestamp::now();
        let learnt = |entry: &Entry| (entry.clone(), entry.learnt.unwrap_or(now));
        self.entries().extend(entries.iter().map(|entry| (entry.key, learnt(entry))));
        Ok(())
    }

    async fn search(&self, query: &Query) -> Result<Vec<Near>, Error> {
        self.check(&query.vector)?;
        let now = query.now.unwrap_or_else(Timestamp::now);
        let mut near: Vec<Near> = self
            .entries()
            .values()
            .filter(|(entry, learnt)| {
                entry.expires.is_none_or(|expires| expires > now) && query.filter.passes(entry, *learnt)
            })
            .map(|(entry, _)| Near {
                key: entry.key,
                score: self.spec.metric.score(&entry.vector, &query.vector),
            })
            .collect();
        near.sort_unstable_by(Near::order);
        near.truncate(query.limit);
        Ok(near)
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64, Error> {
        let mut entries = self.entries();
        Ok(keys.iter().filter(|key| entries.remove(key).is_some()).count() as u64)
    }

    async fn contains(&self, keys: &[Key]) -> Result<Vec<bool>, Error> {
        let entries = self.entries();
        Ok(keys.iter().map(|key| entries.contains_key(key)).collect())
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let (vectors, dimensions) = (self.entries().len() as u64, self.spec.dimensions);
        Ok(Stats { vectors, dimensions, bytes: vectors * 4 * dimensions as u64 })
    }

    async fn clear(&self) -> Result<(), Error> {
        self.entries().clear();
        Ok(())
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, Error> {
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|_, (entry, _)| entry.expires.is_none_or(|expires| expires > now));
        Ok((before - entries.len()) as u64)
    }

    async fn persist(&self) -> Result<(), Error> {
        Ok(())
    }
}
