//! Where the programs are that the testbed starts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders below the workspace")
}

/// Names the folder of `etcd`, `kube-apiserver` and `kubectl`, if they are not the ones of `tools/build`.
pub(crate) const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The path in a variable of the environment; an empty one counts as none, as it does in a shell script.
///
/// It is made absolute because Cargo runs each test in its package's folder.
pub(crate) fn path_in(variable: &str) -> Result<Option<PathBuf>> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    path.map(|path| std::path::absolute(path).with_context(|| format!("the path in {variable}")))
        .transpose()
}

/// `etcd`, `kube-apiserver`, `kube-controller-manager` or `kubectl`: from the folder in `KUBEBUILDER_ASSETS`, else as `tools/build` left it.
///
/// # Errors
/// If it is not there.
pub fn kubernetes(name: &str) -> Result<PathBuf> {
    let folder = path_in(ASSETS_VARIABLE)?.unwrap_or_else(|| workspace().join(".cache/bin"));
    let program = folder.join(name);
    ensure!(
        program.is_file(),
        "{} does not exist: run `make tools`, or set KUBEBUILDER_ASSETS",
        program.display()
    );
    Ok(program)
}

/// The program of this crate, which is also its own supervisor.
pub(crate) fn testbed() -> Result<PathBuf> {
    built("dws-testbed")
}

/// A program of this workspace, from the folder that Cargo built the running program into.
///
/// A test lies in `target/<profile>/deps`, a program one folder above it.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("finding the running program")?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is not built: run `make build`"))
}
