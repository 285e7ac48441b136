//! The CRDs as they are installed: generated from the types, with what the derive cannot say added.
