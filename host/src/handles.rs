//! The handles of one kind that an instance has open, such as its connections to Redis.

use std::collections::HashMap;

use wasmtime::component::Resource;

/// Open handles by number.
pub(crate) struct Handles<T> {
    open: HashMap<u32, T>,
    last: u32,
    max: usize,
}

impl<T> Handles<T> {
    /// No open handles, and room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            open: HashMap::new(),
            last: 0,
            max,
        }
    }

    /// Opens a handle, or returns `None` if too many are open. `H` is the bindings' name for it.
    pub(crate) fn open<H: 'static>(&mut self, value: T) -> Option<Resource<H>> {
        if self.open.len() == self.max {
            return None;
        }
        self.last += 1;
        self.open.insert(self.last, value);
        Some(Resource::new_own(self.last))
    }

    pub(crate) fn get<H: 'static>(&mut self, handle: &Resource<H>) -> wasmtime::Result<&mut T> {
        self.open
            .get_mut(&handle.rep())
            .ok_or_else(|| wasmtime::Error::msg("unknown handle"))
    }

    pub(crate) fn close<H: 'static>(&mut self, handle: &Resource<H>) {
        self.open.remove(&handle.rep());
    }
}
