/** `oxbow embed …`: what makes vectors of texts. */
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { examples, type Verb } from '../verb-parts.ts'

export function addEmbedVerbs(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  const embed = program.command('embed').description('models that memory finds by meaning with').helpOption('-h, --help', 'show help')
  embed.addHelpText('after', examples('oxbow embed list', 'oxbow embed pull potion-base-8M'))
  embed
    .command('list')
    .description('list those that are on this machine, and how each is chosen')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow embed list'))
    .action((options) => choose(async () => (await import('./embed-pull.ts')).embedList(options, terminal)))
  embed
    .command('pull <name>')
    .description('fetch a model2vec model from the Hugging Face hub, and show the hashes of its files')
    .helpOption('-h, --help', 'show help')
    .option('--from <url>', 'where its config.json, tokenizer.json and model.safetensors are')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow embed pull potion-base-8M', 'oxbow embed pull mine --from https://intranet.example/models/mine'))
    .action((name, options) => choose(async () => (await import('./embed-pull.ts')).embedPull(name, options, terminal)))
  embed
    .command('use <name>')
    .description('choose what makes vectors: writes memory.embedder into the configuration, and leaves the rest of it as it is')
    .helpOption('-h, --help', 'show help')
    .option('--user <name>', 'for this user alone, in its own config.toml')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow embed use potion-base-8M', 'oxbow embed use words-50k', 'oxbow embed use openai/text-embedding-3-small --user ada'),
    )
    .action((name, options) => choose(async () => (await import('./embed-pull.ts')).embedUse(name, options, terminal)))
}
