//! The objects of Kubernetes as far as an app needs them, for a serialiser.
//!
//! Fields have the names and the order of the API reference (<https://kubernetes.io/docs/reference/kubernetes-api/>).

use std::collections::BTreeMap;

use serde::Serialize;

/// Pods that are all the same, kept running.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

impl Deployment {
    /// Returns one.
    pub fn new(metadata: Metadata, spec: Spec) -> Deployment {
        Deployment { api_version: "apps/v1", kind: "Deployment", metadata, spec }
    }
}

/// A pod that runs once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: JobSpec,
}

impl Job {
    /// Returns one.
    pub fn new(metadata: Metadata, spec: JobSpec) -> Job {
        Job { api_version: "batch/v1", kind: "Job", metadata, spec }
    }
}

/// One address for many pods.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: ServiceSpec,
}

impl Service {
    /// Returns one.
    pub fn new(metadata: Metadata, spec: ServiceSpec) -> Service {
        Service { api_version: "v1", kind: "Service", metadata, spec }
    }
}

/// Variables that everybody may see.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    data: BTreeMap<String, String>,
}

impl ConfigMap {
    /// Returns one.
    pub fn new(metadata: Metadata, variables: impl IntoIterator<Item = (String, String)>) -> ConfigMap {
        let mut data = BTreeMap::new();
        data.extend(variables);
        ConfigMap { api_version: "v1", kind: "ConfigMap", metadata, data }
    }
}

/// A Secret without its values.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    string_data: BTreeMap<String, String>,
}

impl Example {
    /// Returns one.
    pub fn new(metadata: Metadata, variables: impl IntoIterator<Item = (String, String)>) -> Example {
        let mut string_data = BTreeMap::new();
        string_data.extend(variables);
        Example { api_version: "v1", kind: "Secret", metadata, string_data }
    }
}

/// The files that belong together, and which image they run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kustomization {
    api_version: &'static str,
    kind: &'static str,
    resources: Vec<String>,
    images: Vec<ImageOverride>,
}

impl Kustomization {
    /// Returns one.
    pub fn new(resources: Vec<String>, images: Vec<ImageOverride>) -> Kustomization {
        Kustomization {
            api_version: "kustomize.config.k8s.io/v1beta1",
            kind: "Kustomization",
            resources,
            images,
        }
    }
}

/// What an object is called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// What it is found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<&'static str, String>>,
}

/// What the pods of a template are found by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Labels {
    /// The labels.
    pub labels: BTreeMap<&'static str, String>,
}

/// What a Deployment keeps running.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// How many pods.
    pub replicas: usize,
    /// Which pods are its own.
    pub selector: Selector,
    /// What a pod is like.
    pub template: Template,
}

/// What a Job runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// How many pods have to end well, and run at once, where it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<usize>,
    /// How many of them run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// How often it is tried again.
    pub backoff_limit: u32,
    /// What its pod is like.
    pub template: Template,
}

/// Which pods a Deployment owns.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// The labels that they have.
    pub match_labels: BTreeMap<&'static str, String>,
}

/// What a pod is like.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Its labels.
    pub metadata: Labels,
    /// What it runs.
    pub spec: PodSpec,
}

/// What a pod runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// How long it has to end.
    pub termination_grace_period_seconds: u64,
    /// Whether process 1 is the pod's, not the container's.
    pub share_process_namespace: bool,
    /// Whether each Service of the namespace sets variables.
    pub enable_service_links: bool,
    /// When a container that ended is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<&'static str>,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// What it runs.
    pub containers: [Container; 1],
}

/// Who runs a pod.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// The number of the user.
    pub run_as_user: i64,
}

/// A process.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What it executes, in place of the image's entry point and command.
    pub command: [String; 3],
    /// Variables by the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_from: Option<Vec<EnvFrom>>,
    /// Variables one by one, which win.
    pub env: Vec<Variable>,
    /// Whether something may be typed, without which there is no terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
    /// Whether it has a terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// Where it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<ContainerPort>>,
    /// Whether it has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Whether it may get requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Whether it has to be started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
}

/// Where a container listens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// What the port is called.
    pub name: &'static str,
    /// Its number.
    pub container_port: u16,
}

/// What is behind a Service.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The labels of its pods.
    pub selector: BTreeMap<&'static str, String>,
    /// Where it is reached.
    pub ports: [ServicePort; 1],
}

/// Where a Service is reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// What the port is called.
    pub name: &'static str,
    /// Its number.
    pub port: u16,
    /// The container's port behind it.
    pub target_port: &'static str,
}

/// Which image is meant by a name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageOverride {
    /// The name in the objects.
    pub name: String,
    /// The tag that it gets.
    pub new_tag: &'static str,
}

/// A look at whether a container is well.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is tried.
    #[serde(flatten)]
    pub look: Look,
    /// How long that may take, if not a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// How often.
    pub period_seconds: u64,
    /// How many failures in a row count.
    pub failure_threshold: u64,
}

/// What a probe tries.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Look {
    /// A connection to a port.
    TcpSocket(TcpSocket),
    /// A request over HTTP to the pod.
    HttpGet(HttpGet),
    /// A command.
    Exec(Exec),
}

/// A connection to be made.
#[derive(Clone, Serialize)]
pub struct TcpSocket {
    /// To which port.
    pub port: Port,
}

/// A request to be made.
#[derive(Clone, Serialize)]
pub struct HttpGet {
    /// For what.
    pub path: String,
    /// Where.
    pub port: Port,
}

/// A command to be run.
#[derive(Clone, Serialize)]
pub struct Exec {
    /// Its words.
    pub command: [String; 3],
}

/// A container's port.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub enum Port {
    /// By what it is called.
    Name(&'static str),
    /// By its number.
    Number(u16),
}

impl Probe {
    /// Returns a look at a port every `period` seconds that fails for good after `failures` times.
    pub fn of(port: &'static str, period: u64, failures: u64) -> Probe {
        let look = Look::TcpSocket(TcpSocket { port: Port::Name(port) });
        Probe { look, timeout_seconds: None, period_seconds: period, failure_threshold: failures }
    }
}

/// Variables by the map.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    config_map_ref: Named,
}

#[derive(Serialize)]
struct Named {
    name: String,
}

impl EnvFrom {
    /// Returns all variables of a ConfigMap.
    pub fn config_map(name: String) -> EnvFrom {
        EnvFrom { config_map_ref: Named { name } }
    }
}

/// A variable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    name: String,
    #[serde(flatten)]
    value: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    Value(String),
    ValueFrom(Source),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    FieldRef(Field),
    SecretKeyRef(Secret),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    field_path: &'static str,
}

#[derive(Serialize)]
struct Secret {
    name: String,
    key: String,
}

impl Variable {
    /// Returns a variable with a value in which Kubernetes finds nothing to expand.
    pub fn plain(name: &str, value: String) -> Variable {
        Variable { name: name.to_owned(), value: Value::Value(value) }
    }

    /// Returns a variable that is the pod's name.
    pub fn pod_name(name: &str) -> Variable {
        let source = Source::FieldRef(Field { field_path: "metadata.name" });
        Variable { name: name.to_owned(), value: Value::ValueFrom(source) }
    }

    /// Returns a variable that is the value of the same name in a Secret.
    pub fn secret(name: &str, secret: String) -> Variable {
        let source = Source::SecretKeyRef(Secret { name: secret, key: name.to_owned() });
        Variable { name: name.to_owned(), value: Value::ValueFrom(source) }
    }
}
