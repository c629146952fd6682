import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { MemoryType, Protection } from '../../store/index.ts'
import { fadedImportance, fading, protectionOf, retention, type Tiered, tiersOf } from './decay.ts'
import { hotEntries, hotTokens, warmEntries } from './tidy-limits.ts'
import { scaled } from '../../../test/support/scale.ts'

const hour = 3_600_000
const day = 24 * hour
const types = Object.keys(fading) as MemoryType[]
const anyProtection = fc.constantFrom<Protection>('none', 'low', 'medium', 'high', 'permanent')
const faded = fc.record({
  type: fc.constantFrom(...types),
  accesses: fc.nat(100),
  accessedAt: fc.nat(1_000 * day),
  createdAt: fc.nat(1_000 * day),
  protection: anyProtection,
})
const plain = {
  type: 'fact',
  accesses: 0,
  accessedAt: 0,
  createdAt: 0,
  protection: 'none',
  tags: [],
  labels: [],
  confirmedBy: [],
  corrects: false,
  byPerson: false,
  sessions: 0,
} as const

describe('retention', () => {
  it('falls with time, stays within 0 and 1, and is constant for permanent entries', () => {
    fc.assert(
      fc.property(faded, fc.nat(2_000 * day), fc.nat(2_000 * day), (entry, a, b) => {
        const [early, late] = [Math.min(a, b), Math.max(a, b)]
        assert.ok(retention(entry, late) <= retention(entry, early))
        assert.ok(retention(entry, late) >= 0 && retention(entry, early) <= 1)
        if (entry.protection === 'permanent') assert.equal(retention(entry, late), 1)
      }),
    )
  })

  it('falls more slowly with more accesses and better protection', () => {
    fc.assert(
      fc.property(faded, fc.nat(2_000 * day), fc.nat(50), (entry, now, more) => {
        assert.ok(retention({ ...entry, accesses: entry.accesses + more }, now) >= retention(entry, now))
        assert.ok(retention({ ...entry, protection: 'permanent' }, now) >= retention({ ...entry, protection: 'high' }, now))
        assert.ok(retention({ ...entry, protection: 'low' }, now) >= retention({ ...entry, protection: 'none' }, now))
      }),
    )
  })

  it('scales with the configured speed, and is constant at 0', () => {
    assert.equal(retention(plain, 100 * hour, 2).toFixed(6), Math.exp(-3).toFixed(6))
    assert.equal(retention(plain, 100 * hour, 0.5).toFixed(6), Math.exp(-0.75).toFixed(6))
    assert.equal(retention(plain, 9_000 * day, 0), 1)
  })

  it('has the rates of the table', () => {
    assert.equal(retention(plain, 100 * hour).toFixed(6), Math.exp(-1.5).toFixed(6))
    assert.equal(fadedImportance({ ...plain, type: 'user_profile' }, 0), 0.95)
    assert.equal(fadedImportance({ ...plain, type: 'conversation' }, 0), 0.35)
  })
})

describe('protection', () => {
  it('is gained at 2, 3 and 5 accesses', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 9].map((accesses) => protectionOf({ ...plain, accesses }, 0)),
      ['none', 'none', 'low', 'medium', 'medium', 'high', 'high'],
    )
  })

  it('is gained in two and three sessions, however many accesses one has', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 9].map((sessions) => protectionOf({ ...plain, accesses: 1, sessions }, 0)),
      ['none', 'none', 'medium', 'high', 'high'],
    )
    assert.equal(protectionOf({ ...plain, accesses: 5, sessions: 2 }, 0), 'high')
    assert.equal(protectionOf({ ...plain, sessions: 3 }, 60 * day), 'low', 'and is lost as any other')
  })

  it("begins with medium for a person's note and is lost like any other", () => {
    const noted = [0, 29, 31, 65].map((days) => protectionOf({ ...plain, byPerson: true }, days * day))
    assert.deepEqual(noted, ['medium', 'medium', 'low', 'none'])
    assert.equal(protectionOf({ ...plain, byPerson: true, labels: ['untrusted'] }, 0), 'none')
  })

  it('is high for a correction, and permanent for a pin and for who the person is', () => {
    assert.equal(protectionOf({ ...plain, corrects: true }, 0), 'high')
    assert.equal(protectionOf({ ...plain, tags: ['pinned'] }, 400 * day), 'permanent')
    assert.equal(protectionOf({ ...plain, type: 'user_profile' }, 400 * day), 'permanent')
  })

  it('is not gained by untrusted profile facts or corrections', () => {
    assert.equal(protectionOf({ ...plain, type: 'user_profile', labels: ['untrusted'] }, 0), 'none')
    assert.equal(protectionOf({ ...plain, corrects: true, labels: ['untrusted'] }, 0), 'none')
    assert.equal(protectionOf({ ...plain, tags: ['pinned'], labels: ['untrusted'] }, 0), 'none', 'a page cannot pin itself')
  })

  it('drops one level for each thirty days without an access', () => {
    assert.deepEqual(
      [0, 29, 30, 60, 90, 900].map((days) => protectionOf({ ...plain, accesses: 5 }, days * day)),
      ['high', 'high', 'medium', 'low', 'none', 'none'],
    )
  })
})

describe('tiers', () => {
  const entry = fc.record({
    id: fc.uuid(),
    kind: fc.constantFrom<Tiered['kind']>('note', 'fact', 'message', 'document', 'summary'),
    bytes: fc.nat(5_000),
    holds: fc.boolean(),
    type: fc.constantFrom(...types),
    accesses: fc.nat(20),
    accessedAt: fc.nat(10 * day),
    createdAt: fc.nat(10 * day),
    protection: anyProtection,
  })

  it('keep to their counts and tokens, and ended entries are cold', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 700 }), (entries) => {
        const tiers = tiersOf(entries, 20 * day)
        const hot = entries.filter(({ id }) => tiers.get(id) === 'hot')
        assert.ok(hot.length <= hotEntries)
        assert.ok(hot.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 3), 0) <= hotTokens)
        assert.ok(entries.filter(({ id }) => tiers.get(id) === 'warm').length <= warmEntries)
        for (const { id, holds } of entries) if (!holds) assert.equal(tiers.get(id), 'cold')
        assert.equal(tiers.size, new Set(entries.map(({ id }) => id)).size)
      }),
      { numRuns: scaled(40) },
    )
  })

  it('never make messages or faded entries hot', () => {
    const at = { bytes: 30, holds: true, accesses: 50, accessedAt: 0, createdAt: 0, protection: 'permanent' as const }
    const tiers = tiersOf(
      [
        { ...at, id: 'said', kind: 'message', type: 'conversation' },
        { ...at, id: 'old', kind: 'fact', type: 'fact', protection: 'none', accesses: 0 },
        { ...at, id: 'me', kind: 'note', type: 'user_profile' },
      ],
      60 * day,
    )
    assert.deepEqual(Object.fromEntries(tiers), { said: 'warm', old: 'warm', me: 'hot' })
  })
})
