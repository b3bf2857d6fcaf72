//! Bytes, words, % patterns, interned names, typed index vectors, source spans, and the seam to the system.
