import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type DataOrigin,
  describeLabels,
  joinOrigins,
  type LabelOrigin,
  maxOrigins,
  originOf,
  originOfCall,
  parseOrigins,
  writeOrigins,
} from './origin.ts'

const origin: fc.Arbitrary<LabelOrigin> = fc.record({
  label: fc.constantFrom('private', 'untrusted'),
  from: fc.nat({ max: 60 }).map((n): DataOrigin => `path:/shared/${n}`),
})

describe('origins of labels', () => {
  it('are at most sixteen of each label, always with the newest, and nothing new changes nothing', () => {
    fc.assert(
      fc.property(fc.array(origin, { maxLength: 80 }), (met) => {
        const held = met.reduce<readonly LabelOrigin[]>((all, one) => joinOrigins(all, [one]), [])
        for (const label of ['private', 'untrusted'] as const) {
          const own = held.filter((one) => one.label === label)
          assert.ok(own.length <= maxOrigins)
          const newest = met.findLast((one) => one.label === label)
          assert.ok(newest === undefined || own.some(({ from }) => from === newest.from))
        }
        assert.equal(joinOrigins(held, held), held)
        assert.deepEqual(
          parseOrigins(JSON.parse(JSON.stringify(writeOrigins(held)))),
          held.map((one) => ({ ...one })),
        )
      }),
    )
  })

  it('name what the input of a call names, without the query of an address', () => {
    assert.deepEqual(
      [
        originOfCall('web.fetch', { url: 'https://example.com/a?token=s3cret' }),
        originOfCall('vault.copy_to', { source_path: '/vault/letter.pdf', destination_path: '/tmp/letter.pdf' }),
        originOfCall('file.read', { path: 'notes.md' }),
        originOfCall('mcp.tickets.search', { path: 'x' }),
        originOfCall('a2a.helper', { goal: 'x' }),
        originOfCall('shell.exec', { command: 'ls' }),
      ],
      [
        'page:https://example.com/a',
        'path:/vault/letter.pdf',
        'path:/shared/notes.md',
        'server:tickets',
        'agent:helper',
        'call:shell.exec',
      ],
    )
  })

  it('stand on one line and are of limited length, whatever they are called', () => {
    const from = originOf('path', `/shared/a\n\u001b[31m\u2028${'x'.repeat(1_000)}`)
    assert.ok(from.length <= 'path:'.length + 200)
    assert.doesNotMatch(from, /[\p{Cc}\p{Zl}]/u)
    const held: LabelOrigin[] = [
      { label: 'private', from: 'path:/vault/a' },
      { label: 'untrusted', from: 'server:tickets' },
    ]
    assert.equal(describeLabels(['private', 'untrusted'], held), 'private data (/vault/a) and untrusted text (server tickets)')
    assert.deepEqual(parseOrigins([['private', 'nothing'], ['other', 'path:/x'], 7]), [])
  })
})
