/** Definitions of `backup`, `secret` and `store`; `restore` is in `kernel/version-verbs.ts`. */
import { Option } from 'commander'
import { type AddVerbs, dryRunOption, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

export const addSecretVerbs: AddVerbs = (program, terminal, choose) => {
  const secret = verbGroup(
    program.command('secret'),
    'manage keys and tokens, encrypted in the store',
    'oxbow secret set OPENAI_API_KEY',
    'oxbow secret allow GITHUB_TOKEN --call shell.online --host api.github.com --env GITHUB_TOKEN',
    'oxbow secret found',
    'oxbow secret rotate',
  )

  userVerb(secret.command('set <name>'), 'store a secret, typed hidden or piped in')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret set OPENAI_API_KEY', 'oxbow secret set OPENAI_API_KEY < key.txt'))
    .action((name, options) => choose(async () => (await import('./keys.ts')).secretSet(name, options, terminal)))
  userVerb(secret.command('list'), 'list the names of secrets')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret list', 'oxbow secret list --json'))
    .action((options) => choose(async () => (await import('./keys.ts')).secretList(options, terminal)))
  userVerb(secret.command('remove <secret>'), 'remove a secret')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret remove OPENAI_API_KEY'))
    .action((name, options) => choose(async () => (await import('./keys.ts')).secretRemove(name, options, terminal)))
  addSecretUseVerbs(secret, terminal, choose)
  userVerb(secret.command('rotate'), 'rotate the master key, or with --data the data key')
    .option('--data', 'rotate the data key and re-encrypt every secret')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret rotate', 'oxbow secret rotate --data'))
    .action((options) => choose(async () => (await import('./keys.ts')).secretRotate(options, terminal)))
}

const addSecretUseVerbs: AddVerbs = (secret, terminal, choose) => {
  const load = () => import('../kernel/secrets.ts')
  const json = ['--json', 'print the output as one JSON value'] as const
  userVerb(secret.command('reveal <secret>'), 'show the value of a secret, after a question; the journal records it')
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText('after', examples('oxbow secret reveal found.password.0k3f9x2ab1'))
    .action((name, options) => choose(async () => (await load()).secretReveal(name, options, terminal)))
}

const maxKept = 10_000

export const addBackupVerbs: AddVerbs = (program, terminal, choose) => addBackup(program.command('backup [path]'), terminal, choose)

const addBackup: AddVerbs = (command, terminal, choose) => {
  userVerb(command, 'back up database, files, vault and configuration, also while Oxbow runs')
    .option('--keep <n>', 'keep the newest n backups in the folder and remove the rest', parseCount(maxKept))
    .option('--database-only', 'leave out files, vault and configuration')
    .option('--dry-run', 'show what would be written and removed, and stop')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow backup', 'oxbow backup --keep 7', 'oxbow backup /mnt/disk/oxbow.oxbow-backup'))
    .action((path, options) => choose(async () => (await import('./store.ts')).storeBackup(path, options, terminal)))
}

const addBackupRestore: AddVerbs = (command, terminal, choose) => {
  userVerb(command, 'restore a backup after verifying it and showing what changes')
    .option('--replace', 'replace a store and files that are not empty, keeping a copy')
    .option('--accept-damage', 'restore a backup whose journal does not verify; what is wrong is recorded')
    // Only files are sealed with it.
    .addOption(new Option('--key <file>', 'key file that the backup was sealed with, for a new home').conflicts('databaseOnly'))
    .option('--database-only', 'leave files and configuration as they are')
    .option('--dry-run', 'show what would change and stop')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow restore oxbow.oxbow-backup', 'oxbow restore oxbow.oxbow-backup --replace'))
    .action((path, options) => choose(async () => (await import('./store.ts')).storeRestore(path, options, terminal)))
}

export const addStoreVerbs: AddVerbs = (program, terminal, choose) => {
  const store = verbGroup(
    program.command('store'),
    'back up, verify, migrate and move the database',
    'oxbow store status',
    'oxbow store verify',
    'oxbow store move postgres://oxbow@localhost/oxbow',
  )

  userVerb(store.command('status'), 'show location, version, size and backups')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store status', 'oxbow store status --json'))
    .action((options) => choose(async () => (await import('./store.ts')).storeStatus(options, terminal)))
  userVerb(store.command('migrate'), 'migrate the database to this version or an older one')
    .option('--to <version>', 'target version', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'list the steps without running them')
    .option('--yes', 'skip the copy before steps that rewrite rows')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store migrate --dry-run', 'oxbow store migrate', 'oxbow store migrate --to 2'))
    .action((options) => choose(async () => (await import('./store.ts')).storeMigrate(options, terminal)))
  // Earlier names of `oxbow backup` and `oxbow restore`, which scripts may use.
  addBackup(store.command('backup [path]', { hidden: true }), terminal, choose)
  addBackupRestore(store.command('restore <path>', { hidden: true }), terminal, choose)
  userVerb(store.command('verify'), 'verify pages, references, blobs, memory and the journal')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store verify'))
    .action((options) => choose(async () => (await import('./store.ts')).storeVerify(options, terminal)))
  userVerb(store.command('vacuum'), 'return unused space to the disk')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store vacuum'))
    .action((options) => choose(async () => (await import('./store.ts')).storeVacuum(options, terminal)))
  userVerb(store.command('move <url>'), 'move the store to Postgres or back to a file; resumable')
    .option('--replace', 'replace a file that is not empty, keeping a copy')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow store move postgres://oxbow@localhost/oxbow',
        'oxbow store move env:OXBOW_STORE_URL      (an address with a password, from a variable)',
        'oxbow store move file --replace',
      ),
    )
    .action((url, options) => choose(async () => (await import('./store.ts')).storeMove(url, options, terminal)))
  userVerb(store.command('encrypt'), 'encrypt the store, with OXBOW_PASSPHRASE or a key file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store encrypt'))
    .action((options) => choose(async () => (await import('./keys.ts')).storeEncrypt(options, terminal)))
  userVerb(store.command('decrypt'), 'decrypt the store')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store decrypt'))
    .action((options) => choose(async () => (await import('./keys.ts')).storeDecrypt(options, terminal)))
  userVerb(store.command('rekey'), 'change the key of the store and the secrets, with OXBOW_NEW_PASSPHRASE')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store rekey'))
    .action((options) => choose(async () => (await import('./keys.ts')).changeMaster(options, terminal)))
}
