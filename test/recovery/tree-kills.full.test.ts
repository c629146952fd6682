/**
 * Guests that are killed while a tree of agents, three deep, fans out, delegates and runs commands: no result is lost, no effect happens
 * twice, no agent is an orphan, and no process is left.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DefinitionText, JsonObject } from '../../src/types/index.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, type Ledger, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { series } from '../support/scale.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'
import { sideBySide } from './side-by-side.ts'

const kills = series(200, 16)
const killsInOneWorkspace = 8
const trees = 2
/** No further workspace begins after this long: on a busy machine fewer kills are better than an hour. */
const boundMs = 150_000

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })
const task = (id: string) => ({ id, agent: 'lead', goal: `Lead ${id}.` })

const scenario = {
  turns: [
    { match: 'Rule', steps: [tool('agent_fan_out', { tasks: [task('a'), task('b')] }), { events: [{ text: 'Ruled.' }] }] },
    { match: 'Lead', steps: [tool('agent_delegate', { agent: 'worker', goal: 'Work.' }), { events: [{ text: 'Led.' }] }] },
    { match: 'Work', steps: [tool('shell_exec', { command: 'echo done >> /shared/log' }), { events: [{ text: 'Worked.' }] }] },
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

interface Agent {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly parent: string
  readonly reason: string
  readonly depth: number
}

function createChance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function ordeal(seed: number): Promise<void> {
  const chance = createChance(seed)
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const config = { model: model.config, approval: { privileged: 'allow' }, memory: { embedder: 'none' }, versions: { enabled: false } }
  const start = () => startGuest({ workspace, config, answer: ({ ask }) => (ask === 'definitions' ? definitions : null) })
  let isKilled = false
  /** Starts the trees that are missing. @returns all agents when they have ended; null when the guest died before */
  const live = async (guest: ReturnType<typeof startGuest>, isWhole: boolean): Promise<readonly Agent[] | null> => {
    try {
      using terminal = await openReady(guest, workspace)
      const ask = async <Output>(name: string, input: object): Promise<Output> => {
        const { result } = (await terminal.expect('result', 'call', { name, input })) as unknown as {
          result: { status: string; output: Output; text: string }
        }
        assert.equal(result.status, 'ok', result.text)
        return result.output
      }
      const listed = async () => (await ask<{ agents: readonly Agent[] }>('agent.list', { ended: true, limit: 1_000 })).agents
      // A spawn whose acknowledgement was lost may have happened.
      const begun = (await listed()).filter(({ name }) => name === 'king').length
      for (let missing = trees - begun; missing > 0; missing--) await ask('agent.spawn', { task: 'Rule.', name: 'king' })
      const kings = (await listed()).filter(({ name }) => name === 'king').map(({ id }) => id)
      if (isWhole) await ask('agent.wait', { agents: kings, timeout_s: 60 })
      else await guest.gone
      return await listed()
    } catch (error) {
      if (isWhole || !isKilled) throw error
      return null
    }
  }
  for (let life = 0; life < killsInOneWorkspace; life++) {
    await using guest = start()
    const started = await guest.started
    if (started.type === 'fatal') throw new Error(JSON.stringify(started))
    isKilled = false
    const die = (): void => {
      isKilled = true
      void guest.kill()
    }
    const timer = setTimeout(die, 5 + chance() * 400)
    await live(guest, false)
    clearTimeout(timer)
    await guest.kill()
    await emptied(workspace)
  }
  await using guest = start()
  const agents = await live(guest, true)
  assert.ok(agents !== null)
  await guest.stop()
  await emptied(workspace)
  assertTrees(agents, await readLedger(workspace), workspace.lines('log').length)
}

function assertTrees(agents: readonly Agent[], ledger: Ledger, effects: number): void {
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
  const first = Number(process.env['OXBOW_SEED'] ?? Math.floor(Date.now() % 1_000_000))
  const began = performance.now()
  let begun = 0
  await sideBySide(async () => {
    if (begun >= kills / killsInOneWorkspace || performance.now() - began > boundMs) return false
    const seed = first + begun++
    await ordeal(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error })
    })
    return true
  })
  t.diagnostic(`seeds from ${first} (OXBOW_SEED=${first} repeats them); ${begun * killsInOneWorkspace} kills`)
})
