/** `oxbow models` and `oxbow catalog`: models, and what is known of them. */
import { maxToolMemoryMib, maxToolSeconds } from '../limits.ts'
import { type AddVerbs, collect, examples, guestVerb, parseCount, plainVerb, userVerb, verbGroup } from '../verb-parts.ts'

export const addModelVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('models [provider]'), 'list models with size, price and abilities')
    .option('--discover', 'find model services that run on this machine, and how to use them')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow models anthropic', 'oxbow models --json', 'oxbow models --discover'))
    .action((provider, options) => choose(async () => (await import('./models.ts')).printModels(provider, options, terminal)))

  const catalog = verbGroup(
    program.command('catalog'),
    'what is known of models, and where it is from',
    'oxbow catalog show openai/gpt-5',
    'oxbow catalog refresh',
  )
  userVerb(catalog.command('refresh'), 'fetch newer facts and prices, and show what they change')
    .option('--url <url>', 'an api.json in the schema of models.dev', 'https://models.dev/api.json')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow catalog refresh', 'oxbow catalog refresh --url https://intranet.example/api.json'))
    .action((options) => choose(async () => (await import('./models.ts')).catalogRefresh(options, terminal)))
  userVerb(catalog.command('verify'), 'check the catalog files, and that every configured model is known and priced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow catalog verify'))
    .action((options) => choose(async () => (await import('./models.ts')).catalogVerify(options, terminal)))
  userVerb(catalog.command('show <model>'), 'show what is known of one model, and who says so')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow catalog show anthropic/claude-haiku-4-5', 'oxbow catalog show openai/gpt-5 --json'))
    .action((model, options) => choose(async () => (await import('./models.ts')).catalogShow(model, options, terminal)))
}

/** `oxbow embed …`: what makes vectors of texts. */

export const addEmbedVerbs: AddVerbs = (program, terminal, choose) => {
  const embed = verbGroup(
    program.command('embed'),
    'models that memory finds by meaning with',
    'oxbow embed list',
    'oxbow embed pull potion-base-8M',
  )
  plainVerb(embed.command('list'), 'list those that are on this machine, and how each is chosen')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow embed list'))
    .action((options) => choose(async () => (await import('./embed.ts')).embedList(options, terminal)))
  plainVerb(embed.command('pull <name>'), 'fetch a model2vec model from the Hugging Face hub, and show the hashes of its files')
    .option('--from <url>', 'where its config.json, tokenizer.json and model.safetensors are')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow embed pull potion-base-8M', 'oxbow embed pull mine --from https://intranet.example/models/mine'))
    .action((name, options) => choose(async () => (await import('./embed.ts')).embedPull(name, options, terminal)))
  plainVerb(
    embed.command('use <name>'),
    'choose what makes vectors: writes memory.embedder into the configuration, and leaves the rest of it as it is',
  )
    .option('--user <name>', 'for this user alone, in its own config.toml')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow embed use potion-base-8M', 'oxbow embed use words-50k', 'oxbow embed use openai/text-embedding-3-small --user ada'),
    )
    .action((name, options) => choose(async () => (await import('./embed.ts')).embedUse(name, options, terminal)))
}

/** What this machine offers, what is made for it, and tools that run on it. */

export const addMachineVerbs: AddVerbs = (program, terminal, choose) => {
  const wasm = verbGroup(
    program.command('wasm'),
    'run tools of programs, in memory',
    'oxbow wasm run tool.wasm',
    'oxbow wasm run tool.js --input \'{"n": 3}\'',
  )
  userVerb(wasm.command('run <file>'), 'run a module or a JavaScript tool once, with nothing but the folders that are mounted')
    .option('--mount <dir>', 'a folder that the tool sees as /<its name>; dir:rw lets it write there', collect)
    .option('--input <json>', 'its input: on standard input of a command, argument of a function')
    .option('--function <name>', 'call this export with JSON instead of running a command')
    .option('--timeout <seconds>', 'most time it may take', parseCount(maxToolSeconds))
    .option('--memory <mib>', 'most memory it may take', parseCount(maxToolMemoryMib))
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
    'images for the container and the micro-VM tier',
    'oxbow image build',
    'oxbow image build --with ripgrep,git,python,bash',
    'oxbow image build --vm',
  )
  userVerb(image.command('build'), 'make the image that containers run, from programs of this machine; nothing is downloaded for them')
    .option('--with <names>', 'further programs: ripgrep, git, python, bash, browser')
    .option('--engine <name>', 'podman or docker instead of the configured one')
    .option('--vm', 'make what micro VMs start from; a kernel package of Debian is downloaded once')
    .option('--kernel <file>', 'with --vm: this package linux-image-…-cloud-amd64.deb, and no download')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow image build', 'oxbow image build --with ripgrep,git,python,bash', 'oxbow image build --vm'))
    .action((options) => choose(async () => (await import('./image.ts')).imageBuild(options, terminal)))

  guestVerb(program.command('status'), 'show what this machine offers, and what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow status'))
    .action((options) => choose(async () => (await import('./doctor.ts')).status(options, terminal)))
  userVerb(program.command('doctor'), 'try out what this machine offers, and say how to get what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow doctor', 'oxbow doctor --json'))
    .action((options) => choose(async () => (await import('./doctor.ts')).doctor(options, terminal)))
}

/** `oxbow secret …`: what a person types. */

export const addSecretVerbs: AddVerbs = (program, terminal, choose) => {
  const secret = verbGroup(
    program.command('secret'),
    'keys and tokens, kept sealed in the store',
    'oxbow secret set OPENAI_API_KEY',
    'oxbow secret list',
    'oxbow secret rotate',
  )

  userVerb(secret.command('set <name>'), 'keep a secret; its value is typed without being shown, or piped in')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret set OPENAI_API_KEY', 'oxbow secret set OPENAI_API_KEY < key.txt'))
    .action((name, options) => choose(async () => (await import('./keys.ts')).secretSet(name, options, terminal)))
  userVerb(secret.command('list'), 'list the names of secrets; never their values')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret list', 'oxbow secret list --json'))
    .action((options) => choose(async () => (await import('./keys.ts')).secretList(options, terminal)))
  userVerb(secret.command('remove <name>'), 'forget a secret')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret remove OPENAI_API_KEY'))
    .action((name, options) => choose(async () => (await import('./keys.ts')).secretRemove(name, options, terminal)))
  userVerb(secret.command('rotate'), 'change the master key; with --data seal every secret anew')
    .option('--data', 'a new data key instead, and every secret sealed under it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret rotate', 'oxbow secret rotate --data'))
    .action((options) => choose(async () => (await import('./keys.ts')).secretRotate(options, terminal)))
}

/** `oxbow store …`: what a person types. */

const maxKept = 10_000

export const addStoreVerbs: AddVerbs = (program, terminal, choose) => {
  const store = verbGroup(
    program.command('store'),
    'the database of journal and memory: look after it, move it',
    'oxbow store status',
    'oxbow store backup',
    'oxbow store move postgres://oxbow@localhost/oxbow',
  )

  userVerb(store.command('status'), 'where the store is, its version, its size, and what copies there are')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store status', 'oxbow store status --json'))
    .action((options) => choose(async () => (await import('./store.ts')).storeStatus(options, terminal)))
  userVerb(store.command('migrate'), 'bring its tables to the version of this Oxbow, or back to an older one')
    .option('--to <version>', 'this version instead of the newest', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'only list the steps')
    .option('--yes', 'a copy has been made: also steps that write rows anew, without another copy')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store migrate --dry-run', 'oxbow store migrate', 'oxbow store migrate --to 2'))
    .action((options) => choose(async () => (await import('./store.ts')).storeMigrate(options, terminal)))
  userVerb(store.command('backup [path]'), 'make a backup, also while a guest works; one file that verifies itself')
    .option('--keep <n>', 'remove all but the newest n backups of that folder', parseCount(maxKept))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store backup', 'oxbow store backup --keep 7', 'oxbow store backup /mnt/disk/oxbow.oxbow-backup'))
    .action((path, options) => choose(async () => (await import('./store.ts')).storeBackup(path, options, terminal)))
  userVerb(store.command('restore <path>'), 'put a backup in place; it is checked whole before anything is touched')
    .option('--replace', 'in place of a store that is not empty, of which a copy is kept')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store restore oxbow.oxbow-backup', 'oxbow store restore oxbow.oxbow-backup --replace'))
    .action((path, options) => choose(async () => (await import('./store.ts')).storeRestore(path, options, terminal)))
  userVerb(store.command('verify'), 'check pages, references, blobs, memory and the chain of the journal')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store verify'))
    .action((options) => choose(async () => (await import('./store.ts')).storeVerify(options, terminal)))
  userVerb(store.command('vacuum'), 'give room that nothing uses back to the disk')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store vacuum'))
    .action((options) => choose(async () => (await import('./store.ts')).storeVacuum(options, terminal)))
  userVerb(store.command('move <url>'), 'copy the store to Postgres, or with `file` to the workspace; goes on where it was stopped')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow store move postgres://oxbow@localhost/oxbow',
        'oxbow store move env:OXBOW_STORE_URL      (an address with a password, from a variable)',
        'oxbow store move file',
      ),
    )
    .action((url, options) => choose(async () => (await import('./store.ts')).storeMove(url, options, terminal)))
  userVerb(store.command('encrypt'), 'encrypt the whole file; with a passphrase when OXBOW_PASSPHRASE is set, else with a key file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store encrypt'))
    .action((options) => choose(async () => (await import('./keys.ts')).storeEncrypt(options, terminal)))
  userVerb(store.command('decrypt'), 'undo the encryption of the file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store decrypt'))
    .action((options) => choose(async () => (await import('./keys.ts')).storeDecrypt(options, terminal)))
  userVerb(store.command('rekey'), 'change the key of the file and of secrets; a new passphrase is in OXBOW_NEW_PASSPHRASE')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store rekey'))
    .action((options) => choose(async () => (await import('./keys.ts')).changeMaster(options, terminal)))
}
