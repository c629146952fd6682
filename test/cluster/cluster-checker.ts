/**
 * What must hold after whatever was done to a cluster, read from the database and from its log of statements, which neither nodes nor guests
 * write. It knows nothing of leases but the epoch that each session of the database has claimed.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { PostgresDatabase } from '../../src/store/postgres/postgres-fixture.ts'
import { until } from './cluster-fixture.ts'

/** A committed transaction with records of the journal. */
interface Commit {
  readonly user: string
  /** Of the NATS that gave the epoch: epochs of one that was made anew begin anew. */
  readonly term: number
  readonly epoch: number
}

interface Session {
  term: number
  epoch: number
  user: string
  wrote: boolean
  last: string
}

/** Reads lines that begin with the process id and `|`: statements, and their parameters as details. @returns what it has found so far */
function createCommitReader(): { readonly commits: readonly Commit[]; take(line: string): void } {
  const commits: Commit[] = []
  const sessions = new Map<string, Session>()
  return {
    commits,
    take(line) {
      const [, pid = '', said = ''] = /^(\d+)\|(.*)$/.exec(line) ?? []
      if (pid === '') return
      const session = sessions.get(pid) ?? { term: 0, epoch: 0, user: '', wrote: false, last: '' }
      sessions.set(pid, session)
      if (said.startsWith('DETAIL:') && session.last.includes('insert into "cluster_lease"')) {
        const [, user = '', term = '0', epoch = '0'] = /\$1 = '([^']*)', \$2 = '(\d+)', \$3 = '(\d+)'/.exec(said) ?? []
        Object.assign(session, { user, term: Number(term), epoch: Number(epoch) })
      } else if (said.includes('execute put_records')) session.wrote = true
      else if (/statement: (?:begin|rollback)/.test(said)) session.wrote = false
      else if (said.includes('statement: commit')) {
        if (session.wrote) commits.push({ user: session.user, term: session.term, epoch: session.epoch })
        session.wrote = false
      }
      if (!said.startsWith('DETAIL:')) session.last = said.slice(0, maxKeptChars)
    },
  }
}

/** Enough to know a statement again. */
const maxKeptChars = 300

/** @param log of one server, which knows each session by its process id */
export function commitsIn(log: string): readonly Commit[] {
  const reader = createCommitReader()
  for (const line of log.split('\n')) reader.take(line)
  return reader.commits
}

/** @param files of primaries that followed each other; process ids are different in each */
export async function commitsOf(files: readonly string[]): Promise<readonly Commit[]> {
  const all: Commit[] = []
  for (const file of files) {
    const reader = createCommitReader()
    for await (const line of createInterface({ input: createReadStream(file) })) reader.take(line)
    for (const commit of reader.commits) all.push(commit)
  }
  return all
}

/** @returns in words, where an older lease has written after a newer one */
export function interleavings(commits: readonly Commit[]): readonly string[] {
  const newest = new Map<string, Commit>()
  return commits.flatMap((commit, at) => {
    const before = newest.get(commit.user) ?? commit
    const isOlder = commit.term < before.term || (commit.term === before.term && commit.epoch < before.epoch)
    if (!isOlder) newest.set(commit.user, commit)
    const named = ({ term, epoch }: Commit): string => `epoch ${epoch} of ${new Date(term).toISOString()}`
    return isOlder ? [`${commit.user}: ${named(commit)} wrote after ${named(before)} (commit ${at + 1})`] : []
  })
}

interface Turn {
  readonly text: string
  readonly call: string
  readonly outcomes: readonly string[]
}

async function turnsOf(database: PostgresDatabase, user: string): Promise<readonly Turn[]> {
  const rows = await database.sql<{ call: string; phase: string; body: string }>(
    `select call, phase, body from journal where "user" = $1 and name = 'turn.send' and phase in ('intent', 'outcome') order by seq`,
    [user],
  )
  const outcomes = Map.groupBy(
    rows.filter(({ phase }) => phase === 'outcome'),
    ({ call }) => call,
  )
  return rows
    .filter(({ phase }) => phase === 'intent')
    .map(({ call, body }) => ({
      text: (JSON.parse(body) as { input: { text: string } }).input.text,
      call,
      outcomes: (outcomes.get(call) ?? []).map((row) => (JSON.parse(row.body) as { status: string }).status),
    }))
}

/** Waits until every turn has ended. @param acknowledged texts, each sent once @returns what is wrong, in words */
export async function messageFaults(database: PostgresDatabase, user: string, acknowledged: readonly string[]): Promise<readonly string[]> {
  await until(async () => (await turnsOf(database, user)).every(({ outcomes }) => outcomes.length > 0))
  const turns = await turnsOf(database, user)
  const counted = acknowledged.flatMap((text) => {
    const own = turns.filter((turn) => turn.text === text)
    return own.length === 1 ? [] : [`${own.length} turns of the acknowledged message ${text}`]
  })
  const ended = turns.flatMap(({ text, outcomes }) =>
    outcomes.length === 1 && ['ok', 'merged'].includes(outcomes[0]!) ? [] : [`the turn of ${text} ended with ${outcomes.join(', ')}`],
  )
  return [...counted, ...ended]
}

/** @returns where the chain of the journal does not hold together */
export async function chainFaults(database: PostgresDatabase, user: string): Promise<readonly string[]> {
  const rows = await database.sql<{ seq: string; previous: string; hash: string }>(
    `select seq, previous, hash from journal where "user" = $1 order by seq`,
    [user],
  )
  return rows.flatMap(({ seq, previous }, at) =>
    Number(seq) === at + 1 && (at === 0 || previous === rows[at - 1]!.hash) ? [] : [`record ${seq} does not follow the one before`],
  )
}
