/** Definitions of `config`, `models`, `catalog`, `memory export` and `import`, `embed`, `wasm`, `image`, `status` and `doctor`. */
import { isAdministrator } from '../../runner/index.ts'
import { Option } from 'commander'
import { maxToolMemoryMib, maxToolSeconds } from '../limits.ts'
import {
  type AddVerbs,
  alwaysJson,
  collect,
  dryRunOption,
  examples,
  guestVerb,
  parseAmount,
  parseCount,
  plainVerb,
  userVerb,
  verbGroup,
} from '../verb-parts.ts'

const shows = () => import('./config.ts')
const changes = () => import('./config-change.ts')

export const addSetupVerbs: AddVerbs = (program, terminal, choose) => {
  addInit(program, terminal, choose)
  const config = verbGroup(
    program.command('config'),
    'show and change the configuration',
    'oxbow config',
    'oxbow config set approval.mode manual',
    'oxbow config edit',
  )
  const verb = (usage: string, summary: string, ...lines: readonly string[]) =>
    plainVerb(config.command(usage), summary)
      .option('--user <user>', 'of one user, not of all')
      .option('--space <space>', 'of one space, not of all')
      .addHelpText('after', examples(...lines))
  verb('list', 'list the keys that differ from their defaults', 'oxbow config list', 'oxbow config list --all --json')
    .option('--all', 'list every key')
    .option('--json', 'print one JSON object per line')
    .action((options) => choose(async () => (await shows()).configList(options, terminal)))
  verb('get <setting>', 'show one value, as all files together give it', 'oxbow config get model.name')
    .option('--json', 'print the value as JSON')
    .action((key, options) => choose(async () => (await shows()).configGet(key, options, terminal)))
  verb('explain <setting>', 'show where a value comes from: each file and line that names it', 'oxbow config explain approval.mode')
    .option('--json', 'print one JSON object')
    .action((key, options) => choose(async () => (await shows()).configExplain(key, options, terminal)))
  verb(
    'set <setting> <value> [more...]',
    'change values in config.toml and keep the rest of the file',
    'oxbow config set sandbox.memory_mb 2048',
    'oxbow config set model.provider anthropic model.name claude-sonnet-4-5',
  )
    .option(...dryRunOption)
    .option('--json', 'print one JSON object for each key')
    .action((key, value, more, options) => choose(async () => (await changes()).configSet([key, value, ...more], options, terminal)))
  verb(
    'unset <setting> [more...]',
    'remove values from config.toml, so that what is below them applies',
    'oxbow config unset model.base_url',
  )
    .option(...dryRunOption)
    .option('--json', 'print one JSON object for each key')
    .action((key, more, options) => choose(async () => (await changes()).configUnset([key, ...more], options, terminal)))
  verb('edit', 'edit config.toml; a text that cannot be used is not saved', 'EDITOR=nano oxbow config edit')
    .option('--json', 'print one JSON object')
    .action((options) => choose(async () => (await changes()).configEdit(options, terminal)))
  verb('validate', 'check the files and name each wrong line', 'oxbow config validate')
    .option('--json', 'print one JSON object')
    .action((options) => choose(async () => (await shows()).configValidate(options, terminal)))
  addFileVerbs(verb, choose, terminal)
  plainVerb(config.command('schema'), 'print the JSON Schema of config.toml, for editors')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow config schema > oxbow.schema.json'))
    .action(() => choose(async () => (await shows()).configSchemaText(terminal)))
}

/** Of whole files: what they were, are and become. */
function addFileVerbs(
  verb: (usage: string, summary: string, ...lines: readonly string[]) => ReturnType<typeof plainVerb>,
  choose: Parameters<AddVerbs>[2],
  terminal: Parameters<AddVerbs>[1],
): void {
  verb('history', 'list the configurations with which a guest has worked', 'oxbow config history')
    .option('--json', 'print one JSON object per line')
    .action((options) => choose(async () => (await shows()).configHistory(options, terminal)))
  verb('diff [number]', 'show what has changed since one of them', 'oxbow config diff', 'oxbow config diff 2')
    .option('--json', 'print one JSON object per line')
    .action((number, options) => choose(async () => (await shows()).configDiff(number, options, terminal)))
  verb('rollback [number]', 'make the files as they were in one of them', 'oxbow config rollback --dry-run', 'oxbow config rollback 2')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .action((number, options) => choose(async () => (await changes()).configRollback(number, options, terminal)))
  verb(
    'migrate',
    'move the files to the newest version of the configuration, or back',
    'oxbow config migrate',
    'oxbow config migrate --to 1',
  )
    .option('--to <version>', 'version to move them to, also an older one', parseCount(1_000, 1))
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .action((options) => choose(async () => (await changes()).configMigrate(options.to, options, terminal)))
  verb('reload', 'have a running guest take up the files as they are now', 'oxbow config reload', 'oxbow config reload --now')
    .option('--now', 'restart the guest, where a key needs that, without waiting for turns to end')
    .option('--json', 'print one JSON object')
    .action((options) => choose(async () => (await changes()).configReload(options, terminal)))
}

const addInit: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('init'), 'set up a model, a daily budget and the sandbox; asks in a terminal')
    .option('--model <model>', 'provider/model, a provider, local for one on this machine, or offline')
    .option('--base-url <url>', 'address of an OpenAI-compatible service')
    .option('--input-price <dollars>', 'with --base-url: price of a million tokens that the model reads', parseAmount)
    .option('--output-price <dollars>', 'with --base-url: price of a million tokens that the model writes', parseAmount)
    .addOption(new Option('--key-env <variable>', 'take the key from this variable; it is not stored').conflicts('keyStdin'))
    .option('--key-stdin', 'read the key from standard input and store it encrypted')
    .option('--budget <dollars>', 'spend at most this much a day', parseAmount)
    .addOption(new Option('--tier <tier>', 'tier of the sandbox').choices(['process', 'container', 'micro_vm']))
    .option('--yes', 'ask nothing: keep what is set up, and else take what is on this machine')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object, and ask nothing')
    .addHelpText(
      'after',
      examples(
        'oxbow init',
        'oxbow init --yes',
        'oxbow init --model anthropic/claude-sonnet-4-5 --key-stdin --budget 5 < key.txt',
        'oxbow init --model local --tier container',
        'oxbow init --base-url http://localhost:8080/v1 --model my-model',
      ),
    )
    .action((options) => choose(async () => (await import('./init.ts')).init(options, terminal)))
}

export const addModelVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('models [provider]'), 'list models with size, price and capabilities')
    .option('--all', 'list all models, also of providers without a key')
    .option('--discover', 'find model services on this machine')
    .option('--json', 'print all, one JSON object per line')
    .addHelpText('after', examples('oxbow models', 'oxbow models anthropic', 'oxbow models --json', 'oxbow models --discover'))
    .action((provider, options) => choose(async () => (await import('./models.ts')).printModels(provider, options, terminal)))

  const catalog = verbGroup(
    program.command('catalog'),
    'show, update and verify the model catalog',
    'oxbow catalog show openai/gpt-5',
    'oxbow catalog refresh',
  )
  userVerb(catalog.command('refresh'), 'update the catalog and show what changed')
    .option('--url <url>', 'source, in the schema of models.dev', 'https://models.dev/api.json')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow catalog refresh', 'oxbow catalog refresh --url https://intranet.example/api.json'))
    .action((options) => choose(async () => (await import('./models.ts')).catalogRefresh(options, terminal)))
  userVerb(catalog.command('verify'), 'verify the catalog and the configured models')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow catalog verify'))
    .action((options) => choose(async () => (await import('./models.ts')).catalogVerify(options, terminal)))
  userVerb(catalog.command('show <model>'), 'show what is known about a model, with sources')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow catalog show anthropic/claude-haiku-4-5', 'oxbow catalog show openai/gpt-5 --json'))
    .action((model, options) => choose(async () => (await import('./models.ts')).catalogShow(model, options, terminal)))
}

export const addMemoryVerbs: AddVerbs = (program, terminal, choose) => {
  const memory = verbGroup(
    program.command('memory'),
    'search, correct and forget memories',
    'oxbow memory search "which editor"',
    'oxbow memory add "I prefer Helix." --tag tools',
    'oxbow memory why note-1f0a…',
  )
  userVerb(memory.command('export [file]'), 'export memories as JSON lines')
    .option('--json', 'with a file: print one JSON object at the end; otherwise the output is JSON anyway')
    .addHelpText('after', examples('oxbow memory export memory.jsonl', 'oxbow memory export | gzip > memory.jsonl.gz'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryExport(file, options, terminal)))
  userVerb(memory.command('import <file>'), 'import exported memories')
    .option('--overwrite', 'replace memories that differ')
    .option('--untrusted', 'add the untrusted label')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory import memory.jsonl'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryImport(file, options, terminal)))
}

export const addEmbedVerbs: AddVerbs = (program, terminal, choose) => {
  const embed = verbGroup(
    program.command('embed'),
    'manage the embedding models that memory search uses',
    'oxbow embed list',
    'oxbow embed pull potion-base-8M',
  )
  plainVerb(embed.command('list'), 'list the embedding models on this machine')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow embed list'))
    .action((options) => choose(async () => (await import('./embed.ts')).embedList(options, terminal)))
  plainVerb(embed.command('pull <name>'), 'download a model2vec model and show its hashes')
    .option('--from <url>', 'folder with config.json, tokenizer.json and model.safetensors')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow embed pull potion-base-8M', 'oxbow embed pull mine --from https://intranet.example/models/mine'))
    .action((name, options) => choose(async () => (await import('./embed.ts')).embedPull(name, options, terminal)))
  plainVerb(embed.command('use <embedder>'), 'choose the embedding model: set memory.embedder in config.toml')
    .option('--user <user>', 'set it for one user only')
    .option('--space <space>', 'set it for one space only')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow embed use potion-base-8M', 'oxbow embed use words-50k', 'oxbow embed use openai/text-embedding-3-small --user ada'),
    )
    .action((name, options) => choose(async () => (await import('./embed.ts')).embedUse(name, options, terminal)))
}

export const addMachineVerbs: AddVerbs = (program, terminal, choose) => {
  const wasm = verbGroup(
    program.command('wasm'),
    'run WASM and JavaScript tools',
    'oxbow wasm run tool.wasm',
    'oxbow wasm run tool.js --input \'{"n": 3}\'',
  )
  userVerb(wasm.command('run <file>'), 'run a tool once, with access to mounted folders only')
    .option('--mount <dir>', 'mount a folder as /<name>, read-only unless :rw is added', collect)
    .option('--input <json>', 'input of the tool, as JSON')
    .option('--function <name>', 'call this export instead of running a command')
    .option('--timeout <seconds>', 'time limit', parseCount(maxToolSeconds))
    .option('--memory <mib>', 'memory limit', parseCount(maxToolMemoryMib))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow wasm run tool.wasm --mount ./data --mount ./out:rw',
        'oxbow wasm run plugin.wasm --function run --input \'{"text": "hello"}\'',
        'oxbow wasm run tool.mjs --input 3 --json',
      ),
    )
    .action((file, options) => choose(async () => (await import('./wasm.ts')).wasmRun(file, options, terminal)))

  const image = verbGroup(
    program.command('image'),
    'build, list and remove images for containers and micro VMs',
    'oxbow image build',
    'oxbow image build --with ripgrep,git,python,bash',
    'oxbow image build --vm',
    'oxbow image list',
  )
  userVerb(image.command('build'), 'build an image from programs of this machine')
    .option('--with <names>', 'programs to add: ripgrep, git, python, bash, browser; or none (default: as for the last image)')
    .option('--engine <name>', 'use podman or docker')
    .option('--vm', 'build for micro VMs; downloads a Debian kernel package once')
    .option('--kernel <file>', 'with --vm: use this linux-image-…-cloud-amd64.deb')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow image build', 'oxbow image build --with ripgrep,git,python,bash', 'oxbow image build --vm'))
    .action((options) => choose(async () => (await import('./image.ts')).imageBuild(options, terminal)))
  userVerb(image.command('list'), 'list the images that this home has built, and what is in them')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow image list'))
    .action((options) => choose(async () => (await import('./image.ts')).imageList(options, terminal)))
  userVerb(image.command('remove <image...>'), 'remove images of this home; the last part of a name is enough')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow image remove 3f2a9c0d11e4b7a86c5d2e01'))
    .action((names, options) => choose(async () => (await import('./image.ts')).imageRemove(names, options, terminal)))
}

export const addInspectVerbs: AddVerbs = (program, terminal, choose) => {
  guestVerb(program.command('status'), 'show the model, the store, the sandbox and its limits')
    .option('--all', 'list all users, and whether Oxbow runs for them, instead')
    .option('--json', 'print one JSON object, or with --all one per line')
    .addHelpText('after', examples('oxbow status', 'oxbow status --all'))
    .action((options) =>
      choose(async () => {
        // Root has no guest among a machine's: it sees how they are.
        if (options.all === true || isAdministrator(terminal.env))
          return (await import('../daemon/run-users.ts')).statusOfUsers(options, terminal)
        return (await import('./doctor.ts')).status(options, terminal)
      }),
    )
  userVerb(program.command('doctor'), 'check this machine, its files and the model, and say what to do about what is wrong')
    .option('--fix', 'mend what is safe to mend: missing folders, permissions, what a crash left behind')
    .option('--dry-run', 'with --fix: say what would be mended')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow doctor', 'oxbow doctor --fix --dry-run', 'oxbow doctor --json'))
    .action((options) => choose(async () => (await import('./doctor.ts')).doctor(options, terminal)))
}
