import { test } from 'node:test'
import { checkMeterLaws } from './meter-laws-fixture.ts'

test('each request that leaves is covered and booked at its own price, in ten thousand orders', () => checkMeterLaws(10_000))
