import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { createClip } from './clip-output.ts'

describe('a clipped output', () => {
  it('is whole when it fits, else both ends of it, and counts every byte', () => {
    const chunks = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e'), maxLength: 30 }))
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 30 }), (texts, half) => {
        const clip = createClip(half * 2)
        for (const text of texts) clip.push(Buffer.from(text))
        const all = texts.join('')
        assert.equal(clip.bytes(), all.length)
        const left = all.length - 2 * half
        assert.equal(clip.text(), left <= 0 ? all : `${all.slice(0, half)}\n[… ${left} bytes left out …]\n${all.slice(-half)}`)
      }),
    )
  })

  it('is read in one pass, whatever escapes a command writes', { timeout: 10_000 }, () => {
    const clip = createClip(1_000_000)
    clip.push(Buffer.from('\u001b]'.repeat(60_000)))
    clip.push(Buffer.from('\u001b[1mred\u001b[0m \u001b]0;title\u0007end\u0008'))
    assert.equal(clip.text(), 'red end\ufffd')
  })
})
