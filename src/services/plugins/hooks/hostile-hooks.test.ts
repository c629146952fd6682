import { test } from 'node:test'
import { tryAnswers } from './hostile-hooks-fixture.ts'

test('200 wild answers of a hook change only what the step allows', () => tryAnswers(200))
