/**
 * Guests that are killed while agents are spawned, wait for places and for each other, and run: none is lost, none runs twice, none is
 * left without its parent, and each ends with its answer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, type Ledger, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { series } from '../support/scale.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'
import { sideBySide } from './side-by-side.ts'

const kills = series(200, 24)
const killsInOneWorkspace = 8
const bosses = 3

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })

/** A boss spawns two workers and waits for them; a worker appends a line to a file. */
const scenario = {
  turns: [
    {
      match: 'Lead',
      steps: [
        tool('agent_spawn', { task: 'Work, first.', name: 'worker' }),
        tool('agent_spawn', { task: 'Work, second.', name: 'worker', priority: 'low' }),
        tool('agent_wait', {}),
        { events: [{ text: 'All done.' }] },
      ],
    },
    { match: 'Work', steps: [tool('state_list', { category: 'none' }), { events: [{ text: 'Worked.' }] }] },
    { match: 'Agent worker', steps: [{ events: [{ text: 'Noted.' }] }] },
  ],
}

interface Agent {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly parent: string
  readonly reason: string
}

function createChance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function ordeal(seed: number): Promise<number> {
  const chance = createChance(seed)
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const config = { model: model.config, approval: { privileged: 'allow' }, agents: { max_running: 3 }, memory: { embedder: 'none' } }
  let spawned = 0
  let isKilled = false
  /** Spawns what is missing, and looks until all have ended. @returns null when the guest died before */
  const live = async (guest: ReturnType<typeof startGuest>, isWhole: boolean): Promise<readonly Agent[] | null> => {
    try {
      using terminal = await openReady(guest, workspace)
      const ask = async <Output>(name: string, input: object): Promise<Output> => {
        const outcome = (await terminal.expect('result', 'call', { name, input })).result as {
          status: string
          output: Output
          text: string
        }
        assert.equal(outcome.status, 'ok', outcome.text)
        return outcome.output
      }
      const listed = async () => (await ask<{ agents: readonly Agent[] }>('agent.list', { ended: true })).agents
      // A spawn whose acknowledgement was lost may have happened.
      spawned = (await listed()).filter(({ name }) => name === 'boss').length
      while (spawned < bosses) {
        await ask('agent.spawn', { task: 'Lead.', name: 'boss' })
        spawned += 1
      }
      const found = await listed()
      if (isWhole) await ask('agent.wait', { agents: found.filter(({ name }) => name === 'boss').map(({ id }) => id), timeout_s: 60 })
      else await guest.gone
      return await listed()
    } catch (error) {
      if (isWhole || !isKilled) throw error
      return null
    }
  }
  for (let life = 0; life < killsInOneWorkspace; life++) {
    await using guest = startGuest({ workspace, config })
    const started = await guest.started
    if (started.type === 'fatal') throw new Error(JSON.stringify(started))
    isKilled = false
    const die = (): void => {
      isKilled = true
      void guest.kill()
    }
    const timer = setTimeout(die, 5 + chance() * 300)
    await live(guest, false)
    clearTimeout(timer)
    await guest.kill()
    await emptied(workspace)
  }
  await using guest = startGuest({ workspace, config })
  const agents = await live(guest, true)
  assert.ok(agents !== null)
  await guest.stop()
  assertAgents(agents, await readLedger(workspace))
  return agents.length
}

function assertAgents(agents: readonly Agent[], ledger: Ledger): void {
  assertNothingOpen(ledger)
  const led = agents.filter(({ name }) => name === 'boss')
  assert.equal(led.length, bosses)
  assert.equal(agents.length, bosses * 3, 'each boss has two workers: none is lost, none was spawned twice')
  for (const { id, state, reason } of agents) assert.equal(state, 'done', `${id}: ${reason}`)
  for (const { id } of led) assert.equal(agents.filter(({ parent }) => parent === id).length, 2, 'no worker is an orphan')
  const turns = ledger.entries.filter(({ name, phase }) => name === 'turn.send' && phase === 'intent')
  for (const { text } of turns.map(({ body }) => (body as { input: { text: string } }).input))
    assert.match(text, /^(Lead|Work, (first|second)|\[Agent worker)/)
  const tasks = turns.filter(({ body }) => !(body as { input: { text: string } }).input.text.startsWith('[Agent'))
  assert.equal(tasks.length, agents.length, 'each task began one turn')
}

test(`${kills} kills lose, repeat and orphan no agent`, async (t) => {
  const first = Number(process.env['OXBOW_SEED'] ?? Math.floor(Date.now() % 1_000_000))
  t.diagnostic(`seeds from ${first} (OXBOW_SEED=${first} repeats them)`)
  let begun = 0
  await sideBySide(async () => {
    if (begun >= kills / killsInOneWorkspace) return false
    const seed = first + begun++
    await ordeal(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error })
    })
    return true
  })
})
