//! The decisions, told as stories and proven in a small world.

mod builder;
mod properties;
mod world;
