//! Which Secrets carry the operator's finalizer, as their providers record it.

use kube::api::ObjectMeta;

use super::finding::Finding;
use super::inventory::Inventory;
use crate::reconcile::protection;
use crate::runtime::settings::ClusterArgs;

/// The providers' metadata, by kind.
fn providers(inventory: &Inventory) -> impl Iterator<Item = (&'static str, &ObjectMeta)> {
    let own = inventory
        .providers
        .iter()
        .map(|provider| ("DwsProvider", &provider.metadata));
    let lent = inventory.cluster_providers.iter();
    own.chain(lent.map(|provider| ("ClusterDwsProvider", &provider.metadata)))
}

/// Whether any provider records a guarded Secret: then the operator needs the right to set it free, with `--guard-secrets` or without.
pub fn any(inventory: &Inventory) -> bool {
    providers(inventory).any(|(_, metadata)| !protection::guarded(metadata).is_empty())
}

/// The findings: one for each provider that records a guarded Secret. Without `--guard-secrets` an operator takes the finalizers off.
pub fn findings(args: &ClusterArgs, inventory: &Inventory) -> Vec<Finding> {
    let recorded = providers(inventory).map(|(kind, metadata)| (kind, metadata, protection::guarded(metadata)));
    recorded
        .filter(|(_, _, names)| !names.is_empty())
        .map(|(kind, metadata, names)| {
            let place = [&metadata.namespace, &metadata.name].into_iter().flatten();
            let place = place.cloned().collect::<Vec<_>>().join("/");
            let subject = format!("guarded Secrets of {kind} {place}");
            let until = if args.secrets.guard_secrets {
                "as long as data sources use the provider"
            } else {
                "until an operator without --guard-secrets has taken it off"
            };
            Finding::ok(
                subject,
                format!("{} carry the operator's finalizer {until}", names.join(", ")),
            )
        })
        .collect()
}
