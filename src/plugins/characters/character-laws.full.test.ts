import { test } from 'node:test'
import { checkLaws } from './character-laws-fixture.ts'

test('ten thousand files are characters or have reasons', () => checkLaws(10_000))
