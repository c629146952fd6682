/** `oxbow secret …`: what a person types. */
import { type AddVerbs, examples, userVerb, verbGroup } from '../verb-parts.ts'

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
    .action((name, options) => choose(async () => (await import('./key-questions.ts')).secretSet(name, options, terminal)))
  userVerb(secret.command('list'), 'list the names of secrets; never their values')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret list', 'oxbow secret list --json'))
    .action((options) => choose(async () => (await import('./key-questions.ts')).secretList(options, terminal)))
  userVerb(secret.command('remove <name>'), 'forget a secret')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret remove OPENAI_API_KEY'))
    .action((name, options) => choose(async () => (await import('./key-questions.ts')).secretRemove(name, options, terminal)))
  userVerb(secret.command('rotate'), 'change the master key; with --data seal every secret anew')
    .option('--data', 'a new data key instead, and every secret sealed under it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow secret rotate', 'oxbow secret rotate --data'))
    .action((options) => choose(async () => (await import('./key-questions.ts')).secretRotate(options, terminal)))
}
