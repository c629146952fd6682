/**
 * Guests that are killed while a tree of agents, three deep, fans out, delegates and runs commands: no result is lost, no effect happens
 * twice, no agent is an orphan, and no process is left.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DefinitionText, HostQuestion, JsonObject } from '../../src/types/index.ts'
import { assertNothingOpen } from '../support/ledger.ts'
import { scaled } from '../support/scale.ts'
import { type Agent, calls, killAgents, type Survivors } from './agents-to-kill.ts'
import { overSeeds } from './side-by-side.ts'

const kills = scaled(200, 16)
const killsInOneWorkspace = 8
const trees = 2
/** No further workspace begins after this long: on a busy machine fewer kills are better than an hour. */
const boundMs = 150_000

const task = (id: string) => ({ id, agent: 'lead', goal: `Lead ${id}.` })

const scenario = {
  turns: [
    { match: 'Rule', steps: [calls('agent_fan_out', { tasks: [task('a'), task('b')] }), { events: [{ text: 'Ruled.' }] }] },
    { match: 'Lead', steps: [calls('agent_delegate', { agent: 'worker', goal: 'Work.' }), { events: [{ text: 'Led.' }] }] },
    { match: 'Work', steps: [calls('shell_exec', { command: 'echo done >> /shared/log' }), { events: [{ text: 'Worked.' }] }] },
  ],
}

const define = (name: string, rights: readonly string[]): DefinitionText => ({
  kind: 'agents',
  name,
  toml: `description = "${name}"\nrights = ${JSON.stringify(rights)}\ndelegable = ${JSON.stringify(rights)}`,
  text: `You are ${name}.`,
  problem: '',
})
const definitions = [define('lead', ['agent.spawn', 'agent.use', 'shell.run']), define('worker', ['shell.run'])]

async function ordeal(seed: number): Promise<void> {
  const chiefs = { name: 'king', task: 'Rule.', count: trees }
  const config = { versions: { enabled: false } }
  const answer = ({ ask }: HostQuestion): unknown => (ask === 'definitions' ? definitions : null)
  await killAgents(seed, { scenario, chiefs, config, answer, kills: killsInOneWorkspace, latestMs: 400 }, assertTrees)
}

function assertTrees({ agents, ledger, workspace }: Survivors): void {
  const effects = workspace.lines('log').length
  assertNothingOpen(ledger)
  for (const { id, name, state, reason } of agents) assert.equal(state, 'done', `${name} ${id}: ${reason}`)
  const named = (name: string): readonly Agent[] => agents.filter((agent) => agent.name === name)
  const counts = ['king', 'lead', 'worker'].map((name) => named(name).length)
  const said = ledger.entries
    .filter(({ name, phase }) => name === 'agent.fan_out' && phase !== 'exchange')
    .map(({ body }) => JSON.stringify(body))
  assert.deepEqual(counts, [trees, trees * 2, trees * 2], `none is lost, and none was made twice: ${said.join('\n')}`)
  for (const [above, below, children] of [
    ['king', 'lead', 2],
    ['lead', 'worker', 1],
  ] as const)
    for (const { id, depth } of named(above)) {
      const own = named(below).filter(({ parent }) => parent === id)
      assert.equal(own.length, children, 'no agent is an orphan')
      assert.ok(own.every((child) => child.depth === depth + 1))
    }
  const ends = (name: string): readonly JsonObject[] =>
    ledger.entries.filter((entry) => entry.name === name && entry.phase === 'outcome').map(({ body }) => body as JsonObject)
  assert.deepEqual(
    ends('agent.fan_out').map(({ outcome, succeeded }) => [outcome, succeeded]),
    Array.from({ length: trees }, () => ['success', 2]),
  )
  assert.deepEqual(
    ends('agent.delegate').map(({ outcome }) => outcome),
    Array(trees * 2).fill('success'),
  )
  const known = ends('shell.exec').filter(({ status }) => status === 'ok').length
  assert.ok(effects <= trees * 2, `${effects} effects of ${trees * 2} workers: none is repeated`)
  assert.ok(effects >= known, `${known} effects that were recorded have happened`)
}

test(`${kills} kills of trees of agents, three deep, lose no result, repeat no effect and leave no orphan`, async (t) => {
  const runs = await overSeeds(t, { count: kills / killsInOneWorkspace, boundMs, ordeal })
  t.diagnostic(`${runs.length * killsInOneWorkspace} kills`)
})
