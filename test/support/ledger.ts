/** The journal of a workspace whose guest is gone, read with the product's own store, and the laws that it must obey. */
import assert from 'node:assert/strict'
import { verifyJournal } from '../../src/services/index.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { JournalRecord, RecordView, Spend } from '../../src/protocol/index.ts'
import { type TestWorkspace, user } from './workspace.ts'

/** A record with its body parsed. */
export type Entry = RecordView

export interface Ledger {
  readonly entries: readonly Entry[]
  /** Calls that have begun and not ended, as `audit verify` finds them. */
  readonly open: readonly string[]
  /** Of one call, in order. */
  of(call: string): readonly Entry[]
}

/** Reads the whole journal. @throws when a law is broken that holds for every journal at rest. */
export async function readLedger(workspace: Pick<TestWorkspace, 'database'>): Promise<Ledger> {
  const store = await openSqliteStore({ path: workspace.database, user, durability: 'normal', readOnly: true })
  try {
    const entries = (await allRecords(store)).map(parse)
    entries.forEach((entry, i) => assert.equal(entry.seq, i + 1, 'seq has no gaps'))
    const report = await verifyJournal(store, { seal: null })
    assert.equal(report.ok, true, `the chain verifies: ${JSON.stringify(report)}`)
    await assertBudgetsAddUp(store, entries)
    return {
      entries,
      open: report.open.map(({ name, call }) => `${name} ${call}`),
      of: (call) => entries.filter((entry) => entry.call === call),
    }
  } finally {
    await store.close()
  }
}

/** No call waits for an end, and each ended once. */
export function assertNothingOpen(ledger: Ledger): void {
  assert.deepEqual(ledger.open, [])
  const calls = Map.groupBy(ledger.entries, (entry) => entry.call)
  for (const [call, entries] of calls) {
    // What the kernel notes besides calls: events, and documents of its subsystems.
    if (entries.every(({ phase, actor, name }) => phase === 'exchange' && (actor === 'kernel' || name.startsWith('event.')))) continue
    const ends = entries.filter((entry) => entry.phase === 'outcome' || entry.phase === 'refused' || entry.phase === 'reconciled')
    const told = entries.map((entry) => `${entry.seq} ${entry.name} ${entry.phase}`).join(', ')
    assert.equal(ends.length, 1, `${call} has one end: ${told}`)
    assert.ok(entries.filter((entry) => entry.phase === 'intent').length <= 1, `${call} has one intent: ${told}`)
  }
}

async function allRecords(store: Store): Promise<readonly JournalRecord[]> {
  const records: JournalRecord[] = []
  for (;;) {
    const page = await store.records({ after: records.at(-1)?.seq ?? 0, order: 'oldest_first', limit: pageSize, hydrate: true })
    records.push(...page)
    if (page.length < pageSize) return records
  }
}

const pageSize = 1_000

function parse({ seq, at, actor, session, turn, call, name, phase, body }: JournalRecord): Entry {
  return { seq, at, actor, session, turn, call, name, phase, body: JSON.parse(body) as JsonObject }
}

/** What the records say was spent is what the accounts say. */
async function assertBudgetsAddUp(store: Store, entries: readonly Entry[]): Promise<void> {
  const accounts = new Map<string, Spend>()
  for (const { session, body } of entries) {
    const spent = (body as { spent?: Spend }).spent
    if (spent === undefined) continue
    for (const scope of session === '' ? [`user:${user}`] : [`user:${user}`, `session:${session}`]) {
      const { microDollars, tokens } = accounts.get(scope) ?? { microDollars: 0, tokens: 0 }
      accounts.set(scope, { microDollars: microDollars + spent.microDollars, tokens: tokens + spent.tokens })
    }
  }
  for (const [scope, spend] of accounts) assert.deepEqual(await store.spent(scope), spend, `the account ${scope} adds up`)
}
