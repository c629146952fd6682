/** Makes a plan and applies it until it has ended, or is killed; another one goes on. Its argument is a folder, which has the workspace and the store. */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asks, openFixture, says, testCall, user } from '../../src/kernel/kernel-fixture.ts'
import { createSandbox } from '../../src/sandbox/create-sandbox.ts'
import { testBrowser, testLimits } from '../../src/sandbox/sandbox-fixture.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { builtinCalls } from '../../src/tools/index.ts'
import type { PlanView } from '../../src/services/plans/plan-calls.ts'

const folder = process.argv[2] ?? ''
const root = join(folder, 'workspace')
mkdirSync(join(root, 'shared'), { recursive: true })
chmodSync(root, 0o755)
const begun = join(folder, 'begun')
/** An effect outside that must not happen twice. A kill can hide whether it has. */
const send = testCall(
  'mail.send',
  async ({ to }: { readonly to: string }) => {
    appendFileSync(join(folder, 'effects'), `${to}\n`)
    return { output: null, text: 'Sent.' }
  },
  { effect: 'once', tier: 'privileged', right: 'mail.send', planned: async () => ({ output: null, text: 'Sent.' }) },
)
const files = Array.from({ length: 20 }, (_, n) => `f${n}.txt`)
const steps = [
  asks(['shell_exec', { command: `for f in ${files.join(' ')}; do echo new > $f; done` }]),
  ...['a', 'b', 'c', 'd'].map((to) => asks(['mail_send', { to }])),
  asks(['state_save', { category: 'projects', name: 'ox', data: 1 }]),
  asks(['mail_send', { to: 'e' }]),
]
if (!existsSync(begun)) for (const name of files) writeFileSync(join(root, 'shared', name), 'old\n')
const guest = await openFixture({
  sandbox: await createSandbox({ workspaceRoot: root, limits: testLimits, browser: testBrowser, insecure: false, mounts: [] }),
  store: await openSqliteStore({ user, path: join(folder, 'store.sqlite'), durability: 'normal' }),
  versionsFolder: join(root, 'internal', 'versions'),
  play: () => steps.shift() ?? says('done'),
  config: { agent: { rights: ['shell.run', 'file.read', 'file.write', 'state.read', 'state.write', 'mail.send'] } },
  calls: [...builtinCalls({ files: true, shell: true }), send],
})
const ok = async (name: string, input: object): Promise<PlanView> => {
  const outcome = await guest.kernel.call(name, input as never)
  if (outcome.status !== 'ok') throw new Error(JSON.stringify(outcome))
  return outcome.output as unknown as PlanView
}
if (!existsSync(begun)) {
  const { id, digest } = await ok('plan.make', { text: 'Tell them all' })
  writeFileSync(begun, JSON.stringify({ id, digest }))
  process.stdout.write('made\n')
} else {
  const { id, digest } = JSON.parse(readFileSync(begun, 'utf8')) as { readonly id: string; readonly digest: string }
  process.stdout.write('opened\n')
  // A person looks, and goes on behind a step whose end a kill has hidden.
  let applied = await ok('plan.apply', { plan: id, digest })
  while (applied.state === 'stopped' && applied.applied?.done.at(-1)?.status === 'unknown')
    applied = await ok('plan.apply', { plan: id, digest, skip_unknown: true })
  process.stdout.write(`${JSON.stringify(applied)}\n`)
}
await guest.kernel.close()
process.exit(0)
