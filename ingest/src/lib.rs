//! Lambda: beacons in, hits on Kinesis.
