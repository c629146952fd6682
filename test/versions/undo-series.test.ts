import { test } from 'node:test'
import { playSeries } from './undo-series.ts'

test('whatever happens around it, an undo takes back its turn and nothing else, and no byte of the person is lost', async () => {
  await playSeries(1, 12)
})

test('a file that a turn has moved stays where its old place is taken', async () => {
  await playSeries(101_213, 1)
})
