import { test } from 'node:test'
import { checkLaws } from './laws-fixture.ts'

test('no budget is exceeded and nothing is lost, whatever happens in whichever order', () => checkLaws(300))
