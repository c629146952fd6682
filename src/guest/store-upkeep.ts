/** Answers `oxbow store`: upkeep of a user's store, in a guest program that exits afterwards. */
import { join } from 'node:path'
import { verifyJournal } from '../services/index.ts'
import {
  answerStore,
  cipherChoice,
  type OpeningStore,
  openPostgresStore,
  openSqliteStore,
  shownStore,
  storeAddress,
} from '../store/index.ts'
import { OxbowError, systemClock } from '../base/index.ts'
import type { GuestEnvelope, GuestReport, StoreProgress, StoreQuestion } from '../config/index.ts'

/** Between two lines of progress: more often nobody reads. */
const progressMs = 100

/** Lines to the runner (progress, and the report as the last one) and from it. */
interface Runner {
  readonly say: (line: object) => void
  readonly nextLine: () => Promise<string>
}

export async function upkeep(question: StoreQuestion, envelope: GuestEnvelope, { say, nextLine }: Runner): Promise<void> {
  const { user, workspaceRoot, config, keys, masterKeys: masters = [] } = envelope
  const internal = join(workspaceRoot, 'internal')
  const file = join(internal, 'oxbow.db')
  const url = storeAddress({ config: config.store, environment: keys })
  const choice = cipherChoice({ config: { ...config.store, encrypt: false }, masters })
  const cipher = choice === null ? {} : { cipher: choice }
  const report = await answerStore(question, {
    place: {
      user,
      file,
      url,
      shownUrl: await shownStore({ config: config.store, environment: keys, path: 'file' }),
      backups: join(internal, 'backups'),
      guest: { user, role: '' },
      ...cipher,
    },
    now: systemClock.now,
    tell: progressLines(say),
    async signRestore(restore) {
      say({ type: 'restoring', ...restore } satisfies GuestReport)
      await nextLine()
    },
    async verifyChain(at) {
      const pool = config.store.pool
      const options = { user, durability: 'normal', readOnly: true, ...(choice !== null && { cipher: choice }) } as const
      const store = 'file' in at ? openSqliteStore({ ...options, path: at.file }) : openPostgresStore({ ...options, url: at.url, pool })
      return chainProblems(await store)
    },
  })
  say(report)
}

/** What `audit verify` finds, in words. */
async function chainProblems(store: OpeningStore): Promise<readonly string[]> {
  try {
    await store.opened()
    // A backup is older than the newest heads: only `oxbow audit verify` knows what must be there.
    const report = await verifyJournal(store, { seal: null })
    if (report.ok) return []
    const { first_bad: bad, erased, projections, repeated } = report
    return [
      ...(bad === null ? [] : [`record ${bad.seq}: ${bad.why}; nothing behind it was checked`]),
      ...erased.unexplained.map((seq) => `the body of record ${seq} is gone, and no record says why`),
      ...repeated.unexplained.map(({ seq, why }) => `record ${seq}: ${why}; the next start of a guest reconciles it`),
      ...projections,
    ]
  } catch (error) {
    if (error instanceof OxbowError) return [error.message]
    throw error
  } finally {
    await store.close()
  }
}

function progressLines(say: (line: object) => void): (what: string, done: number, total: number) => void {
  let last = { what: '', at: -progressMs }
  return (progress, done, total) => {
    const at = performance.now()
    if (progress === last.what && done < total && at - last.at < progressMs) return
    last = { what: progress, at }
    say({ progress, done, total } satisfies StoreProgress)
  }
}
