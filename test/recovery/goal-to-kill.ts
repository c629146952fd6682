/** Works on a goal until it has ended, or is killed; another one goes on. Its argument is a folder, which has the workspace and the store. */
import { appendFileSync, existsSync, mkdirSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { CallId } from '../../src/base/index.ts'
import { openFixture, testCall, user } from '../../src/kernel/kernel-fixture.ts'
import { createSandbox } from '../../src/sandbox/create-sandbox.ts'
import { testBrowser, testLimits } from '../../src/sandbox/sandbox-fixture.ts'
import { allowing, clear, playing, seedWith, command } from '../../src/services/goals/goal-fixture.ts'
import type { GoalView } from '../../src/services/goals/goal-view.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { builtinCalls } from '../../src/tools/index.ts'

const folder = process.argv[2] ?? ''
const call = '00000000-0000-8000-8000-00000000feed' as CallId
const root = join(folder, 'workspace')
mkdirSync(root, { recursive: true })
chmodSync(root, 0o755)
/** Effects outside that must not happen twice. */
const effect = testCall(
  'probe.effect',
  async ({ part }: { part: string }) => {
    appendFileSync(join(folder, 'effects'), `${part}\n`)
    return { output: null, text: 'done' }
  },
  { effect: 'once' },
)
const content = seedWith(
  [command('All are there.', 'test -f one && test -f two && test -f three'), { text: 'They are good.', check: null }],
  {
    tasks: [
      { id: 'one', goal: 'Make the file one.', needs: [] },
      { id: 'two', goal: 'Make the file two.', needs: [] },
      { id: 'three', goal: 'Make the file three.', needs: ['one', 'two'] },
    ],
  },
)
const { play } = playing({
  interview: (text) =>
    text.includes('Answer: yes')
      ? clear
      : {
          ...clear,
          scores: { goal: 0.2, constraints: 0.2, success: 0.2 },
          questions: [{ type: 'yes_no', text: 'All?', choices: [] }],
        },
  seed: () => content,
  evolve: () => content,
  work(goal) {
    const part = /Make the file (\w+)/.exec(goal)![1]!
    return [
      ['file_write', { path: `/shared/${part}`, text: part }],
      ['probe_effect', { part: `${part} ${goal.includes('An earlier try') ? 'again' : 'first'}` }],
    ]
  },
})
const limits = { workspaceRoot: root, limits: testLimits, browser: testBrowser, insecure: false, mounts: [] }
const guest = await openFixture({
  sandbox: await createSandbox(limits),
  store: await openSqliteStore({ user, path: join(folder, 'store.sqlite'), durability: 'normal' }),
  versionsFolder: join(root, 'internal', 'versions'),
  play,
  config: allowing,
  calls: [...builtinCalls({ files: true, shell: true }), effect],
})
/** A start that was killed is abandoned, and says so: a person looks whether the goal is there, and else starts it again, which is another call. */
async function start(): Promise<void> {
  for (let again = 0; again < 100; again++) {
    const known = (await guest.kernel.call('goal.list', { all: true })) as unknown as { output: { goals: readonly GoalView[] } }
    if (known.output.goals.length > 0) return appendFileSync(join(folder, 'begun'), known.output.goals[0]!.id)
    const id = `${call.slice(0, -2)}${String(again).padStart(2, '0')}` as CallId
    const made = await guest.kernel.call('goal.start', { request: 'Make the files.' }, undefined, id)
    if (made.status === 'ok') return appendFileSync(join(folder, 'begun'), (made.output as unknown as GoalView).id)
    if (made.status !== 'failed' || made.failure.code !== 'cancelled') throw new Error(JSON.stringify(made))
  }
}
if (!existsSync(join(folder, 'begun'))) await start()
// Where it takes too long, the test asks where it is.
process.once('SIGTERM', () => {
  void guest.kernel.call('goal.list', { all: true, limit: 1 }).then((listed) => {
    process.stderr.write(`it has not ended: ${JSON.stringify(listed)}\n`, () => process.exit(1))
  })
})
for (;;) {
  const outcome = await guest.kernel.call('goal.list', { all: true, limit: 2 })
  const [goal, second] = (outcome as unknown as { output: { goals: readonly { id: string; status: string; waiting_for: string }[] } })
    .output.goals
  if (second !== undefined) throw new Error(`two goals were started: ${JSON.stringify(outcome)}`)
  if (goal !== undefined && goal.status !== 'running') {
    const shown = await guest.kernel.call('goal.show', { goal: goal.id })
    process.stdout.write(`${JSON.stringify((shown as unknown as { output: GoalView }).output)}\n`)
    break
  }
  const asked = goal !== undefined && goal.waiting_for === 'an answer'
  if (asked) {
    // It waits a while, as for a person: a kill meets it there too. One of a try before may have answered already.
    await new Promise((resolve) => setTimeout(resolve, 300))
    await guest.kernel.call('goal.answer', { goal: goal.id, answers: ['yes'] })
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
}
await guest.kernel.close()
process.exit(0)
