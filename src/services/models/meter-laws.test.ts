import { test } from 'node:test'
import { checkMeterLaws } from './meter-laws-fixture.ts'

test('each request that leaves is covered, and booked at the price of the model it went to, in any order', () => checkMeterLaws(300))
