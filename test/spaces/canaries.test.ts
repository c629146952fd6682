import { test } from 'node:test'
import { scaled } from '../support/scale.ts'
import { runSeries } from './canary-series.ts'

test('nothing of a space reaches another: prompt, recall, search, file, log, event, export', { timeout: 3_600_000 }, (t) =>
  runSeries(t, scaled(10_000, 300)),
)
