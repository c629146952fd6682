/** Definitions of `agents`, `top`, `spawn` and `wait`, and of `graph run` and `resume`. */
import { type AddVerbs, collect, examples, parseAmount, parseCount, ownOptions, userVerb, verbGroup } from '../verb-parts.ts'

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
  userVerb(program.command('spawn <task...>'), 'start an agent that works on a task in the background')
    .option('--name <name>', 'short name')
    .option('--model <name>', 'model to use')
    .option('--instructions <text>', 'text added to its system prompt')
    .option('--priority <priority>', 'low, normal, high or critical')
    .option('--right <right>', 'a right that it has, instead of the usual ones; repeat for more', collect)
    .option('--read-only', 'only rights that change nothing')
    .option('--branch', 'it works on a copy of the workspace; see oxbow branch')
    .option('--keep', 'keep it for further messages after its answer')
    .option('--max-tokens <n>', 'model tokens that it may use', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--max-money <dollars>', 'dollars that it may use', parseAmount)
    .option('--max-calls <n>', 'calls that it may make', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--max-seconds <n>', 'time that calls of it may run', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--wait', 'wait for its answer and print it')
    .option('--json', 'print the agent as one JSON value')
    .addHelpText(
      'after',
      examples('oxbow spawn "check every link in /shared/docs"', 'oxbow spawn --wait --read-only "summarise /shared/report.md"'),
    )
    .action((words, options) => choose(async () => (await load()).spawnAgent(words, options, terminal)))
  userVerb(program.command('wait <id>'), 'wait until an agent has answered, and print its answer')
    .option('--timeout <seconds>', 'seconds to wait', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--json', 'print the agent as one JSON value')
    .addHelpText('after', examples('oxbow wait 0199d2c4', 'oxbow wait reader --timeout 60'))
    .action((id, options) => choose(async () => (await load()).waitForAgent(id, options, terminal)))
}

export const addGraphVerbs: AddVerbs = (program, terminal, choose) => {
  const loadGraphs = () => import('./graphs.ts')
  const jsonOption = ['--json', 'print the output as one JSON value'] as const
  const graph = verbGroup(
    program.command('graph'),
    'check, run, show, resume and cancel state graphs',
    'oxbow graph run review --set path=/shared/report.md',
    'oxbow graph runs',
  )
  userVerb(graph.command('run <graph>'), 'run a graph, and follow it to its end')
    .option('--set <field=value>', 'value of an input, as JSON or text; repeat for more', collect)
    .option('--input <json>', 'values of all inputs as one JSON object')
    .option('--background', 'do not wait for its end')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow graph run review --set path=/shared/report.md', 'oxbow graph run review --background'))
    .action((name, options) => choose(async () => (await loadGraphs()).runGraph(name, options, terminal)))
  userVerb(graph.command('resume <run>'), 'go on with a run that has failed or was cancelled, and follow it')
    .option('--from <node>', 'node at which it goes on; default: where it stopped')
    .option('--background', 'do not wait for its end')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow graph resume 0fd2b0d1', 'oxbow graph resume 0fd2b0d1 --from write'))
    .action((run, options) => choose(async () => (await loadGraphs()).resumeRun(run, options, terminal)))
}
