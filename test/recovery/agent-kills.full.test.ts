/**
 * Guests that are killed while agents are spawned, wait for places and for each other, and run: none is lost, none runs twice, none is
 * left without its parent, and each ends with its answer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertNothingOpen } from '../support/ledger.ts'
import { scaled } from '../support/scale.ts'
import { calls, killAgents, type Survivors } from './agents-to-kill.ts'
import { overSeeds } from './side-by-side.ts'

const kills = scaled(200, 24)
const killsInOneWorkspace = 8
const bosses = 3

/** A boss spawns two workers and waits for them; a worker appends a line to a file. */
const scenario = {
  turns: [
    {
      match: 'Lead',
      steps: [
        calls('agent_spawn', { task: 'Work, first.', name: 'worker' }),
        calls('agent_spawn', { task: 'Work, second.', name: 'worker', priority: 'low' }),
        calls('agent_wait', {}),
        { events: [{ text: 'All done.' }] },
      ],
    },
    { match: 'Work', steps: [calls('state_list', { category: 'none' }), { events: [{ text: 'Worked.' }] }] },
    { match: 'Agent worker', steps: [{ events: [{ text: 'Noted.' }] }] },
  ],
}

async function ordeal(seed: number): Promise<void> {
  const chiefs = { name: 'boss', task: 'Lead.', count: bosses }
  const config = { agents: { max_running: 3 } }
  await killAgents(seed, { scenario, chiefs, config, kills: killsInOneWorkspace, latestMs: 300 }, assertAgents)
}

function assertAgents({ agents, ledger }: Survivors): void {
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
  await overSeeds(t, { count: kills / killsInOneWorkspace, ordeal })
})
