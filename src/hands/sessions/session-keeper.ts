/** All sessions of these hands: their ids, whose they are, how many there may be, and what is known of those that are gone. */
import type { SessionEnd, SessionEntry } from '../../types/index.ts'
import { failed } from '../failure.ts'
import { keepEndedMs, maxEndedSessions, maxGoneSessions, maxSessions } from '../limits.ts'
import type { Session } from './shell-session.ts'

export interface KeptSession extends Session {
  readonly id: string
  readonly owner: string
  /** Its end, and all of its output, were read. */
  seen: boolean
}

export interface SessionKeeper {
  /** @throws the failure `limit_reached` when there is no room for one more, or what `open` throws */
  add(owner: string, kind: SessionEntry['kind'], open: () => Promise<Session>): Promise<KeptSession>
  /** @throws the failure `not_found`, which says what is known */
  find(owner: string, id: string): KeptSession
  forget(session: KeptSession, why: string): void
  list(owner: string): SessionEntry[]
  /** Ends all of them. Never rejects. */
  close(): Promise<void>
}

interface Kept {
  readonly session: KeptSession
  readonly begunMs: number
  endedMs: number | null
}

export function createSessionKeeper(): SessionKeeper {
  // Ids of hands that were before these are told from those that never were.
  const run = Date.now().toString(36).slice(-6)
  const kept = new Map<string, Kept>()
  const gone = new Map<string, { readonly owner: string; readonly why: string }>()
  let opening = 0
  let count = 0
  const mayUse = (asker: string, owner: string): boolean => asker === '' || asker === owner
  const ofOwner = (owner: string) => [...kept.values()].filter(({ session }) => mayUse(owner, session.owner))

  const forget = (session: KeptSession, why: string): void => {
    kept.delete(session.id)
    gone.set(session.id, { owner: session.owner, why })
    for (const id of gone.keys()) if (gone.size > maxGoneSessions) gone.delete(id)
  }
  const sweep = (): void => {
    const now = performance.now()
    const ended = [...kept.values()].filter((each) => each.endedMs !== null)
    const drop = ({ session }: Kept): void => forget(session, `${describeEnd(session.outlet.ended())}; its output is no longer kept`)
    for (const each of ended) if (now - each.endedMs! > keepEndedMs) drop(each)
    // Those that were read go first, the oldest of them before.
    const left = ended.filter(({ session }) => kept.has(session.id)).toSorted((a, b) => Number(b.session.seen) - Number(a.session.seen))
    for (const each of left.slice(0, Math.max(0, left.length - maxEndedSessions))) drop(each)
  }
  return {
    async add(owner, kind, open) {
      sweep()
      const living = [...kept.values()].filter((each) => each.endedMs === null).length
      if (living + opening >= maxSessions)
        throw failed('limit_reached', `All ${maxSessions} sessions are in use.`, `Close one. ${openOnes(ofOwner(owner))}`)
      opening += 1
      try {
        const opened = await open()
        const session: KeptSession = Object.assign(opened, { id: `${kind}-${(count += 1)}-${run}`, owner, seen: false })
        const entry: Kept = { session, begunMs: performance.now(), endedMs: null }
        kept.set(session.id, entry)
        const end = (): void => void (entry.endedMs = performance.now())
        session.over.then(end, end)
        return session
      } finally {
        opening -= 1
      }
    },
    find(owner, id) {
      sweep()
      const session = kept.get(id)?.session
      if (session !== undefined && mayUse(owner, session.owner)) return session
      const known = gone.get(id)
      const hint = openOnes(ofOwner(owner))
      if (known !== undefined && mayUse(owner, known.owner)) throw failed('not_found', `${id} is gone: it ${known.why}.`, hint)
      if (/^(?:shell|job)-\d{1,9}-[a-z0-9]{1,12}$/.test(id) && !id.endsWith(`-${run}`))
        throw failed('not_found', `${id} was open before the sandbox was started again: it ended then, and its output is gone.`, hint)
      throw failed('not_found', `There is no session of this name.`, hint)
    },
    forget,
    list(owner) {
      sweep()
      return ofOwner(owner).map(entryOf)
    },
    async close() {
      await Promise.allSettled([...kept.values()].map(({ session }) => session.close()))
    },
  }
}

function entryOf({ session, begunMs }: Kept): SessionEntry {
  const { id, facts, outlet } = session
  const ageMs = Math.round(performance.now() - begunMs)
  return { id, ...facts, ageMs, total: outlet.total(), ended: outlet.ended(), prompt: outlet.prompt() }
}

export function describeEnd(end: SessionEnd | null): string {
  if (end === null) return 'was closed'
  if (end.exitCode !== null) return `ended with exit code ${end.exitCode}`
  return end.signal === null ? 'ended' : `was ended by ${end.signal}`
}

function openOnes(entries: readonly Kept[]): string {
  const ids = entries.map(({ session }) => session.id)
  return ids.length === 0 ? 'No session is open: open one.' : `There are: ${ids.join(', ')}.`
}
