import { test } from 'node:test'
import { playSeries } from './undo-series.ts'

const series = 10_000

test('ten thousand random series of changes and undos lose no byte of the person', async () => {
  for (let seed = 1; seed <= series; seed += 1) await playSeries(100_000 + seed)
})
