//! Putting it together.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::Method};
use emulators::Emulators;
use plaid_sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Store, Tables};
use template::{Event, Function, Known, Template};
use thiserror::Error;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

use crate::{
    authority::Authority,
    aws_front::AwsFront,
    compile, console,
    gateway::{Gateway, Route},
    names::{self, AUDIENCE, REGION},
    options::{Options, Plaid},
    output::Output,
    pool::Pool,
    process::Program,
    queue_source::QueueSource,
    runtime_api::RuntimeApi,
    seed,
};

/// The stack could not be started, or a part of it failed.
#[derive(Debug, Error)]
pub enum StackError {
    /// The template is not as it should be.
    #[error(transparent)]
    Template(#[from] template::TemplateError),
    /// A function's settings refer to something that is not there.
    #[error("{0}: {1}")]
    Resource(String, String),
    /// The functions do not compile.
    #[error("the functions do not compile")]
    Build,
    /// The template names a binary that no package builds.
    #[error("the template names {0}, which no package builds")]
    NoBinary(String),
    /// A folder below `functions/` that the template does not know.
    #[error("functions/{0} has no entry in the template")]
    NoEntry(String),
    /// An emulated service.
    #[error(transparent)]
    Emulator(#[from] emulators::EmulatorError),
    /// A file or a port.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Keys could not be made.
    #[error("keys could not be made")]
    Keys,
    /// The households could not be made.
    #[error("the households could not be made: {0}")]
    Seed(String),
    /// A call of our own failed.
    #[error("a call failed")]
    Call(#[from] reqwest::Error),
    /// Something did not turn out as it must.
    #[error("{0}")]
    Unexpected(String),
}

/// What is where, once all is up. What the ready file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// The HTTP API.
    pub api_url: String,
    /// Where Plaid's webhooks go.
    pub webhook_url: String,
    /// Plaid.
    pub plaid_url: String,
    /// The page.
    pub console_url: String,
    /// The issuer of tokens.
    pub issuer_url: String,
    /// What stands for AWS.
    pub aws_url: String,
    /// Households by the name of one of their members.
    pub households: BTreeMap<String, String>,
    /// Tokens by user.
    pub tokens: BTreeMap<String, String>,
    /// The log of everything.
    pub log: PathBuf,
}

/// The whole system, running. Everything ends when it is dropped.
pub struct Stack {
    /// What is where.
    pub ready: Ready,
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    pub(crate) sandbox: Option<Sandbox>,
    /// The emulated services.
    pub services: Arc<Emulators>,
    tasks: JoinSet<()>,
    _folder: Option<tempfile::TempDir>,
}

/// The built-in sandbox's keys, and what another Plaid is shown where the environment names none.
pub(crate) const CLIENT_ID: &str = "local-client-id";
pub(crate) const SECRET: &str = "local-secret";
/// How long a new item of the built-in sandbox takes for its first 30 days, and for all of its history.
const INITIAL_AFTER: Duration = Duration::from_secs(2);
const HISTORICAL_AFTER: Duration = Duration::from_secs(8);

struct Listener {
    socket: TcpListener,
    url: String,
}

async fn listen(port: u16) -> Result<Listener, StackError> {
    let socket = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", socket.local_addr()?);
    Ok(Listener { socket, url })
}

fn serve(tasks: &mut JoinSet<()>, listener: Listener, router: Router) {
    tasks.spawn(async move {
        // The accept loop ends with the stack; single connections fail by themselves.
        if let Err(error) = axum::serve(listener.socket, router).await {
            crate::output::print(&format!("a listener stopped: {error}"));
        }
    });
}

impl Stack {
    /// Builds the functions and starts everything.
    ///
    /// # Errors
    /// When the template, the code and this machine do not fit together; each error says what does not.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let root = crate::root();
        let template = Template::load(&root.join("template.yaml"))?;
        let functions = template.functions()?;
        every_function_has_an_entry(&root, &functions)?;
        let binaries: Vec<_> = functions.iter().map(|function| function.binary.clone()).collect();
        let programs = compile::functions(&root, &binaries).await?;

        let temporary = if options.data.is_none() { Some(tempfile::tempdir()?) } else { None };
        let folder =
            options.data.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
        let folder = folder.unwrap_or_default();
        std::fs::create_dir_all(&folder)?;
        let log = folder.join("stack.log");
        let output = Arc::new(Output::new(options.verbose, &log)?);

        let mut tasks = JoinSet::new();
        let services = Arc::new(Emulators::open(REGION, options.data.clone()).await?);
        let sent = Arc::new(Notify::new());
        let scale = options.time_scale.max(1);
        let aws = listen(0).await?;
        let front = AwsFront { services: services.clone(), time_scale: scale, sent: sent.clone() };
        let aws_url = aws.url.clone();
        serve(&mut tasks, aws, front.router());
        create_resources(&template, &services, &options, scale).await?;

        let sandbox = match &options.plaid {
            Plaid::BuiltIn => Some(open_sandbox(&options, scale)?),
            Plaid::At { .. } => None,
        };
        let plaid_url = match (&options.plaid, &sandbox) {
            (Plaid::At { url, .. }, _) => url.clone(),
            (Plaid::BuiltIn, Some(sandbox)) => {
                let listener = listen(0).await?;
                let url = listener.url.clone();
                serve(&mut tasks, listener, sandbox.router());
                url
            }
            (Plaid::BuiltIn, None) => return Err(StackError::Unexpected("no Plaid".to_owned())),
        };

        let issuer = listen(0).await?;
        let authority = Authority::new(issuer.url.clone(), AUDIENCE)?;
        serve(&mut tasks, issuer, authority.clone().router());

        let parameters = BTreeMap::from([
            ("JwtIssuer".to_owned(), authority.issuer.clone()),
            ("JwtAudience".to_owned(), AUDIENCE.to_owned()),
            ("PlaidBaseUrl".to_owned(), plaid_url.clone()),
        ]);
        let known = names::known(&template, parameters, &services.key_arn());
        let runtime = RuntimeApi::default();
        let runtime_api = listen(0).await?;
        let runtime_url = runtime_api.url.clone();
        serve(&mut tasks, runtime_api, runtime.clone().router());
        let mut pools = BTreeMap::new();
        for function in &functions {
            let program = program(function, &known, &programs, &aws_url)?;
            let timeout = Duration::from_secs(function.timeout_s);
            let api = (runtime.clone(), runtime_url.clone());
            let pool = Pool::new(program, timeout, function.reserved_concurrency, api, output.clone());
            pools.insert(function.binary.clone(), Arc::new(pool));
        }

        let store = Store::new(&sdk_config(&aws_url)?, tables());
        seed::households(&store).await?;

        let api = listen(options.port).await?;
        let (webhook, page) = (listen(0).await?, listen(0).await?);
        let mut tokens = BTreeMap::new();
        for user in seed::USERS {
            tokens.insert(user.to_owned(), authority.token(user)?);
        }
        let ready = Ready {
            api_url: api.url.clone(),
            webhook_url: format!("{}/plaid/webhook", webhook.url),
            plaid_url,
            console_url: page.url.clone(),
            issuer_url: authority.issuer.clone(),
            aws_url,
            households: [("alice", seed::ALICES), ("carol", seed::ALICES), ("bob", seed::BOBS)]
                .map(|(user, household)| (user.to_owned(), household.to_owned()))
                .into(),
            tokens,
            log,
        };
        let routes = Arc::new(routes(&functions, &pools)?);
        serve(&mut tasks, api, Gateway { routes, authority, output: output.clone() }.router());
        // No function of the template has a URL yet: what arrives is told so.
        serve(&mut tasks, webhook, Router::new());
        serve(&mut tasks, page, console::router(&ready));
        for source in sources(&functions, &pools, &known, &services, &sent, &output)? {
            tasks.spawn(source.run());
        }
        if let Some(sandbox) = sandbox.clone().filter(|_| options.data.is_some()) {
            tasks.spawn(keep_saving(sandbox, output));
        }
        Ok(Self { ready, pools, sandbox, services, tasks, _folder: temporary })
    }

    /// The built-in sandbox.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// The store, as an operator sees it.
    pub fn store(&self) -> Result<Store, StackError> {
        Ok(Store::new(&sdk_config(&self.ready.aws_url)?, tables()))
    }

    /// The process ids of a function.
    pub fn pids(&self, function: &str) -> BTreeSet<u32> {
        self.pools.get(function).map(|pool| pool.pids()).unwrap_or_default()
    }

    /// Ends everything and keeps what is to be kept.
    pub async fn stop(mut self) -> Result<(), StackError> {
        self.tasks.shutdown().await;
        if let Some(sandbox) = &self.sandbox {
            sandbox.save()?;
        }
        Ok(())
    }
}

fn every_function_has_an_entry(root: &Path, functions: &[Function]) -> Result<(), StackError> {
    for entry in std::fs::read_dir(root.join("functions"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_package = entry.path().join("Cargo.toml").exists();
        if is_package && !functions.iter().any(|function| function.binary == name) {
            return Err(StackError::NoEntry(name));
        }
    }
    Ok(())
}

fn open_sandbox(options: &Options, scale: u32) -> Result<Sandbox, StackError> {
    let config = plaid_sandbox::Config {
        client_id: CLIENT_ID.to_owned(),
        secret: SECRET.to_owned(),
        initial_after: INITIAL_AFTER / scale,
        historical_after: HISTORICAL_AFTER / scale,
        seed: options.seed.unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs()),
        file: options.data.as_ref().map(|folder| folder.join("plaid-sandbox.json")),
    };
    Ok(Sandbox::open(config)?)
}

/// Writes the sandbox's world down every second: a stack that is killed loses a second of it at most.
async fn keep_saving(sandbox: Sandbox, output: Arc<Output>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(error) = sandbox.save() {
            output.say(&format!("the sandbox's world cannot be kept: {error}"));
        }
    }
}

async fn create_resources(
    template: &Template,
    services: &Emulators,
    options: &Options,
    scale: u32,
) -> Result<(), StackError> {
    for table in template.tables() {
        services.create_table(&names::table(&table.id), &table.definition, table.ttl.as_deref()).await?;
    }
    let (plain, redriving): (Vec<_>, Vec<_>) =
        template.queues().into_iter().partition(|queue| queue.dead_letters.is_none());
    let known = names::known(template, BTreeMap::new(), &services.key_arn());
    for queue in plain.into_iter().chain(redriving) {
        let visibility = queue.visibility_s.div_ceil(u64::from(scale));
        let mut attributes = json!({"VisibilityTimeout": visibility.to_string()});
        if let Some((target, receives)) = &queue.dead_letters {
            let target = known.text(target).map_err(|why| StackError::Resource(queue.id.clone(), why))?;
            let policy = json!({"deadLetterTargetArn": target, "maxReceiveCount": receives.to_string()});
            attributes["RedrivePolicy"] = json!(policy.to_string());
        }
        let request = json!({"QueueName": names::queue(&queue.id), "Attributes": attributes});
        services.ask("AmazonSQS.CreateQueue", &request).await?;
    }
    let (client_id, secret) = match &options.plaid {
        Plaid::BuiltIn => (CLIENT_ID, SECRET),
        Plaid::At { client_id, secret, .. } => (client_id.as_str(), secret.as_str()),
    };
    for id in template.of_type("AWS::SecretsManager::Secret").into_keys() {
        let text = json!({"client_id": client_id, "secret": secret}).to_string();
        let request = json!({"Name": names::secret(&id), "SecretString": text});
        services.ask("secretsmanager.CreateSecret", &request).await?;
    }
    Ok(())
}

fn program(function: &Function, known: &Known, folder: &Path, aws_url: &str) -> Result<Program, StackError> {
    let mut environment = BTreeMap::from(
        [
            ("AWS_LAMBDA_FUNCTION_NAME", function.binary.as_str()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", aws_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    environment.insert("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), function.memory_mb.to_string());
    for (name, value) in &function.environment {
        let value = known.text(value).map_err(|why| StackError::Resource(function.id.clone(), why))?;
        environment.insert(name.clone(), value);
    }
    Ok(Program { binary: function.binary.clone(), path: folder.join(&function.binary), environment })
}

fn routes(functions: &[Function], pools: &BTreeMap<String, Arc<Pool>>) -> Result<Vec<Route>, StackError> {
    let mut routes = Vec::new();
    for function in functions {
        let Some(pool) = pools.get(&function.binary) else { continue };
        for event in &function.events {
            let Event::Http { method, path, authorized } = event else { continue };
            let method = Method::from_bytes(method.as_bytes()).map_err(|_unknown| {
                StackError::Resource(function.id.clone(), format!("the method {method}"))
            })?;
            routes.push(Route { method, path: path.clone(), authorized: *authorized, pool: pool.clone() });
        }
    }
    Ok(routes)
}

fn sources(
    functions: &[Function],
    pools: &BTreeMap<String, Arc<Pool>>,
    known: &Known,
    services: &Arc<Emulators>,
    sent: &Arc<Notify>,
    output: &Arc<Output>,
) -> Result<Vec<QueueSource>, StackError> {
    let mut sources = Vec::new();
    for function in functions {
        let Some(pool) = pools.get(&function.binary) else { continue };
        for event in &function.events {
            let Event::Queue { queue, batch_size, partial_failures, concurrency } = event else { continue };
            let text =
                |value| known.text(value).map_err(|why| StackError::Resource(function.id.clone(), why));
            let arn = text(queue)?;
            let concurrency = concurrency.as_ref().map(text).transpose()?;
            sources.push(QueueSource {
                services: services.clone(),
                queue: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                batch_size: *batch_size,
                partial_failures: *partial_failures,
                concurrency: concurrency.and_then(|text| text.parse().ok()).unwrap_or(10),
                pool: pool.clone(),
                sent: sent.clone(),
                output: output.clone(),
            });
        }
    }
    Ok(sources)
}

fn tables() -> Tables {
    Tables { data: names::table("DataTable"), guards: names::table("GuardsTable") }
}

/// The SDK's configuration for the services here.
pub(crate) fn sdk_config(aws_url: &str) -> Result<aws::SdkConfig, StackError> {
    let read = |name: &str| match name {
        "AWS_REGION" => Some(REGION.to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "AWS_ENDPOINT_URL" => Some(aws_url.to_owned()),
        _ => None,
    };
    let settings =
        aws::Settings::from_env(read).map_err(|error| StackError::Unexpected(error.to_string()))?;
    aws::sdk_config(settings).map_err(|error| StackError::Unexpected(error.to_string()))
}

/// The store of a stack that runs elsewhere.
pub(crate) fn store_at(aws_url: &str) -> Result<Store, StackError> {
    Ok(Store::new(&sdk_config(aws_url)?, tables()))
}
