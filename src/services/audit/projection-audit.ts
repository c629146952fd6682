/**
 * The part of an audit that compares what the store keeps besides the journal with what the journal says: what each account has
 * spent, the rows of sessions, documents, and the indexes of conversations and open calls. What was erased from the journal says nothing any more: an account may then have spent more
 * than the rest of the journal says, and the title of that session may be any.
 *
 * Some 200 bytes for each session are kept meanwhile.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { documentBody, documentChanges, firstLine, maxSessionsRead, maxTitleLength } from '../../kernel/index.ts'
import { createMemoryAudit } from '../../memory/index.ts'
import { type BudgetUse, parseErased, rowIn, rowMark, type SessionRow, type Store } from '../../store/index.ts'
import type { CallId, JsonObject, SessionId } from '../../base/index.ts'
import {
  newSessionCall,
  addSpend,
  type Charged,
  hourOf,
  isTaken,
  type JournalRecord,
  noSpend,
  sessionScope,
  type Spend,
  userScope,
  archiveSessionCall,
  deleteSessionCall,
  titleCalls,
} from '../../protocol/index.ts'
import { sumsIn } from './archive-sums.ts'
import { createIndexAudit, decides } from './index-audit.ts'

export interface ProjectionAudit {
  /** Whether `take` needs the body of the record itself, and not only where it is kept. */
  reads(record: JournalRecord): boolean
  /** Takes in every record, in order. @param body hydrated where `reads` says so */
  take(record: JournalRecord, body: string): void
  /**
   * @param open calls that have begun and not ended
   * Compares as often as it is called.
   * @returns what is not as the journal says, the first hundred; the store must have no record that was not taken in
   */
  compare(open: ReadonlyMap<CallId, { readonly seq: number }>): Promise<readonly string[]>
}

/** What the journal says of a title: the text, one that was made of this first line, or nothing certain. */
type Title = { readonly text: string } | { readonly line: string } | null

interface Account {
  spent: Spend
  /** Something that may have cost was erased. */
  isLeast: boolean
}

interface Body {
  readonly status?: string
  readonly id?: string
  readonly title?: string
  readonly session?: string
  readonly into?: unknown
  readonly text?: string
  readonly change?: { readonly title?: string }
  readonly spent?: Spend
  readonly charged?: Charged
  readonly ms?: number
}

const maxNamed = 100
const setsTitle: ReadonlySet<string> = new Set([...titleCalls, archiveSessionCall, deleteSessionCall])

export function createProjectionAudit(store: Store): ProjectionAudit {
  const accounts = createAccountAudit(store)
  const titles = createTitleAudit(store)
  const documents = createDocumentAudit(store)
  const indexes = createIndexAudit(store)
  const memory = createMemoryAudit(store)
  return {
    reads: ({ name, phase }) => mayHoldDocuments(name, phase) || (phase !== 'exchange' && phase !== 'parked' && phase !== 'decided'),
    take(record, text) {
      if (parseErased(text) !== null) {
        indexes.take(record, null)
        memory.take(record, null)
        accounts.takeErased(record)
        titles.takeErased(record)
        return
      }
      if (mayHoldDocuments(record.name, record.phase)) {
        documents.take(record, text)
        if (text.startsWith('{"erases":[')) accounts.takeSums(text)
      }
      memory.take(record, text)
      const isParsed = decides(record) || mayCount(text)
      const body = isParsed ? parseBody(text) : {}
      indexes.take(record, body)
      accounts.take(record, body ?? {})
      titles.take(record, body ?? {}, rowIn(text))
    },
    async compare(open) {
      const wrong = [accounts.compare(), titles.compare(), documents.compare(), indexes.compare(open), memory.compare()]
      return (await Promise.all(wrong)).flat().slice(0, maxNamed)
    },
  }
}

/** What each account has spent. */
function createAccountAudit(store: Store) {
  const accounts = new Map<string, Account>()
  const uses = new Map<string, BudgetUse>()
  /** By hour; journals of older versions have more records than hours. */
  const hours = new Map<string, BudgetUse>()
  /** Records whose bodies are gone, and may be in an archive: then the record of that has their sums. */
  const gone = new Map<number, JournalRecord>()
  let isUseLeast = false
  const accountOf = (scope: string): Account => {
    const account = accounts.get(scope) ?? { spent: noSpend, isLeast: false }
    accounts.set(scope, account)
    return account
  }
  const accountsOf = (session: string): readonly Account[] =>
    [userScope(store.user), ...(session === '' ? [] : [sessionScope(session)])].map(accountOf)
  const audit = {
    take({ at, session, phase }: JournalRecord, { spent, charged, ms = 0 }: Body): void {
      if (spent !== undefined) for (const account of accountsOf(session)) account.spent = addSpend(account.spent, spent)
      if (spent !== undefined && phase !== 'intent' && (spent.tokens > 0 || spent.microDollars > 0)) {
        const { name, since } = hourOf(at)
        addTo(hours, name, { since, ...spent, calls: 1, ms })
      }
      // An intent says what it has reserved, and charges nothing.
      if (charged === undefined || phase === 'intent') return
      const { microDollars, tokens } = spent ?? noSpend
      for (const [budget, since] of charged.to) addTo(uses, budget, { since, microDollars, tokens, calls: charged.calls, ms: charged.ms })
    },
    takeErased(record: JournalRecord): void {
      if (record.phase === 'outcome' || record.phase === 'reconciled') gone.set(record.seq, record)
    },
    /** @param text of a record that says what was erased */
    takeSums(text: string): void {
      for (const [seq, sums] of sumsIn(text)) {
        const record = gone.get(seq)
        if (record !== undefined) audit.take(record, sums)
        gone.delete(seq)
      }
    },
    async compare(): Promise<readonly string[]> {
      for (const { session } of gone.values()) for (const account of accountsOf(session)) account.isLeast = true
      // Which budgets they charged is erased with them.
      isUseLeast ||= gone.size > 0
      const wrong: string[] = []
      for (const [budget, use] of uses) {
        const kept = await store.used(budget)
        if (kept !== null && (isUseLeast ? kept.since >= use.since : isDeepStrictEqual(kept, use))) continue
        wrong.push(`of the budget ${budget} ${useText(kept)} is used, and the journal says ${useText(use)}`)
      }
      for (const [name, use] of hours) {
        const kept = await store.used(name)
        if (kept !== null && !isUseLeast && kept.since === use.since && !isWithin(kept, use))
          wrong.push(`of ${name} ${useText(kept)} is used, and the journal says ${useText(use)}`)
      }
      for (const [scope, { spent, isLeast }] of accounts) {
        const kept = await store.spent(scope)
        const same = kept.microDollars === spent.microDollars && kept.tokens === spent.tokens
        if (same || (isLeast && kept.microDollars >= spent.microDollars && kept.tokens >= spent.tokens)) continue
        wrong.push(`the account ${scope} has ${spendText(kept)}, and the journal says ${isLeast ? 'at least ' : ''}${spendText(spent)}`)
      }
      return wrong
    },
  }
  return audit
}

/** The rows of sessions: as the newest record left them or, where an older version wrote it, their titles. */
function createTitleAudit(store: Store) {
  const titles = new Map<SessionId, Title>()
  /** Marks of rows; null: the newest record may have been erased. */
  const marks = new Map<string, string | null>()
  /** Titles of sessions that an erased record named. */
  let erasedTitles = 0
  const fits = (row: SessionRow): boolean => {
    const mark = marks.get(row.id)
    return isTitle(titles.get(row.id), row.title) && (mark === undefined || mark === null || mark === rowMark(row))
  }
  return {
    take({ session, name, phase }: JournalRecord, body: Body, row: ReturnType<typeof rowIn>): void {
      if (row !== null) marks.set(row.id, row.mark)
      if (phase === 'outcome' && setsTitle.has(name) && body.status === 'ok') {
        const id = (name === newSessionCall ? body.id : body.session) as SessionId | undefined
        if (id === undefined) return
        const title = name === newSessionCall ? body.title : body.change?.title
        if (title !== undefined) titles.set(id, { text: title })
        else if (!titles.has(id) && body.change !== undefined) titles.set(id, { text: '' })
      } else if (isTaken({ name, phase }) && body.into === undefined && session !== '') {
        const title = titles.get(session)
        const line = body.text ?? ''
        if (title !== undefined && title !== null && 'text' in title && title.text === '' && firstLine(line) !== '')
          titles.set(session, { line })
      }
    },
    takeErased({ session, call, name, phase }: JournalRecord): void {
      marks.set(name === newSessionCall ? call : session, null)
      if (name === newSessionCall) titles.set(call as string as SessionId, null)
      else if (session !== '' && isTaken({ name, phase })) titles.set(session, null)
      else if (setsTitle.has(name) && phase === 'outcome') erasedTitles++
    },
    async compare(): Promise<readonly string[]> {
      const wrong: string[] = []
      const rows = await store.sessions(maxSessionsRead)
      const seen = new Set(rows.map(({ id }) => id))
      const renamed = rows.filter((row) => !fits(row)).map(({ id }) => id)
      for (const id of titles.keys()) {
        if (seen.has(id)) continue
        const row = await store.session(id)
        if (row === null) wrong.push(`session ${id} is missing`)
        else if (!fits(row)) renamed.push(id)
      }
      if (renamed.length > erasedTitles)
        wrong.push(...renamed.map((id) => `session ${id} has another title, labels or other columns than the journal says`))
      return wrong
    },
  }
}

/** The exchanges of models are large, and hold none. */
function mayHoldDocuments(name: string, phase: string): boolean {
  return phase === 'exchange' && !name.startsWith('model.')
}

/** Compares documents. What an erased record set is gone, or was set again by a later one. */
function createDocumentAudit(store: Store) {
  const expected = new Map<
    string,
    { readonly category: string; readonly name: string; readonly hash: string; readonly seq: number; readonly at: number }
  >()
  const hashOf = (body: string): string => createHash('sha256').update(body).digest('base64')
  return {
    take({ seq, at }: JournalRecord, text: string): void {
      if (!text.includes('"documents"')) return
      for (const { category, name, value } of documentChanges('exchange', JSON.parse(text) as JsonObject)) {
        const body = documentBody(value)
        const key = JSON.stringify([category, name])
        if (body === null) expected.delete(key)
        else expected.set(key, { category, name, hash: hashOf(body), seq, at })
      }
    },
    async compare(): Promise<readonly string[]> {
      const wrong: string[] = []
      const left = new Map(expected)
      for (const category of await store.documentCategories()) {
        for (let after = '', full = true; full;) {
          const rows = await store.documents({ category, after, limit: documentPage })
          for (const { name, body, seq, at } of rows) {
            const key = JSON.stringify([category, name])
            const journaled = left.get(key)
            left.delete(key)
            if (journaled?.seq !== seq || journaled.at !== at || journaled.hash !== hashOf(body))
              wrong.push(`the document ${category}/${name} is not what the journal says`)
          }
          after = rows.at(-1)?.name ?? ''
          full = rows.length === documentPage
        }
      }
      for (const { category, name } of left.values()) wrong.push(`the document ${category}/${name} is missing`)
      return wrong
    },
  }
}

/** Rows of one read of documents. */
const documentPage = 500

/** @param expected undefined: the journal knows no such session */
function isTitle(expected: Title | undefined, title: string): boolean {
  if (expected === undefined) return false
  if (expected === null) return true
  if ('text' in expected) return expected.text === title
  // Older versions cut some lines a character sooner or later.
  const start = title.replace(/…$/u, '')
  return title === firstLine(expected.line) || (start.length >= maxTitleLength - 4 && expected.line.trim().startsWith(start))
}

/** Whether a field of it may be one that is read here. */
const mayCount = (text: string): boolean => ['"spent"', '"title"', '"text"', '"change"', '"charged"'].some((field) => text.includes(field))

/** @returns null for a body that is no object: whoever writes the store can give it a hash that is right */
function parseBody(text: string): (Body & JsonObject) | null {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? (body as Body & JsonObject) : null
  } catch {
    return null
  }
}

/** A later window begins at nothing, and an earlier one is not counted. */
function addTo(uses: Map<string, BudgetUse>, name: string, more: BudgetUse): void {
  const before = uses.get(name)
  if (before === undefined || before.since < more.since) uses.set(name, more)
  else if (before.since === more.since) uses.set(name, addUse(before, more))
}

function isWithin(use: BudgetUse, limit: BudgetUse): boolean {
  return use.microDollars <= limit.microDollars && use.tokens <= limit.tokens && use.calls <= limit.calls && use.ms <= limit.ms
}

function addUse(a: BudgetUse, b: BudgetUse): BudgetUse {
  return { since: a.since, ...addSpend(a, b), calls: a.calls + b.calls, ms: a.ms + b.ms }
}

function useText(use: BudgetUse | null): string {
  return use === null ? 'nothing' : `${spendText(use)}, ${use.calls} calls and ${use.ms} ms since ${use.since}`
}

function spendText({ microDollars, tokens }: Spend): string {
  return `${microDollars} micro-dollars and ${tokens} tokens`
}
