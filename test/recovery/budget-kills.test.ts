import { test } from 'node:test'
import { killUnderBudget } from './budget-series.ts'

test('a guest that is killed in the middle of an answer charges what was reserved, once, and stays within its budget', () =>
  killUnderBudget(3))
