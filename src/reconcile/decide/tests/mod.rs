//! The decisions, told as stories and proven in a small world.

mod arbitrary;
mod builder;
mod observations;
mod properties;
mod world;
