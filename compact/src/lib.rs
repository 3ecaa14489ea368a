//! Lambdas: append and merge.
