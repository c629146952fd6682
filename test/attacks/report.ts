/**
 * Prints what attacks achieve, by carrier: `node test/attacks/report.ts [default|auto|off] [TASK|all] [INJECTION|all|none]`. With `auto` no call
 * asks because of its kind: only the flow of information protects; with `off` nothing does.
 */
import { injections } from './injections.ts'
import { openSuite, runTask, type RunResult, tableOf } from './suite.ts'
import { tasks } from './tasks.ts'

const [mode = 'default', task = 'all', injection = 'all'] = process.argv.slice(2)
await using world = await openSuite(mode === 'auto' ? { approval: { mode: 'auto' } } : mode === 'off' ? flowOff() : {})
const runs: RunResult[] = []
for (const each of tasks.filter(({ id }) => task === 'all' || id === task))
  for (const attack of [null, ...injections.filter(({ id }) => injection === 'all' || id === injection)]) {
    const run = await runTask(world, each, attack)
    runs.push(run)
    if (run.harms.length > 0 || (attack === null && !run.useful))
      console.log(run.task, run.injection || '-', run.useful, run.harms.slice(0, 3))
    if (task !== 'all') console.log(JSON.stringify(run, null, 1))
  }

for (const line of tableOf(runs)) console.log(line)
process.exit(0)

function flowOff(): object {
  return { approval: { mode: 'auto' }, flow: { both: 'allow', irreversible: 'allow' } }
}
