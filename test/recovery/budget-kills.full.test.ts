import { test } from 'node:test'
import { killUnderBudget } from './budget-series.ts'

test('fifty kills in the middle of answers lose nothing of a budget and exceed it never', () => killUnderBudget(50))
