//! Vectors whose index is a type of its own, so that a file's number cannot be used for a rule.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A small number that names an element of one [`IndexVec`].
pub trait Id: Copy + Eq {
    /// The id of element `i`.
    fn new(i: usize) -> Self;
    /// The element's position.
    fn index(self) -> usize;
}

/// Declares an id type: `define_id!(/// doc  FileId);`.
#[macro_export]
macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        // The number plus one, so that an `Option` of it takes no more room.
        pub struct $name(std::num::NonZeroU32);
        impl $name {
            /// The id of the first element.
            pub const FIRST: $name = $name(std::num::NonZeroU32::MIN);
        }
        impl $crate::Id for $name {
            fn new(i: usize) -> Self {
                let next = u32::try_from(i).ok().and_then(|i| i.checked_add(1));
                let next = next.and_then(std::num::NonZeroU32::new);
                $name(next.expect("more than 2^32 elements of one kind"))
            }
            fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    };
}

/// A vector indexed by `I` only.
#[derive(Clone, Debug)]
pub struct IndexVec<I, T> {
    items: Vec<T>,
    id: PhantomData<fn(I)>,
}

impl<I: Id, T> IndexVec<I, T> {
    /// An empty vector.
    #[must_use]
    pub fn new() -> Self {
        IndexVec { items: Vec::new(), id: PhantomData }
    }

    /// Makes room for so many more elements.
    pub fn reserve(&mut self, more: usize) {
        self.items.reserve(more);
    }

    /// Appends and returns the new element's id.
    pub fn push(&mut self, item: T) -> I {
        let id = I::new(self.items.len());
        self.items.push(item);
        id
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All ids in order of creation.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    /// All elements in order of creation.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The element, if the id is of this vector.
    pub fn get(&self, id: I) -> Option<&T> {
        self.items.get(id.index())
    }

    /// Takes an element out; those behind it move up, so ids above `id` change their meaning.
    pub fn remove(&mut self, id: I) -> T {
        self.items.remove(id.index())
    }

    /// Makes the vector at least `n` long.
    pub fn grow_to(&mut self, n: usize, make: impl FnMut() -> T) {
        if self.items.len() < n {
            self.items.resize_with(n, make);
        }
    }
}

impl<I: Id, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Id, T> Index<I> for IndexVec<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for IndexVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}
