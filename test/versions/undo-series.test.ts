import { test } from 'node:test'
import { playSeries } from './undo-series.ts'

test('whatever happens around it, an undo takes back its turn and nothing else, and no byte of the person is lost', async () => {
  await playSeries(1, 12)
})
