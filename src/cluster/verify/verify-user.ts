/** One user's journal, read from the store as every guest reads it: the audit of every Oxbow, and the laws of a cluster. */
import { verifyJournal } from '../../services/index.ts'
import type { Store } from '../../store/index.ts'
import { createLaws, type Finding, type Told } from './laws.ts'

export interface UserReport {
  readonly user: string
  readonly records: number
  /** Calls under way: of a user whose guest is at rest there are those that wait for a person. */
  readonly open: number
  readonly findings: readonly Finding[]
}

/** Records read at once. */
const pageSize = 5_000

/** @throws OxbowError where the store cannot be read */
export async function verifyUser(store: Store, told: Told = {}): Promise<UserReport> {
  const { user } = store
  const audit = await verifyJournal(store, { seal: null, isShared: true })
  const laws = createLaws(user, told.effects?.field)
  for (let after = 0; ;) {
    const page = await store.records({ after, order: 'oldest_first', limit: pageSize, hydrate: false })
    for (const record of page) laws.take(record)
    const last = page.at(-1)
    if (last === undefined) break
    after = last.seq
  }
  const journal = [
    ...(audit.first_bad === null ? [] : [`record ${audit.first_bad.seq}: ${audit.first_bad.why}`]),
    ...audit.projections,
    ...audit.repeated.unexplained.map(({ seq }) => `record ${seq} begins or ends a call once more`),
    ...audit.erased.unexplained.map((seq) => `the body of record ${seq} is gone, and no record says so`),
  ]
  return {
    user,
    records: laws.records(),
    open: laws.open(),
    findings: [...journal.map((detail): Finding => ({ user, law: 'journal', detail })), ...laws.findings(told)],
  }
}
