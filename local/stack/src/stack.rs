//! Putting it together.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use domain::webhook::Environment;
use emulators::{Emulators, iam::Policies};
use plaid_sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Store, Tables};
use template::Template;
use thiserror::Error;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

use crate::{
    authority::Authority,
    aws_front::AwsFront,
    compile, console, cors,
    function_url::FunctionUrl,
    gateway::Gateway,
    lambda,
    names::{self, AUDIENCE, REGION},
    options::{Options, Plaid},
    output::Output,
    pool::Pool,
    resources::{self, Surroundings},
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
    /// Somebody else listens there.
    #[error("port {0} is taken: --port 0 takes a free one")]
    PortTaken(u16),
    /// Another stack keeps its data there.
    #[error("another stack uses {0}")]
    FolderTaken(PathBuf),
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
    /// Lambda's own API.
    pub lambda_url: String,
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
    _home: Home,
}

/// The built-in sandbox's keys, and what another Plaid is shown where the environment names none.
pub(crate) const CLIENT_ID: &str = "local-client-id";
pub(crate) const SECRET: &str = "local-secret";
/// What the address of webhooks ends in.
const WEBHOOK_PATH: &str = "/plaid/webhook";
/// How long a new item of the built-in sandbox takes for its first 30 days, and for all of its history.
const INITIAL_AFTER: Duration = Duration::from_secs(2);
const HISTORICAL_AFTER: Duration = Duration::from_secs(8);

impl Stack {
    /// Builds the functions and starts everything.
    ///
    /// # Errors
    /// When the template, the code and this machine do not fit together; each error says what does not.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let root = crate::root();
        let template = Template::load(&root.join("template.yaml"))?;
        let functions = template.functions()?;
        resources::every_function_has_an_entry(&root, &functions)?;
        let binaries: Vec<_> = functions.iter().map(|function| function.binary.clone()).collect();
        let programs = compile::functions(&root, &binaries).await?;

        let (log, home) = open_log(&options)?;
        let output = Arc::new(Output::new(options.verbose, &log)?);
        let mut tasks = JoinSet::new();
        let services = Arc::new(Emulators::open(REGION, options.data.clone()).await?);
        let sent = Arc::new(Notify::new());
        let policies = Policies::new(&functions, &names::known(&template, BTreeMap::new()))?;
        let front = AwsFront {
            services: services.clone(),
            policies: Arc::new(policies),
            time_scale: options.time_scale,
            sent: sent.clone(),
            output: output.clone(),
        };
        let aws_url = serve(&mut tasks, listen(0).await?, front.router());
        resources::create(&template, &services, &options).await?;
        let (plaid_url, sandbox) = start_plaid(&mut tasks, &options).await?;
        let issuer = listen(0).await?;
        let authority = Authority::new(issuer.url.clone(), AUDIENCE)?;
        serve(&mut tasks, issuer, authority.clone().router());

        let door = listen(0).await?;
        let webhook_url = format!("{}{WEBHOOK_PATH}", door.url);
        let addresses = Addresses { authority: &authority, plaid_url: &plaid_url, webhook_url: &webhook_url };
        let parameters = parameters(&template, &addresses, options.time_scale);
        let known = names::known(&template, parameters);
        let runtime = RuntimeApi::default();
        let runtime_url = serve(&mut tasks, listen(0).await?, runtime.clone().router());
        let mut pools = BTreeMap::new();
        for function in &functions {
            let program = resources::program(function, &known, &programs, &aws_url)?;
            let most = resources::reserved_concurrency(function, &known)?;
            let at = (runtime.clone(), runtime_url.clone());
            let pool = Pool::new(program, function, most, at, output.clone());
            pools.insert(function.binary.clone(), Arc::new(pool));
        }
        seed::households(&store_at(&aws_url)?).await?;

        let api = listen(options.port).await?;
        let pool = resources::with_url(&functions, &pools)?;
        serve(&mut tasks, door, FunctionUrl { pool, output: output.clone() }.router());
        let page = listen(0).await?;
        let lambda_url = serve(&mut tasks, listen(0).await?, lambda::router(pools.clone()));
        let ready = Ready {
            api_url: api.url.clone(),
            webhook_url,
            plaid_url,
            console_url: page.url.clone(),
            issuer_url: authority.issuer.clone(),
            aws_url,
            lambda_url,
            households: seed::households_by_user(),
            tokens: tokens(&authority)?,
            log,
        };
        serve(&mut tasks, page, console::router(&ready));
        let routes = Arc::new(resources::routes(&functions, &pools)?);
        let cors = Arc::new(cors::Rules::new(&template.api()?.cors, &known)?);
        serve(&mut tasks, api, Gateway { routes, authority, cors, output: output.clone() }.router());
        let surroundings = Surroundings {
            time_scale: options.time_scale,
            known,
            services: services.clone(),
            sent,
            output: output.clone(),
        };
        for source in resources::sources(&functions, &pools, &surroundings, &template)? {
            tasks.spawn(source.run());
        }
        for schedule in resources::schedules(&functions, &pools, &surroundings)? {
            tasks.spawn(schedule.run());
        }
        if let Some(sandbox) = sandbox.clone().filter(|_| options.data.is_some()) {
            tasks.spawn(keep_saving(sandbox, output));
        }
        Ok(Self { ready, pools, sandbox, services, tasks, _home: home })
    }

    /// The built-in sandbox.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// The store, as an operator sees it.
    pub fn store(&self) -> Result<Store, StackError> {
        store_at(&self.ready.aws_url)
    }

    /// How many messages a queue of the template has, those that are being worked on among them.
    pub async fn messages(&self, queue: &str) -> u64 {
        let url = names::queue_url(&names::queue(queue));
        let request = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let answer = self.services.ask("AmazonSQS.GetQueueAttributes", &request).await.unwrap_or_default();
        let number =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        let all = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        all.into_iter().filter_map(number).sum()
    }

    /// All rows of a table of the template, as DynamoDB has them.
    pub async fn rows(&self, table: &str) -> Result<Vec<Value>, StackError> {
        let mut rows = Vec::new();
        let mut request = json!({"TableName": names::table(table)});
        loop {
            let page = self.services.ask("DynamoDB_20120810.Scan", &request).await?;
            rows.extend(page["Items"].as_array().cloned().unwrap_or_default());
            match &page["LastEvaluatedKey"] {
                Value::Null => return Ok(rows),
                last => request["ExclusiveStartKey"] = last.clone(),
            }
        }
    }

    /// The process ids of a function.
    pub fn pids(&self, function: &str) -> BTreeSet<u32> {
        self.pools.get(function).map(|pool| pool.pids()).unwrap_or_default()
    }

    /// Ends a function's idle processes: the next request is a cold start.
    pub fn retire(&self, function: &str) {
        if let Some(pool) = self.pools.get(function) {
            pool.retire();
        }
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

/// Where the log goes: beside everything that is kept, or in a folder that goes with the stack.
fn open_log(options: &Options) -> Result<(PathBuf, Home), StackError> {
    match &options.data {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            let lock = std::fs::File::create(folder.join("lock"))?;
            lock.try_lock().map_err(|_held| StackError::FolderTaken(folder.clone()))?;
            Ok((folder.join("stack.log"), Home::Kept { _lock: lock }))
        }
        None => {
            let folder = tempfile::tempdir()?;
            Ok((folder.path().join("stack.log"), Home::Temporary { _folder: folder }))
        }
    }
}

/// The limits of a minute, which a faster clock makes larger.
const A_MINUTE: [&str; 3] = ["PlaidItemSyncsAMinute", "PlaidClientSyncsAMinute", "NightSyncsAMinute"];

/// What the functions have to know of this machine.
struct Addresses<'a> {
    authority: &'a Authority,
    plaid_url: &'a str,
    webhook_url: &'a str,
}

/// The template's parameters as they are here.
fn parameters(template: &Template, addresses: &Addresses<'_>, time_scale: u32) -> BTreeMap<String, String> {
    let environment = Environment::of_url(addresses.plaid_url).unwrap_or(Environment::Sandbox);
    let mut parameters = BTreeMap::from(
        [
            ("JwtIssuer", addresses.authority.issuer.as_str()),
            ("JwtAudience", AUDIENCE),
            // Whoever develops a page serves it from somewhere on this machine.
            ("CorsOrigins", "*"),
            ("PlaidBaseUrl", addresses.plaid_url),
            ("PlaidEnvironment", environment.as_str()),
            ("PlaidWebhookUrl", addresses.webhook_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let defaults = template.defaults();
    for name in A_MINUTE {
        if let Some(limit) = defaults.get(name).and_then(|limit| limit.parse::<u32>().ok()) {
            parameters.insert(name.to_owned(), limit.saturating_mul(time_scale).to_string());
        }
    }
    parameters
}

/// What a stack holds for as long as it runs.
enum Home {
    /// A folder that is kept: two stacks on one would each think that it is theirs.
    Kept { _lock: std::fs::File },
    /// A folder that goes with the stack.
    Temporary { _folder: tempfile::TempDir },
}

/// Plaid's address, and the sandbox if it is the one that is built in.
async fn start_plaid(
    tasks: &mut JoinSet<()>,
    options: &Options,
) -> Result<(String, Option<Sandbox>), StackError> {
    if let Plaid::At { url, .. } = &options.plaid {
        return Ok((url.clone(), None));
    }
    let scale = options.time_scale.max(1);
    let sandbox = Sandbox::open(plaid_sandbox::Config {
        client_id: CLIENT_ID.to_owned(),
        secret: SECRET.to_owned(),
        initial_after: INITIAL_AFTER / scale,
        historical_after: HISTORICAL_AFTER / scale,
        time_scale: scale,
        seed: options.seed.unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs()),
        file: options.data.as_ref().map(|folder| folder.join("plaid-sandbox.json")),
        clock: Arc::new(edge::system::System),
    })?;
    let sender = sandbox.clone();
    tasks.spawn(async move {
        let Err(error) = sender.deliver().await;
        crate::output::print(&format!("the sandbox's webhooks are not sent: {error}"));
    });
    Ok((serve(tasks, listen(0).await?, sandbox.router()), Some(sandbox)))
}

fn tokens(authority: &Authority) -> Result<BTreeMap<String, String>, StackError> {
    seed::USERS.into_iter().map(|user| Ok((user.to_owned(), authority.token(user)?))).collect()
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

struct Listener {
    socket: TcpListener,
    url: String,
}

async fn listen(port: u16) -> Result<Listener, StackError> {
    let socket = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => StackError::PortTaken(port),
        _ => error.into(),
    })?;
    let url = format!("http://{}", socket.local_addr()?);
    Ok(Listener { socket, url })
}

/// Serves until the stack stops, and gives the address.
fn serve(tasks: &mut JoinSet<()>, listener: Listener, router: Router) -> String {
    tasks.spawn(async move {
        // The accept loop ends with the stack; single connections fail by themselves.
        if let Err(error) = axum::serve(listener.socket, router).await {
            crate::output::print(&format!("a listener stopped: {error}"));
        }
    });
    listener.url
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
