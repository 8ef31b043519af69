//! Dense ids. Each is meaningful only inside the table that gave it.

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into the columns of its table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id!(
    /// A declared stream: its place in the configuration's list of streams.
    StreamId, u16
);
dense_id!(
    /// A declared source: its place in the configuration's list of sources.
    SourceId, u16
);
dense_id!(
    /// A connection, file or peer of a source, unique since the daemon's start.
    ConnId, u64
);
dense_id!(
    /// One key (dimension values and currencies) of a stream, dense per table.
    SeriesId, u32
);
dense_id!(
    /// A watched slice of a stream, dense per table.
    SliceId, u32
);
dense_id!(
    /// A sending host of a source, dense per table; 0 is the unnamed one.
    OriginId, u32
);
