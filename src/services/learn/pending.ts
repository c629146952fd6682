/**
 * What a model is still to read, and what its reading has cost, by session: two small documents, so that a restart goes on with both. The
 * first is deleted when nothing is left, because a document of its category opens the service at the start.
 */
import type { Core, Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import { addSpend, noSpend, type Spend } from '../../protocol/index.ts'

const pendingCategory = 'system/learn'
const spentCategory = 'system/learned'
const name = 'all'

/** A session in which nothing could be afforded yet waits with its newest messages; of many sessions, those that came last wait. */
const maxWaitingEach = 20
const maxWaiting = 50
/** Sessions whose cost is remembered. One that is used again later may spend its part anew. */
const maxSpent = 200

type Of = Parameters<Documents['put']>[0]
type Waiting = Readonly<Record<string, readonly string[]>>
type Costs = Readonly<Record<string, Spend>>

export interface Pending {
  all(): Promise<ReadonlyMap<SessionId, readonly string[]>>
  add(of: Of, unread: ReadonlyMap<SessionId, readonly string[]>): Promise<void>
  /** These were read, or cannot be. */
  done(of: Of, session: SessionId, ids: readonly string[]): Promise<void>
  spent(session: SessionId): Promise<Spend>
  spend(of: Of, session: SessionId, more: Spend): Promise<void>
}

export function openPending({ documents }: Pick<Core, 'documents'>): Pending {
  const waiting = async (): Promise<Waiting> => (await documents.get<Waiting>(pendingCategory, name))?.value ?? {}
  const costs = async (): Promise<Costs> => (await documents.get<Costs>(spentCategory, name))?.value ?? {}
  const newest = <Value>(all: Readonly<Record<string, Value>>, max: number): Readonly<Record<string, Value>> =>
    Object.fromEntries(Object.entries(all).slice(-max))
  return {
    all: async () => new Map(Object.entries(await waiting()) as [SessionId, readonly string[]][]),
    async add(of, unread) {
      await documents.change<Waiting>(of, pendingCategory, name, (held) => {
        const all: Record<string, readonly string[]> = { ...held?.value }
        for (const [session, ids] of unread) {
          const known = all[session] ?? []
          // At the end: what came last is kept.
          delete all[session]
          all[session] = [...new Set([...known, ...ids])].slice(-maxWaitingEach)
        }
        return newest(all, maxWaiting)
      })
    },
    async done(of, session, ids) {
      await documents.change<Waiting>(of, pendingCategory, name, (held) => {
        if (held === null) return undefined
        const { [session]: own = [], ...others } = held.value
        const left = own.filter((id) => !ids.includes(id))
        const all = left.length === 0 ? others : { ...others, [session]: left }
        return Object.keys(all).length === 0 ? null : all
      })
    },
    spent: async (session) => (await costs())[session] ?? noSpend,
    async spend(of, session, more) {
      await documents.change<Costs>(of, spentCategory, name, (held) => {
        const { [session]: own = noSpend, ...others } = held?.value ?? {}
        return newest({ ...others, [session]: addSpend(own, more) }, maxSpent)
      })
    },
  }
}
