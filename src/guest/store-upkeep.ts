/** `oxbow store`, `oxbow secret` and store encryption: questions that a guest program answers before it exits, without serving. */
import { join } from 'node:path'
import { verifyJournal } from '../kernel/index.ts'
import {
  answerKeys,
  answerStore,
  cipherChoice,
  loadCipher,
  type OpeningStore,
  openPostgresStore,
  openSqliteStore,
  storeAddress,
  storedSecrets,
} from '../store/index.ts'
import {
  type GuestEnvelope,
  type KeyQuestion,
  type KeyReport,
  OxbowError,
  type StoreProgress,
  type StoreQuestion,
  systemClock,
  toFailure,
} from '../types/index.ts'

/** Between two lines of progress: more often nobody reads. */
const progressMs = 100

/** @param say takes progress lines, and the report as the last one */
export async function upkeep(question: StoreQuestion, envelope: GuestEnvelope, say: (line: object) => void): Promise<void> {
  const { user, workspaceRoot, config, keys, masterKeys: masters = [] } = envelope
  const internal = join(workspaceRoot, 'internal')
  const file = join(internal, 'oxbow.db')
  const url = storeAddress({ config: config.store, environment: keys })
  const choice = cipherChoice({ config: { ...config.store, encrypt: false }, masters })
  const cipher = choice === null ? {} : { cipher: await loadCipher(choice) }
  const report = await answerStore(question, {
    place: { user, file, url, backups: join(internal, 'backups'), ...cipher },
    now: systemClock.now,
    tell: progressLines(say),
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
    const report = await verifyJournal(store, [], '')
    if (report.ok) return []
    const { first_bad: bad, erased } = report
    return [
      ...(bad === null ? [] : [`record ${bad.seq}: ${bad.why}`]),
      ...erased.unexplained.map((seq) => `the body of record ${seq} is gone, and no record says why`),
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

export function answerKeyQuestion(question: KeyQuestion, envelope: GuestEnvelope): Promise<KeyReport> {
  const { masterKeys = [] } = envelope
  if (masterKeys.length === 0) throw new Error('the envelope has no master keys')
  return answerKeys(question, { place: placeOf(envelope), masters: masterKeys, clock: systemClock })
}

/** @returns the envelope with the secrets that its configuration names; what the host's environment has goes before them */
export async function withStoredSecrets(envelope: GuestEnvelope): Promise<GuestEnvelope> {
  const { wantedKeys = [], masterKeys = [] } = envelope
  if (wantedKeys.length === 0 || masterKeys.length === 0) return envelope
  try {
    const found = await storedSecrets(wantedKeys, { place: placeOf(envelope), masters: masterKeys, clock: systemClock })
    const unused = Object.entries(found).filter(([name, value]) => (envelope.keys[name] ?? value) !== value)
    return { ...envelope, keys: { ...found, ...envelope.keys }, unusedSecrets: Object.fromEntries(unused) }
  } catch (error) {
    // A store that has still to be brought up to date has none, and one that fails says so itself.
    if (error instanceof OxbowError && error.code === 'denied') throw error
    console.error(`secrets cannot be read: ${toFailure(error, 'store_failed', '').message}`)
    return envelope
  }
}

function placeOf({ user, workspaceRoot, config, keys }: GuestEnvelope) {
  const url = storeAddress({ config: config.store, environment: keys })
  return { user, url, file: join(workspaceRoot, 'internal', 'oxbow.db') }
}
