/**
 * Three nodes, three NATS servers and PostgreSQL with a standby, each on a machine of its own, and faults under load: 3 in CI, 12 in the full tests, 500 in
 * the long series (each takes a quarter of a minute). `OXBOW_CLUSTER_FAULTS=N` makes N of them, `OXBOW_CLUSTER_MINUTES=M` ends a soak after M minutes (30;
 * 4320 are 72 hours).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLongSeries, scaled, seed } from '../../support/scale.ts'
import { clusterSkip } from '../cluster-fixture.ts'
import { runFaults } from './faults-run.ts'
import { networkSkip } from './network.ts'

const given = (name: string): number | undefined => (process.env[name] === undefined ? undefined : Number(process.env[name]))
const minutes = given('OXBOW_CLUSTER_MINUTES')
const usual = isLongSeries ? 500 : scaled(12, 3)
const count = given('OXBOW_CLUSTER_FAULTS') ?? (minutes === undefined ? usual : Infinity)
const skip = clusterSkip() || networkSkip()

test(
  'whatever happens to machines, networks, NATS and Postgres, nothing acknowledged is lost or done twice',
  { skip, timeout: Infinity },
  async (t) => {
    t.diagnostic(`OXBOW_SEED=${seed}`)
    // Each fault is told at once: a series takes hours.
    const say = (text: string): void => void process.stderr.write(`${text}\n`)
    const report = await runFaults({ seed, count, minutes: minutes ?? Infinity, say })
    t.diagnostic(JSON.stringify(report.faults))
    const { messages, payments, writes, tokens, epochs } = report
    t.diagnostic(
      `${messages} messages, ${payments} payments, ${writes} file writes, ${epochs} guests; ${tokens.used} of ${tokens.limit} shared tokens`,
    )
    assert.ok(messages > 0 && payments > 0 && writes > 0 && tokens.used > 0)
    assert.deepEqual(report.findings, [])
  },
)
