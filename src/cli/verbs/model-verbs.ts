/** `oxbow models` and `oxbow catalog`: models, and what is known of them. */
import { type AddVerbs, examples, userVerb, verbGroup } from '../verb-parts.ts'

export const addModelVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('models [provider]'), 'list models with size, price and abilities')
    .option('--discover', 'find model services that run on this machine, and how to use them')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow models anthropic', 'oxbow models --json', 'oxbow models --discover'))
    .action((provider, options) => choose(async () => (await import('./models.ts')).models(provider, options, terminal)))

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
    .action((options) => choose(async () => (await import('./catalog.ts')).catalogRefresh(options, terminal)))
  userVerb(catalog.command('verify'), 'check the catalog files, and that every configured model is known and priced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow catalog verify'))
    .action((options) => choose(async () => (await import('./catalog.ts')).catalogVerify(options, terminal)))
  userVerb(catalog.command('show <model>'), 'show what is known of one model, and who says so')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow catalog show anthropic/claude-haiku-4-5', 'oxbow catalog show openai/gpt-5 --json'))
    .action((model, options) => choose(async () => (await import('./catalog.ts')).catalogShow(model, options, terminal)))
}
