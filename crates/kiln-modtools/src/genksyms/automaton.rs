//! The LALR(1) automaton of a rule list, made at the first use.
//!
//! It settles conflicts and chooses default reductions as Bison does, because the original's treatment
//! of ambiguous and broken declarations follows from that: a shift wins over a reduction, an earlier
//! rule over a later one; a state's most frequent reduction becomes its default, save where the state
//! can shift `error`; and a state that can only do its default does it *before* the next token is read.
//! The last point decides which typedefs and enumeration constants the lexer knows. It does not know
//! what any symbol means.

use std::collections::HashMap;

use super::grammar::{Act, Rule, TERM_COUNT, TERMS, Term, Types};

/// A set of tokens.
type Set = u128;
const _: () = assert!(TERM_COUNT <= 128);

/// A grammar symbol: a token below [`TERM_COUNT`], else a nonterminal.
type Sym = u16;

/// A rule as the parser needs it.
pub struct Reduction {
    /// The nonterminal on the left, counted from 0.
    pub left: u16,
    /// How many symbols are on the right.
    pub len: u8,
    /// What it does.
    pub act: Act,
    /// What the lexer is told.
    pub types: Types,
}

/// What a state does with a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Go to this state with the token.
    Shift(u16),
    /// Reduce by this rule.
    Reduce(u16),
    /// The unit is complete.
    Accept,
    /// A syntax error.
    Fail,
}

/// The automaton.
pub struct Automaton {
    /// The rules; number 0 is the start rule and never reduced.
    pub rules: Vec<Reduction>,
    /// The rule that a state reduces without looking at a token.
    pub unasked: Vec<Option<u16>>,
    steps: Vec<Step>,
    gotos: Vec<u16>,
    nonterms: usize,
}

impl Automaton {
    /// What `state` does when the next token is `term`.
    pub fn step(&self, state: u16, term: Term) -> Step {
        self.steps[usize::from(state) * TERM_COUNT + term as usize]
    }

    /// The state after a reduction to `left` has uncovered `state`.
    pub fn goto(&self, state: u16, left: u16) -> u16 {
        self.gotos[usize::from(state) * self.nonterms + usize::from(left)]
    }

    /// The state that `state` goes to with the token `error`, if it takes part in error recovery.
    pub fn on_error(&self, state: u16) -> Option<u16> {
        match self.step(state, Term::Error) {
            Step::Shift(to) => Some(to),
            _ => None,
        }
    }

    /// Makes the automaton of `rules`; the first rule's left side is the whole text.
    pub fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        Builder::new(rules).build()
    }
}

/// An item: a rule and how much of its right side has been seen.
type Item = u16;
const DOT_BITS: u32 = 3;

fn item(rule: usize, dot: usize) -> Item {
    (rule << DOT_BITS | dot) as Item
}

fn parts(item: Item) -> (usize, usize) {
    (usize::from(item) >> DOT_BITS, usize::from(item) & ((1 << DOT_BITS) - 1))
}

struct State {
    /// The items that the state was entered with, sorted, each with its lookahead.
    kernel: Vec<(Item, Set)>,
    /// Where each symbol leads.
    moves: Vec<(Sym, u16)>,
}

struct Builder {
    rules: Vec<Reduction>,
    right: Vec<Vec<Sym>>,
    /// The rules of each nonterminal.
    of: Vec<Vec<usize>>,
    first: Vec<Set>,
    nullable: Vec<bool>,
    states: Vec<State>,
}

impl Builder {
    fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut symbols: HashMap<&str, Sym> =
            TERMS.iter().map(|&(term, spelling)| (spelling, term as Sym)).collect();
        let rules: Vec<&Rule> = rules.collect();
        for (n, rule) in rules.iter().enumerate() {
            // Nonterminals are numbered in the order of their first rules.
            let next = (TERM_COUNT + n) as Sym;
            symbols.entry(rule.0).or_insert(next);
        }
        let mut dense: Vec<Sym> =
            symbols.values().copied().filter(|&s| usize::from(s) >= TERM_COUNT).collect();
        dense.sort_unstable();
        let number = |s: Sym| match dense.binary_search(&s) {
            Ok(n) => (TERM_COUNT + n) as Sym,
            Err(_) => s,
        };
        let start = TERM_COUNT as Sym;
        let mut b = Builder {
            rules: vec![Reduction { left: 0, len: 2, act: Act::Null, types: Types::Keep }],
            right: vec![vec![start, Term::End as Sym]],
            of: vec![Vec::new(); dense.len()],
            first: vec![0; dense.len()],
            nullable: vec![false; dense.len()],
            states: Vec::new(),
        };
        for &&(left, right, act, types) in &rules {
            let right: Vec<Sym> =
                right.split_ascii_whitespace().map(|s| number(symbols[s])).collect();
            let left = number(symbols[left]) - start;
            b.of[usize::from(left)].push(b.rules.len());
            b.rules.push(Reduction { left, len: right.len() as u8, act, types });
            b.right.push(right);
        }
        b.first_sets();
        b
    }

    fn first_sets(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for rule in 1..self.rules.len() {
                let left = usize::from(self.rules[rule].left);
                let (set, nullable) = self.first_of(&self.right[rule]);
                changed |= self.first[left] | set != self.first[left];
                changed |= nullable && !self.nullable[left];
                self.first[left] |= set;
                self.nullable[left] |= nullable;
            }
        }
    }

    /// The tokens that a row of symbols can begin with, and whether it can be empty.
    fn first_of(&self, row: &[Sym]) -> (Set, bool) {
        let mut set = 0;
        for &sym in row {
            let sym = usize::from(sym);
            if sym < TERM_COUNT {
                return (set | 1 << sym, false);
            }
            set |= self.first[sym - TERM_COUNT];
            if !self.nullable[sym - TERM_COUNT] {
                return (set, false);
            }
        }
        (set, true)
    }

    /// The lookaheads of the rules that may begin in a state, by rule; 0 where a rule may not.
    fn closure(&self, kernel: &[(Item, Set)], ahead: &mut [Set], queue: &mut Vec<usize>) {
        ahead.fill(0);
        queue.clear();
        for &(it, set) in kernel {
            let (rule, dot) = parts(it);
            self.spread(&self.right[rule][dot..], set, ahead, queue);
        }
        while let Some(rule) = queue.pop() {
            self.spread(&self.right[rule], ahead[rule], ahead, queue);
        }
    }

    fn spread(&self, rest: &[Sym], set: Set, ahead: &mut [Set], queue: &mut Vec<usize>) {
        let Some((&sym, after)) = rest.split_first() else { return };
        let Some(nonterm) = usize::from(sym).checked_sub(TERM_COUNT) else { return };
        let (first, empty) = self.first_of(after);
        let set = if empty { first | set } else { first };
        for &rule in &self.of[nonterm] {
            if ahead[rule] | set != ahead[rule] {
                ahead[rule] |= set;
                queue.push(rule);
            }
        }
    }

    fn build(mut self) -> Automaton {
        let mut known: HashMap<Vec<Item>, u16> = HashMap::new();
        known.insert(vec![item(0, 0)], 0);
        self.states.push(State { kernel: vec![(item(0, 0), 0)], moves: Vec::new() });
        let mut work = vec![0usize];
        let mut ahead = vec![0; self.rules.len()];
        let mut queue = Vec::new();
        let mut steps: Vec<(Sym, Item, Set)> = Vec::new();
        while let Some(at) = work.pop() {
            self.closure(&self.states[at].kernel, &mut ahead, &mut queue);
            steps.clear();
            let begun =
                (0..self.rules.len()).filter(|&r| ahead[r] != 0).map(|r| (item(r, 0), ahead[r]));
            for (it, set) in self.states[at].kernel.iter().copied().chain(begun) {
                let (rule, dot) = parts(it);
                if let Some(&sym) = self.right[rule].get(dot) {
                    steps.push((sym, it + 1, set));
                }
            }
            steps.sort_unstable();
            self.states[at].moves.clear();
            for group in steps.chunk_by(|a, b| a.0 == b.0) {
                let items: Vec<Item> = group.iter().map(|g| g.1).collect();
                let next = self.states.len() as u16;
                let to = *known.entry(items).or_insert(next);
                if to == next {
                    let kernel = group.iter().map(|g| (g.1, g.2)).collect();
                    self.states.push(State { kernel, moves: Vec::new() });
                    work.push(usize::from(to));
                } else {
                    let mut grown = false;
                    for (old, new) in self.states[usize::from(to)].kernel.iter_mut().zip(group) {
                        grown |= old.1 | new.2 != old.1;
                        old.1 |= new.2;
                    }
                    if grown && !work.contains(&usize::from(to)) {
                        work.push(usize::from(to));
                    }
                }
                self.states[at].moves.push((group[0].0, to));
            }
        }
        self.tables(&mut ahead, &mut queue)
    }

    fn tables(self, ahead: &mut [Set], queue: &mut Vec<usize>) -> Automaton {
        let nonterms = self.of.len();
        let count = self.states.len();
        let mut steps = vec![Step::Fail; count * TERM_COUNT];
        let mut gotos = vec![0; count * nonterms];
        let mut unasked = vec![None; count];
        for (n, state) in self.states.iter().enumerate() {
            let row = &mut steps[n * TERM_COUNT..(n + 1) * TERM_COUNT];
            self.closure(&state.kernel, ahead, queue);
            let mut reductions: Vec<(usize, Set)> = state
                .kernel
                .iter()
                .map(|&(it, set)| (parts(it), set))
                .filter(|&((rule, dot), _)| dot == self.right[rule].len())
                .map(|((rule, _), set)| (rule, set))
                .collect();
            reductions.extend(
                (1..self.rules.len())
                    .filter(|&r| self.right[r].is_empty() && ahead[r] != 0)
                    .map(|r| (r, ahead[r])),
            );
            reductions.sort_unstable();
            for &(rule, set) in reductions.iter().rev() {
                for (term, step) in row.iter_mut().enumerate() {
                    if set >> term & 1 != 0 {
                        *step = Step::Reduce(rule as u16);
                    }
                }
            }
            let mut shifts = false;
            for &(sym, to) in &state.moves {
                let sym = usize::from(sym);
                if sym >= TERM_COUNT {
                    gotos[n * nonterms + sym - TERM_COUNT] = to;
                    continue;
                }
                shifts = true;
                let accept = sym == Term::End as usize;
                row[sym] = if accept { Step::Accept } else { Step::Shift(to) };
            }
            if !reductions.is_empty() && !matches!(row[Term::Error as usize], Step::Shift(_)) {
                let uses =
                    |rule: usize| row.iter().filter(|&&s| s == Step::Reduce(rule as u16)).count();
                // The first of the most used; `max_by_key` would take the last.
                let most = reductions.iter().rev().map(|&(r, _)| (uses(r), r)).max_by_key(|u| u.0);
                let single = !shifts && reductions.len() == 1;
                if let Some((used, rule)) = most
                    && (used > 0 || single)
                {
                    let default = Step::Reduce(rule as u16);
                    for step in row.iter_mut().filter(|s| **s == Step::Fail) {
                        *step = default;
                    }
                    if row.iter().all(|&s| s == default) {
                        unasked[n] = Some(rule as u16);
                    }
                }
            }
        }
        Automaton { rules: self.rules, unasked, steps, gotos, nonterms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genksyms::{Flavor, grammar};

    #[test]
    fn every_symbol_of_the_rules_is_known_and_used() {
        for flavor in [Flavor::V5_10, Flavor::V6_12, Flavor::V7_2] {
            let lefts: Vec<&str> = grammar::rules(flavor).map(|r| r.0).collect();
            for rule in grammar::rules(flavor) {
                for sym in rule.1.split_ascii_whitespace() {
                    let known = TERMS.iter().any(|t| t.1 == sym) || lefts.contains(&sym);
                    assert!(known, "{sym} in {}", rule.0);
                }
            }
        }
    }
}
