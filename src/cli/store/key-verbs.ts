/** `oxbow secret …`, and the verbs of `oxbow store` that encrypt: what a person types. */
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { examples, userVerb, type Verb } from '../verb-parts.ts'

type Choose = (verb: Verb) => void

export function addSecretVerbs(program: Command, terminal: Terminal, choose: Choose): void {
  const load = () => import('./key-questions.ts')
  const secret = program.command('secret').description('keys and tokens, kept sealed in the store').helpOption('-h, --help', 'show help')
  secret.addHelpText('after', examples('oxbow secret set OPENAI_API_KEY', 'oxbow secret list', 'oxbow secret rotate'))

  userVerb(secret.command('set <name>'), 'keep a secret; its value is typed without being shown, or piped in')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret set OPENAI_API_KEY', 'oxbow secret set OPENAI_API_KEY < key.txt'))
    .action((name, options) => choose(async () => (await load()).secretSet(name, options, terminal)))
  userVerb(secret.command('list'), 'list the names of secrets; never their values')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret list', 'oxbow secret list --json'))
    .action((options) => choose(async () => (await load()).secretList(options, terminal)))
  userVerb(secret.command('remove <name>'), 'forget a secret')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret remove OPENAI_API_KEY'))
    .action((name, options) => choose(async () => (await load()).secretRemove(name, options, terminal)))
  userVerb(secret.command('rotate'), 'change the master key; with --data seal every secret anew')
    .option('--data', 'a new data key instead, and every secret sealed under it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret rotate', 'oxbow secret rotate --data'))
    .action((options) => choose(async () => (await load()).secretRotate(options, terminal)))
}

export function addEncryptionVerbs(store: Command, terminal: Terminal, choose: Choose): void {
  const load = () => import('./key-questions.ts')
  userVerb(store.command('encrypt'), 'encrypt the whole file; with a passphrase when OXBOW_PASSPHRASE is set, else with a key file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store encrypt'))
    .action((options) => choose(async () => (await load()).storeEncrypt(options, terminal)))
  userVerb(store.command('decrypt'), 'undo the encryption of the file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store decrypt'))
    .action((options) => choose(async () => (await load()).storeDecrypt(options, terminal)))
  userVerb(store.command('rekey'), 'change the key of the file and of secrets; a new passphrase is in OXBOW_NEW_PASSPHRASE')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow store rekey'))
    .action((options) => choose(async () => (await load()).changeMaster(options, terminal)))
}
