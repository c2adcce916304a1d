//! What is remembered for a while, so that it need not be asked for or made anew: at most so many things, each until
//! its time. The least recently used goes first.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// Values by their keys, each until a time.
#[derive(Debug)]
pub struct Remembered<K: Hash + Eq, V> {
    values: LruCache<K, (V, u64)>,
}

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    /// Remembers at most so many values.
    pub fn at_most(count: NonZeroUsize) -> Self {
        Self { values: LruCache::new(count) }
    }

    /// The value of a key, if it is remembered at `now`; times are in whatever unit [`Self::keep`] was given.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: u64) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (value, until) = self.values.get(key)?;
        (now < *until).then(|| value.clone())
    }

    /// Forgets the value of a key.
    pub fn forget<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.values.pop(key);
    }

    /// Remembers a value in place of the one that its key had, until just before `until`.
    pub fn keep(&mut self, key: K, value: V, until: u64) {
        self.values.put(key, (value, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn remembered(values: &[(&str, u32, u64)]) -> Remembered<String, u32> {
        let mut remembered = Remembered::at_most(TWO);
        for (key, value, until) in values {
            remembered.keep((*key).to_owned(), *value, *until);
        }
        remembered
    }

    #[test]
    fn a_value_is_remembered_until_its_time_and_for_its_key_only() {
        let mut remembered = remembered(&[("one", 1, 10)]);
        assert_eq!(remembered.get("one", 9), Some(1));
        assert_eq!(remembered.get("one", 10), None);
        assert_eq!(remembered.get("other", 0), None);
        remembered.keep("one".to_owned(), 1, 10);
        remembered.forget("one");
        assert_eq!(remembered.get("one", 0), None);
    }

    #[test]
    fn a_newer_value_takes_the_place_of_the_older() {
        let mut remembered = remembered(&[("one", 1, 10), ("one", 2, 5)]);
        assert_eq!(remembered.get("one", 4), Some(2));
        assert_eq!(remembered.get("one", 5), None);
    }

    #[test]
    fn what_was_used_least_recently_makes_room() {
        let mut remembered = remembered(&[("one", 1, 10), ("two", 2, 10)]);
        assert_eq!(remembered.get("one", 0), Some(1));
        remembered.keep("three".to_owned(), 3, 10);
        assert_eq!(remembered.get("two", 0), None);
        assert_eq!(remembered.get("one", 0), Some(1));
        assert_eq!(remembered.get("three", 0), Some(3));
    }
}
