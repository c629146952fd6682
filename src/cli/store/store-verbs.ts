/** `oxbow store …`: what a person types. */
import { type AddVerbs, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

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
    .action((options) => choose(async () => (await import('./store-upkeep.ts')).storeStatus(options, terminal)))
  userVerb(store.command('migrate'), 'bring its tables to the version of this Oxbow, or back to an older one')
    .option('--to <version>', 'this version instead of the newest', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'only list the steps')
    .option('--yes', 'a copy has been made: also steps that write rows anew, without another copy')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store migrate --dry-run', 'oxbow store migrate', 'oxbow store migrate --to 2'))
    .action((options) => choose(async () => (await import('./store-upkeep.ts')).storeMigrate(options, terminal)))
  userVerb(store.command('backup [path]'), 'make a backup, also while a guest works; one file that verifies itself')
    .option('--keep <n>', 'remove all but the newest n backups of that folder', parseCount(maxKept))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store backup', 'oxbow store backup --keep 7', 'oxbow store backup /mnt/disk/oxbow.oxbow-backup'))
    .action((path, options) => choose(async () => (await import('./store-upkeep.ts')).storeBackup(path, options, terminal)))
  userVerb(store.command('restore <path>'), 'put a backup in place; it is checked whole before anything is touched')
    .option('--replace', 'in place of a store that is not empty, of which a copy is kept')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store restore oxbow.oxbow-backup', 'oxbow store restore oxbow.oxbow-backup --replace'))
    .action((path, options) => choose(async () => (await import('./store-upkeep.ts')).storeRestore(path, options, terminal)))
  userVerb(store.command('verify'), 'check pages, references, blobs, memory and the chain of the journal')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store verify'))
    .action((options) => choose(async () => (await import('./store-upkeep.ts')).storeVerify(options, terminal)))
  userVerb(store.command('vacuum'), 'give room that nothing uses back to the disk')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store vacuum'))
    .action((options) => choose(async () => (await import('./store-upkeep.ts')).storeVacuum(options, terminal)))
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
    .action((url, options) => choose(async () => (await import('./store-upkeep.ts')).storeMove(url, options, terminal)))
  userVerb(store.command('encrypt'), 'encrypt the whole file; with a passphrase when OXBOW_PASSPHRASE is set, else with a key file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store encrypt'))
    .action((options) => choose(async () => (await import('./key-questions.ts')).storeEncrypt(options, terminal)))
  userVerb(store.command('decrypt'), 'undo the encryption of the file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store decrypt'))
    .action((options) => choose(async () => (await import('./key-questions.ts')).storeDecrypt(options, terminal)))
  userVerb(store.command('rekey'), 'change the key of the file and of secrets; a new passphrase is in OXBOW_NEW_PASSPHRASE')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store rekey'))
    .action((options) => choose(async () => (await import('./key-questions.ts')).changeMaster(options, terminal)))
}
