/**
 * The part of an audit that compares what the store keeps beside the journal with what the journal says: what each account has
 * spent, and the titles of sessions. What was erased from the journal says nothing any more: an account may then have spent more
 * than the rest of the journal says, and the title of that session may be any.
 *
 * Some 200 bytes for each session are kept meanwhile.
 */
import { parseErased, type SessionRow, type Store } from '../../store/index.ts'
import { addSpend, type JournalRecord, noSpend, type SessionId, type Spend } from '../../types/index.ts'
import { maxSessionsRead, maxTitleLength } from '../limits.ts'
import { firstLine } from '../sessions.ts'
import { sessionScope, userScope } from '../stages/budgets.ts'

export interface ProjectionAudit {
  /** Whether `take` needs the body of the record itself, and not only where it is kept. */
  reads(record: JournalRecord): boolean
  /** Takes in every record, in order. @param body hydrated where `reads` says so */
  take(record: JournalRecord, body: string): void
  /** @returns what is not as the journal says, the first hundred; the store must have no record that was not taken in */
  compare(): Promise<readonly string[]>
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
}

const maxNamed = 100
const setsTitle = /^session\.(?:create|rename|archive|delete|fork|title)$/

export function createProjectionAudit(store: Store): ProjectionAudit {
  const accounts = new Map<string, Account>()
  const titles = new Map<SessionId, Title>()
  const accountOf = (scope: string): Account => {
    const account = accounts.get(scope) ?? { spent: noSpend, isLeast: false }
    accounts.set(scope, account)
    return account
  }
  const accountsOf = (session: string): readonly Account[] =>
    [userScope(store.user), ...(session === '' ? [] : [sessionScope(session)])].map(accountOf)

  const takeTitle = ({ session, name, phase }: JournalRecord, body: Body): void => {
    if (phase === 'outcome' && setsTitle.test(name) && body.status === 'ok') {
      const id = (name === 'session.create' ? body.id : body.session) as SessionId | undefined
      if (id === undefined) return
      const title = name === 'session.create' ? body.title : body.change?.title
      if (title !== undefined) titles.set(id, { text: title })
      else if (!titles.has(id) && body.change !== undefined) titles.set(id, { text: '' })
    } else if (name === 'turn.send' && phase === 'started' && body.into === undefined && session !== '') {
      const title = titles.get(session)
      const line = body.text ?? ''
      if (title !== undefined && title !== null && 'text' in title && title.text === '' && firstLine(line) !== '')
        titles.set(session, { line })
    }
  }
  /** Titles that were given to nobody knows which session, because the record was erased. */
  let erasedTitles = 0
  const takeErased = ({ session, call, name, phase }: JournalRecord): void => {
    if (phase === 'outcome' || phase === 'reconciled') for (const account of accountsOf(session)) account.isLeast = true
    if (name === 'session.create') titles.set(call as string as SessionId, null)
    else if (session !== '' && name === 'turn.send' && phase === 'started') titles.set(session, null)
    else if (setsTitle.test(name) && phase === 'outcome') erasedTitles++
  }

  const fits = ({ id, title }: SessionRow): boolean => isTitle(titles.get(id), title)

  return {
    reads: ({ name, phase }) =>
      phase === 'outcome' ||
      phase === 'reconciled' ||
      (name === 'turn.send' && phase === 'started') ||
      (phase !== 'exchange' && setsTitle.test(name)),
    take(record, text) {
      if (parseErased(text) !== null) return takeErased(record)
      const body = parseBody(text)
      if (body.spent !== undefined) for (const account of accountsOf(record.session)) account.spent = addSpend(account.spent, body.spent)
      takeTitle(record, body)
    },
    async compare() {
      const wrong: string[] = []
      for (const [scope, { spent, isLeast }] of accounts) {
        const kept = await store.spent(scope)
        const same = kept.microDollars === spent.microDollars && kept.tokens === spent.tokens
        if (same || (isLeast && kept.microDollars >= spent.microDollars && kept.tokens >= spent.tokens)) continue
        wrong.push(`the account ${scope} has ${spendText(kept)}, and the journal says ${isLeast ? 'at least ' : ''}${spendText(spent)}`)
      }
      const rows = await store.sessions(maxSessionsRead)
      const seen = new Set(rows.map(({ id }) => id))
      const renamed = rows.filter((row) => !fits(row)).map(({ id }) => id)
      for (const id of titles.keys()) {
        if (seen.has(id)) continue
        const row = await store.session(id)
        if (row === null) wrong.push(`session ${id} is missing`)
        else if (!fits(row)) renamed.push(id)
      }
      if (renamed.length > erasedTitles) wrong.push(...renamed.map((id) => `session ${id} has another title than the journal says`))
      return wrong.slice(0, maxNamed)
    },
  }
}

/** @param expected undefined: the journal knows no such session */
function isTitle(expected: Title | undefined, title: string): boolean {
  if (expected === undefined) return false
  if (expected === null) return true
  if ('text' in expected) return expected.text === title
  // Older versions cut some lines a character sooner or later.
  const start = title.replace(/…$/u, '')
  return title === firstLine(expected.line) || (start.length >= maxTitleLength - 4 && expected.line.trim().startsWith(start))
}

function parseBody(text: string): Body {
  if (!text.includes('"spent"') && !text.includes('"title"') && !text.includes('"text"') && !text.includes('"change"')) return {}
  try {
    return JSON.parse(text) as Body
  } catch {
    return {}
  }
}

function spendText({ microDollars, tokens }: Spend): string {
  return `${microDollars} micro-dollars and ${tokens} tokens`
}
