import { test } from 'node:test'
import { longSeries } from '../support/scale.ts'
import { playSeries } from './undo-series.ts'

/** Of ten thousand, in as many lanes as there are. */
test('random series of changes and undos lose no byte of the person', async () => {
  await playSeries(300_000, longSeries(3_334))
})
