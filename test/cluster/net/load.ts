/** People who send messages through any door until they are acknowledged, and write down what was acknowledged to them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { paying } from './net-cluster.ts'

export interface NetUser {
  readonly user: string
  readonly key: string
}

export interface Load {
  /** Texts by user; each was sent with one `Idempotency-Key`. */
  readonly acknowledged: ReadonlyMap<string, readonly string[]>
  /** Answers that no client should get, in words. */
  readonly odd: readonly string[]
  /** Of the slowest message so far, since the last time that it was asked. */
  slowestMs(): number
  count(): number
  end(): Promise<void>
}

/** A person gives up after it; a cluster that is whole again has acknowledged by then. */
const patienceMs = 240_000
const tryMs = 8_000
/** Come again: a guest that moves, a store or a cluster that is away. */
const expected = [409, 423, 429, 500, 502, 503, 504]

export function startLoad(users: readonly NetUser[], clients: number, doors: readonly string[], random: () => number): Load {
  const acknowledged = new Map(users.map(({ user }) => [user, [] as string[]]))
  const odd: string[] = []
  const state = { goesOn: true, slowestMs: 0 }
  const talk = async ({ user, key }: NetUser, client: number): Promise<void> => {
    let session: string | undefined
    for (let i = 1; state.goesOn; i += 1) {
      const text = `${i % 3 === 0 ? paying : ''}${user} ${client} ${i}`
      const began = performance.now()
      const sent = await sendUntil({ user, key, text, session }, doors, random, odd)
      if (sent === null) {
        odd.push(`${user}: “${text}” was not acknowledged in ${patienceMs / 1_000} s`)
        continue
      }
      session = i % 40 === 0 ? undefined : sent
      acknowledged.get(user)!.push(text)
      state.slowestMs = Math.max(state.slowestMs, performance.now() - began)
      // Messages that come faster than turns end only wait, and the turns of a run would end long after it.
      await sleep(600 + random() * 1_400)
    }
  }
  const all = users.flatMap((user) => Array.from({ length: clients }, (_, client) => talk(user, client + 1)))
  return {
    acknowledged,
    odd,
    slowestMs() {
      const slowest = state.slowestMs
      state.slowestMs = 0
      return slowest
    },
    count: () => [...acknowledged.values()].reduce((sum, texts) => sum + texts.length, 0),
    async end() {
      state.goesOn = false
      await Promise.all(all)
    },
  }
}

interface Message extends NetUser {
  readonly text: string
  readonly session: string | undefined
}

/** @returns the session; null: it was never acknowledged */
async function sendUntil(
  { user, key, text, session }: Message,
  doors: readonly string[],
  random: () => number,
  odd: string[],
): Promise<string | null> {
  const once = crypto.randomUUID()
  let last = ''
  for (const end = performance.now() + patienceMs; performance.now() < end;) {
    const door = doors[Math.floor(random() * doors.length)]!
    try {
      const response = await fetch(`${door}/users/${user}/api/v1/${session === undefined ? '' : `sessions/${session}/`}messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async', 'idempotency-key': once },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(tryMs),
      })
      const body = await response.text()
      if (response.ok) return (JSON.parse(body) as { session: string }).session
      last = `${response.status} ${body.slice(0, 300)}`
      if (!expected.includes(response.status) || body.includes('internal_failure')) odd.push(`${user}: “${text}”: ${last}`)
    } catch {
      // Nobody answered: it is sent again, with the same key.
    }
    await sleep(150 + random() * 300)
  }
  return null
}
