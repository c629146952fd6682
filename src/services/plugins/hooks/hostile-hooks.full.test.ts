import { test } from 'node:test'
import { tryAnswers } from './hostile-hooks-fixture.ts'

test('10 000 wild answers of a hook change only what the step allows', { timeout: 120_000 }, () => tryAnswers(10_000))
