//! Tests of the whole tool on small objects.
