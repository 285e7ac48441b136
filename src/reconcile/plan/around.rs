//! What is set around an object, beyond its spec: on the operator, on its Namespace, and in the installation.

pub use crate::api::data_source::DeletionPolicy;

/// What surrounds an object, as far as decisions read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Around {
    /// This install, as it writes itself into `status.controller`.
    pub install: String,
    /// What the operator's flags say.
    pub operator: OperatorPolicy,
    /// What the object's Namespace says.
    pub namespace: NamespaceView,
    /// Whether the definition of the kind stays.
    pub definition: DefinitionView,
    /// How the other install does that claims the object; none if nobody has looked.
    pub claimer: Option<ClaimerView>,
}

/// What the operator's flags say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperatorPolicy {
    /// Whether everything is paused.
    pub paused: bool,
    /// What becomes of a data source where neither its object nor the Namespace says so.
    pub deletion_policy: DeletionPolicy,
}

/// What a Namespace says of the objects in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamespaceView {
    /// The operator lacks the permission to read it, and why that matters for the user.
    Forbidden(String),
    /// It could not be read now, and why.
    Unreadable(String),
    /// It was read since the pass began.
    Read {
        /// Its name.
        name: String,
        /// Whether it asks for a pause.
        paused: bool,
        /// What becomes of data sources whose object does not say so.
        deletion_policy: Option<PolicyWord>,
    },
}

/// The value of an annotation that should be a deletion policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PolicyWord {
    /// It is one.
    Known(DeletionPolicy),
    /// It is not, in one bounded line.
    Unknown(String),
}

/// Whether the definition of the kind stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionView {
    /// Nobody has looked in this pass.
    Unasked,
    /// It could not be read now, and why.
    Unreadable(String),
    /// It stays, or nobody may find out.
    Stays,
    /// It is being deleted, and with it all objects.
    Leaving,
}

/// How another install does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimerView {
    /// Its Lease is held, or whether it is cannot be found out.
    Lives,
    /// Its Lease has ended, was released, or is gone.
    Ended,
}
