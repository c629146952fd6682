import { test } from 'node:test'
import { checkLaws } from './laws-fixture.ts'

test('no budget is exceeded and nothing is lost, in ten thousand orders', () => checkLaws(10_000))
