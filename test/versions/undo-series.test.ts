import { test } from 'node:test'
import { playSeries } from './undo-series.ts'

const series = Number(process.env['OXBOW_TEST_SERIES'] ?? 12)

test('whatever happens around it, an undo takes back its turn and nothing else, and no byte of the person is lost', async () => {
  for (let seed = 1; seed <= series; seed += 1) await playSeries(seed)
})
