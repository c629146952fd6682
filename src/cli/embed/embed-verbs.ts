/** `oxbow embed …`: what makes vectors of texts. */
import { type AddVerbs, examples, plainVerb, verbGroup } from '../verb-parts.ts'

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
    .action((options) => choose(async () => (await import('./embed-choices.ts')).embedList(options, terminal)))
  plainVerb(embed.command('pull <name>'), 'fetch a model2vec model from the Hugging Face hub, and show the hashes of its files')
    .option('--from <url>', 'where its config.json, tokenizer.json and model.safetensors are')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow embed pull potion-base-8M', 'oxbow embed pull mine --from https://intranet.example/models/mine'))
    .action((name, options) => choose(async () => (await import('./embed-choices.ts')).embedPull(name, options, terminal)))
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
    .action((name, options) => choose(async () => (await import('./embed-choices.ts')).embedUse(name, options, terminal)))
}
