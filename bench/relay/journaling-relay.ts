/**
 * The relay, with what the design asks of any guest and nothing else: its requests carry an agent's tools, and for each turn it
 * commits what a guest commits, in two transactions of the store's own thread, the message before the model is asked and the rest
 * before the last frame. No gate, no session, no history, no budget, no follower, no index. What a guest takes beyond it is the
 * guest's own.
 *
 * `relay-main.ts BASE_URL FILE` is this relay over a new database file.
 */
import { openSqliteStore, plainSession, type Projection, type SessionRow } from '../../src/store/index.ts'
import { type CallId, createIdMaker, type SessionId, systemClock, systemRandom, type TurnId } from '../../src/base/index.ts'
import type { NewRecord, Phase } from '../../src/protocol/index.ts'
import { benchUser } from '../subjects/guest.ts'

export interface TurnJournal {
  /** JSON of the tools in each request, with its comma. */
  readonly tools: string
  /** Commits a message. @returns what commits the rest of its turn. */
  begin(): Promise<(asked: number) => Promise<void>>
}

/** About as many and as large as the guest's, 21 kB where it has 22: what a model server reads in each request. */
const toolCount = 35
const describedTool = 'Tells what the tool is for, and when it is to be used in place of another. '

export async function openTurnJournal(path: string): Promise<TurnJournal> {
  const store = await openSqliteStore({ path, user: benchUser, durability: 'normal' })
  await store.opened()
  const newId = createIdMaker(systemClock, systemRandom)
  const session = newId() as SessionId
  const row: SessionRow = { ...plainSession, id: session, title: 'bench', createdAt: systemClock.now(), activeAt: 0 }
  const record = (turn: TurnId, call: CallId, name: string, phase: Phase, size: number): NewRecord => ({
    at: systemClock.now(),
    actor: `user:${benchUser}`,
    session,
    turn,
    call,
    name,
    phase,
    // No two are the same: one that is long would be kept once.
    body: JSON.stringify({ call, text: 'x'.repeat(size) }),
  })
  return {
    tools: `"tools":${JSON.stringify(Array.from({ length: toolCount }, (_, i) => tool(i)))},`,
    async begin() {
      const turn = newId() as TurnId
      const message = turn as string as CallId
      await store.append({ records: [record(turn, message, 'turn.send', 'intent', 50)] })
      return async (asked) => {
        const records: NewRecord[] = [record(turn, message, 'turn.send', 'started', 300)]
        const projections: Projection[] = [
          { kind: 'session', session: { ...row, activeAt: systemClock.now() } },
          { kind: 'message', record: 0 },
        ]
        const call = (name: string, ...sizes: readonly (readonly [Phase, number])[]): void => {
          const id = newId() as CallId
          for (const [phase, size] of sizes) records.push(record(turn, id, name, phase, size))
        }
        for (let step = 0; step < asked; step++) {
          if (step > 0) call('time.now', ['intent', 20], ['outcome', 80])
          call('model.generate', ['intent', 170], ['exchange', step + 1 < asked ? 1_600 : 5_100], ['outcome', 300])
          projections.push({ kind: 'message', record: records.length - 1 })
          for (const scope of ['user:bench', `session:${session}`]) {
            projections.push({ kind: 'spend', scope, spend: { microDollars: 0, tokens: 20 } })
          }
        }
        records.push(record(turn, message, 'turn.send', 'outcome', 200))
        await store.append({ records, projections })
      }
    },
  }
}

function tool(place: number): object {
  const description = describedTool.repeat(2)
  const text = { type: 'string', minLength: 1, maxLength: 4_096, description: describedTool }
  const parameters = { type: 'object', properties: { path: text, content: text }, required: ['path'], additionalProperties: false }
  return { type: 'function', function: { name: `tool_${place}`, description, parameters } }
}
