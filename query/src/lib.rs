//! Lambda: the metrics API.
