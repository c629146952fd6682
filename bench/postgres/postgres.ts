/** A store in Postgres compared with one in a file, in the same run: appends, and turns of a real guest. */
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { createDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { type OpeningStore, openSqliteStore } from '../../src/store/index.ts'
import { type CallId, createIdMaker, systemClock, systemRandom } from '../../src/base/index.ts'
import type { NewRecord } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { ms, perSecond, type Row, shown, times } from '../report.ts'
import { median } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'
import { turnMs } from './turn-time.ts'

const callers = 64
/** Appends one after the other; their median counts. */
const alone = 300
const newId = createIdMaker(systemClock, systemRandom)

export const postgres: Measure = {
  name: 'postgres',
  title: 'A store in Postgres',
  how: 'A server of its own with fsync on, on the same machine; SQLite in the same run for comparison. Appends of one record; turns without tools through a real guest, one after the other.',
  async run(context) {
    const skip = postgresSkip()
    if (skip !== false) return [shown('not measured', skip)]
    await using server = await startPostgres({ durable: true })
    await using database = await createDatabase(server)
    const rows: Row[] = []
    for (const durability of ['normal', 'full'] as const) {
      using workspace = makeWorkspace()
      const seconds = context.plan.callSeconds
      const file = await appends(await openSqliteStore({ path: workspace.database, user: benchUser, durability }), seconds)
      const other = await appends(await openPostgresStore({ url: database.url, user: benchUser, pool: 4, durability }), seconds)
      rows.push(
        shown(`append, ${durability}, one caller, p50`, ms(other.p50), `SQLite ${ms(file.p50)}, ${times(other.p50 / file.p50)}`),
        shown(
          `appends, ${durability}, ${callers} callers`,
          perSecond(other.rate),
          `SQLite ${perSecond(file.rate)}, ${times(other.rate / file.rate)}`,
        ),
      )
    }
    const file = await turnMs(context, '')
    const other = await turnMs(context, database.url)
    return [...rows, shown('turn without tools, p50', ms(other), `SQLite ${ms(file)}, ${times(other / file)}`)]
  },
}

function record(): NewRecord {
  const body = JSON.stringify({ input: { path: '/shared/notes.txt' } })
  return {
    at: systemClock.now(),
    actor: 'agent:bench',
    session: '',
    turn: '',
    call: newId() as CallId,
    name: 'bench.none',
    phase: 'refused',
    body,
  }
}

async function appends(store: OpeningStore, seconds: number): Promise<{ readonly p50: number; readonly rate: number }> {
  try {
    await store.opened()
    const took: number[] = []
    for (let i = 0; i < alone; i++) {
      const began = performance.now()
      await store.append({ records: [record()] })
      took.push(performance.now() - began)
    }
    let count = 0
    const began = performance.now()
    const until = began + seconds * 1_000
    const caller = async (): Promise<void> => {
      for (; performance.now() < until; count++) await store.append({ records: [record()] })
    }
    await Promise.all(Array.from({ length: callers }, caller))
    return { p50: median(took), rate: (count / (performance.now() - began)) * 1_000 }
  } finally {
    await store.close()
  }
}
