/** `oxbow store …`: what a person types. */
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { examples, parseCount, userVerb, type Verb } from '../verb-parts.ts'
import { addEncryptionVerbs } from './key-verbs.ts'

const maxKept = 10_000

export function addStoreVerbs(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  const load = () => import('./store-upkeep.ts')
  const store = program
    .command('store')
    .description('the database of journal and memory: look after it, move it')
    .helpOption('-h, --help', 'show help')
  store.addHelpText('after', examples('oxbow store status', 'oxbow store backup', 'oxbow store move postgres://oxbow@localhost/oxbow'))

  userVerb(store.command('status'), 'where the store is, its version, its size, and what copies there are')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store status', 'oxbow store status --json'))
    .action((options) => choose(async () => (await load()).storeStatus(options, terminal)))
  userVerb(store.command('migrate'), 'bring its tables to the version of this Oxbow, or back to an older one')
    .option('--to <version>', 'this version instead of the newest', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'only list the steps')
    .option('--yes', 'a copy has been made: also steps that write rows anew, without another copy')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store migrate --dry-run', 'oxbow store migrate', 'oxbow store migrate --to 2'))
    .action((options) => choose(async () => (await load()).storeMigrate(options, terminal)))
  userVerb(store.command('backup [path]'), 'make a backup, also while a guest works; one file that verifies itself')
    .option('--keep <n>', 'remove all but the newest n backups of that folder', parseCount(maxKept))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store backup', 'oxbow store backup --keep 7', 'oxbow store backup /mnt/disk/oxbow.oxbow-backup'))
    .action((path, options) => choose(async () => (await load()).storeBackup(path, options, terminal)))
  userVerb(store.command('restore <path>'), 'put a backup in place; it is checked whole before anything is touched')
    .option('--replace', 'in place of a store that is not empty, of which a copy is kept')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store restore oxbow.oxbow-backup', 'oxbow store restore oxbow.oxbow-backup --replace'))
    .action((path, options) => choose(async () => (await load()).storeRestore(path, options, terminal)))
  userVerb(store.command('verify'), 'check pages, references, blobs, memory and the chain of the journal')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store verify'))
    .action((options) => choose(async () => (await load()).storeVerify(options, terminal)))
  userVerb(store.command('vacuum'), 'give room that nothing uses back to the disk')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store vacuum'))
    .action((options) => choose(async () => (await load()).storeVacuum(options, terminal)))
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
    .action((url, options) => choose(async () => (await load()).storeMove(url, options, terminal)))
  addEncryptionVerbs(store, terminal, choose)
}
