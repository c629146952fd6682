/** Guests that are killed at random while agents work in them, and what is left of the agents after the last start. */
import assert from 'node:assert/strict'
import type { ScenarioStep } from '../../src/engine/index.ts'
import type { JsonObject } from '../../src/types/index.ts'
import { startGuest, type GuestStart } from '../support/guest-process.ts'
import { type Ledger, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady, outputOf } from '../support/ready.ts'
import { emptied, makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { createChance } from './side-by-side.ts'

export interface Agent {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly parent: string
  readonly reason: string
  readonly depth: number
}

export interface AgentOrdeal extends Pick<GuestStart, 'answer'> {
  readonly scenario: Parameters<typeof startModel>[0]
  readonly config: object
  /** Agents that are spawned from outside, until there are so many; all others are theirs. */
  readonly chiefs: { readonly name: string; readonly task: string; readonly count: number }
  readonly kills: number
  /** A kill comes this long after the start, or earlier. */
  readonly latestMs: number
}

export interface Survivors {
  readonly agents: readonly Agent[]
  readonly ledger: Ledger
  readonly workspace: TestWorkspace
}

/** A step of a model that makes one tool call. */
export const calls = (name: string, input: JsonObject): ScenarioStep => ({ events: [{ tool_call: { name, arguments: input } }] })

/** Kills guests in one workspace, lets the last one finish, and has `check` look at what is left. @throws what `check` throws */
export async function killAgents(seed: number, ordeal: AgentOrdeal, check: (left: Survivors) => void): Promise<void> {
  const { scenario, chiefs, answer, latestMs } = ordeal
  const chance = createChance(seed)
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const config = { model: model.config, approval: { privileged: 'allow' }, memory: { embedder: 'none' }, ...ordeal.config }
  const start = () => startGuest({ workspace, config, ...(answer !== undefined && { answer }) })
  let isKilled = false
  /** Spawns the chiefs that are missing. @returns all agents when they have ended; null when the guest died before */
  const live = async (guest: ReturnType<typeof start>, isWhole: boolean): Promise<readonly Agent[] | null> => {
    try {
      using terminal = await openReady(guest, workspace)
      const listed = async () =>
        (await outputOf<{ agents: readonly Agent[] }>(terminal, 'agent.list', { ended: true, limit: 1_000 })).agents
      // A spawn whose acknowledgement was lost may have happened.
      const begun = (await listed()).filter(({ name }) => name === chiefs.name).length
      for (let at = begun; at < chiefs.count; at++) await outputOf(terminal, 'agent.spawn', { task: chiefs.task, name: chiefs.name })
      const own = (await listed()).filter(({ name }) => name === chiefs.name).map(({ id }) => id)
      if (isWhole) await outputOf(terminal, 'agent.wait', { agents: own, timeout_s: 60 })
      else await guest.gone
      return await listed()
    } catch (error) {
      if (isWhole || !isKilled) throw error
      return null
    }
  }
  for (let life = 0; life < ordeal.kills; life++) {
    await using guest = start()
    const started = await guest.started
    if (started.type === 'fatal') throw new Error(JSON.stringify(started))
    isKilled = false
    const die = (): void => {
      isKilled = true
      void guest.kill()
    }
    const timer = setTimeout(die, 5 + chance() * latestMs)
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
  check({ agents, ledger: await readLedger(workspace), workspace })
}
