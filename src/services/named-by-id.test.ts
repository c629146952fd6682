import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { namedById } from './named-by-id.ts'

const all = [{ id: '0fd2b0d1-53a1' }, { id: '0fd2b0d1-77b2' }, { id: '2b53ddca-12a1' }]

describe('an id that was typed', () => {
  it('names one by all of it, or by a beginning that says enough', () => {
    assert.equal(namedById(all, '2b53ddca-12a1', 'runs'), all[2])
    assert.equal(namedById(all, '2b53', 'runs'), all[2])
    assert.equal(namedById(all, '2b5', 'runs'), undefined)
    assert.equal(namedById(all, '53ddca', 'runs'), undefined)
    assert.equal(namedById([{ id: 'a' }], 'a', 'runs')?.id, 'a')
  })

  it('is refused where it is the beginning of several', () => {
    const ambiguous = (error: unknown): boolean => isOxbowError(error, 'bad_input') && /any of 2 runs/.test(error.message)
    assert.throws(() => namedById(all, '0fd2b0d1', 'runs'), ambiguous)
  })
})
