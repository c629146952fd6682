/** Definitions of `agents` and `top`. */
import { type AddVerbs, examples, ownOptions, parseCount, userVerb } from '../verb-parts.ts'

const load = () => import('./agents.ts')

export const addAgentVerbs: AddVerbs = (program, terminal, choose) => {
  const agents = userVerb(program.command('agents').alias('ps'), 'list agents, with what they do and use')
    .option('--tree', 'show which agent started which')
    .option('--all', 'also those that have ended')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow agents', 'oxbow agents --tree --all'))
    .action((options) => choose(async () => (await load()).listAgents(options, terminal)))
  ownOptions(agents)
  userVerb(program.command('top'), 'show what agents do and spend, until Ctrl+C')
    .option('--once', 'print it once')
    .option('--interval <seconds>', 'seconds between two looks', parseCount(3_600, 1), 2)
    .option('--json', 'print one JSON object per look')
    .addHelpText('after', examples('oxbow top', 'oxbow top --once'))
    .action((options) => choose(async () => (await load()).watchAgents(options, terminal)))
}
