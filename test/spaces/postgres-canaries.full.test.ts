import { test } from 'node:test'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { scaled } from '../support/scale.ts'
import { runSeries } from './canary-series.ts'

const postgres = usePostgres()

test(
  'nothing of a space reaches another where all are in the tables of one database',
  { skip: postgresSkip(), timeout: 3_600_000 },
  async (t) => {
    await using database = await postgres.database()
    await runSeries(t, scaled(2_000, 200), { url: database.url, pool: 2 })
  },
)
