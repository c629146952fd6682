import { test } from 'node:test'
import { scaled } from '../support/scale.ts'
import { killUnderBudget } from './budget-series.ts'

const kills = scaled(50, 12)

test('a guest that is killed in the middle of answers charges what was reserved, once, and stays within its budget', () =>
  killUnderBudget(kills))
