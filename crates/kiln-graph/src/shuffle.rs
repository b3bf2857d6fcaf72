//! `--shuffle`: prerequisites and goals visited in another order than written. It changes the order
//! of visits only, never what automatic variables show.

use kiln_make::{FileId, Make};

use crate::{Goal, Graph};

/// The order to visit prerequisites in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// As written.
    #[default]
    None,
    /// Last to first.
    Reverse,
    /// As written, but on the same paths as the other modes.
    Identity,
    /// By chance, repeatable from the seed.
    Random(u32),
}

impl Mode {
    /// Reads the option's value. `random` takes a seed from the clock.
    ///
    /// # Errors
    /// The text of make's message, without `*** ` and `.  Stop.`.
    pub fn parse(text: &[u8], now: kiln_base::Time) -> Result<Self, Vec<u8>> {
        if text.eq_ignore_ascii_case(b"reverse") {
            return Ok(Mode::Reverse);
        }
        if text.eq_ignore_ascii_case(b"identity") {
            return Ok(Mode::Identity);
        }
        if text.eq_ignore_ascii_case(b"none") {
            return Ok(Mode::None);
        }
        if text.eq_ignore_ascii_case(b"random") {
            let mixed = (now.0 / 1_000_000_000) as u32 ^ (now.0 % 1_000_000_000) as u32;
            return Ok(Mode::Random(next_random(mixed | 1)));
        }
        let fail = |why: &str| {
            let mut message = b"invalid shuffle mode: ".to_vec();
            message.extend_from_slice(why.as_bytes());
            message.extend_from_slice(b": '");
            message.extend_from_slice(text);
            message.push(b'\'');
            Err(message)
        };
        if text.is_empty() {
            return fail("Missing value");
        }
        if !text.iter().all(u8::is_ascii_digit) {
            return fail("Invalid value");
        }
        match std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()) {
            Some(seed) => Ok(Mode::Random(seed)),
            None => fail("Numerical result out of range"),
        }
    }

    /// The value that MAKEFLAGS and messages show; nothing for [`Mode::None`].
    #[must_use]
    pub fn text(self) -> Option<Vec<u8>> {
        match self {
            Mode::None => None,
            Mode::Reverse => Some(b"reverse".to_vec()),
            Mode::Identity => Some(b"identity".to_vec()),
            Mode::Random(seed) => Some(seed.to_string().into_bytes()),
        }
    }
}

/// The step of make's own generator, so that a seed gives the same order here.
fn next_random(mut state: u32) -> u32 {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    state
}

/// Shuffles the goals and everything that can be reached from them.
pub fn goals(graph: &mut Graph, make: &mut Make, goals: &mut [Goal]) {
    if graph.shuffle == Mode::None || make.special.not_parallel {
        return;
    }
    graph.seed();
    let order = graph.permutation(goals.len());
    let written = goals.to_vec();
    for (place, &from) in goals.iter_mut().zip(&order) {
        *place = written[from as usize].clone();
    }
    for goal in written {
        graph.shuffle_file(make, goal.file);
    }
}

impl Graph {
    /// Shuffles a file's prerequisites anew, because they changed, and everything below them that
    /// was not shuffled yet.
    pub(crate) fn shuffle_deps(&mut self, make: &mut Make, f: FileId) {
        if self.shuffle == Mode::None || make.special.not_parallel {
            return;
        }
        self.seed();
        self.order_deps(make, f);
        self.shuffle_below(make, f);
    }

    fn seed(&mut self) {
        if let Mode::Random(seed) = self.shuffle {
            self.random = seed;
        }
    }

    fn shuffle_file(&mut self, make: &mut Make, f: FileId) {
        if std::mem::replace(&mut make.files[f].was_shuffled, true) {
            return;
        }
        self.order_deps(make, f);
        self.shuffle_below(make, f);
    }

    fn shuffle_below(&mut self, make: &mut Make, f: FileId) {
        let below: Vec<FileId> = make.files[f].deps.iter().filter_map(|d| d.file).collect();
        for f in below {
            self.shuffle_file(make, f);
        }
    }

    fn order_deps(&mut self, make: &Make, f: FileId) {
        let deps = &make.files[f].deps;
        // A list with a .WAIT in it keeps its order.
        if deps.iter().any(|d| d.wait_here) || deps.is_empty() {
            return;
        }
        let order = self.permutation(deps.len());
        self.file_mut(f).order = Some(order);
    }

    fn permutation(&mut self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        match self.shuffle {
            Mode::None | Mode::Identity => {}
            Mode::Reverse => order.reverse(),
            Mode::Random(_) => {
                for i in 0..len {
                    if self.random == 0 {
                        // Zero is the generator's fixed point.
                        self.random = 1;
                    }
                    self.random = next_random(self.random);
                    order.swap(i, self.random as usize % len);
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_base::Time;

    #[test]
    fn values() {
        let now = Time(5);
        assert_eq!(Mode::parse(b"REVERSE", now), Ok(Mode::Reverse));
        assert_eq!(Mode::parse(b"12345", now), Ok(Mode::Random(12345)));
        assert_eq!(Mode::parse(b"none", now).unwrap().text(), None);
        assert_eq!(
            Mode::parse(b"x", now),
            Err(b"invalid shuffle mode: Invalid value: 'x'".to_vec())
        );
    }
}
