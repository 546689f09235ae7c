//! Room for requests: to run, or to wait for that.
//!
//! Half of the places are for all components. The other half is divided among them, so that a component whose requests
//! hang does not take the last place of another.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places that there are.
pub(crate) struct Room {
    of_all: Places,
    of_one: HashMap<String, Places>,
}

struct Places {
    number: usize,
    free: Arc<Semaphore>,
}

impl Places {
    fn new(number: usize) -> Self {
        Self {
            number,
            free: Arc::new(Semaphore::new(number)),
        }
    }
}

impl Room {
    /// So many places for these components.
    pub(crate) fn new<'a>(number: usize, components: impl ExactSizeIterator<Item = &'a String>) -> Self {
        let of_one = number / 2 / components.len().max(1);
        let of_all = number - of_one * components.len();
        Self {
            of_all: Places::new(of_all),
            of_one: components.map(|id| (id.clone(), Places::new(of_one))).collect(),
        }
    }

    /// A place for a component, if there is one.
    pub(crate) fn try_take(&self, component: &str) -> Option<OwnedSemaphorePermit> {
        let [own, shared] = self.free_for(component);
        own.try_acquire_owned()
            .or_else(|_| shared.try_acquire_owned())
            .ok()
    }

    /// A place for a component, once there is one.
    pub(crate) async fn take(&self, component: &str) -> Option<OwnedSemaphorePermit> {
        let [own, shared] = self.free_for(component);
        tokio::select! {
            permit = own.acquire_owned() => permit.ok(),
            permit = shared.acquire_owned() => permit.ok(),
        }
    }

    /// A component that is not known has none of its own.
    fn free_for(&self, component: &str) -> [Arc<Semaphore>; 2] {
        let own = self.of_one.get(component).unwrap_or(&self.of_all);
        [own.free.clone(), self.of_all.free.clone()]
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        let taken = |places: &Places| places.number.saturating_sub(places.free.available_permits());
        self.places().map(taken).sum()
    }

    /// Waits until no place is taken.
    pub(crate) async fn wait_until_empty(&self) {
        let mut all = Vec::new();
        for places in self.places() {
            let number = u32::try_from(places.number).unwrap_or(u32::MAX);
            all.push(places.free.acquire_many(number).await);
        }
    }

    fn places(&self) -> impl Iterator<Item = &Places> {
        self.of_one.values().chain([&self.of_all])
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn take_all(room: &Room, component: &str) -> Vec<OwnedSemaphorePermit> {
        iter::from_fn(|| room.try_take(component)).collect()
    }

    #[test]
    fn a_component_leaves_the_others_their_own_places() {
        let ids = ["a", "b"].map(str::to_owned);
        let room = Room::new(10, ids.iter());
        let greedy = take_all(&room, "a");
        let others = take_all(&room, "b");
        assert_eq!((greedy.len(), others.len(), room.taken()), (8, 2, 10));
        drop(greedy);
        assert_eq!(room.taken(), 2);
        assert_eq!(take_all(&room, "b").len(), 6);
    }

    #[test]
    fn a_component_that_is_alone_has_all_places() {
        for number in 0..5 {
            let room = Room::new(number, ["a".to_owned()].iter());
            assert_eq!(take_all(&room, "a").len(), number);
        }
    }
}
