import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { areAlike, comparable, mergeDuplicates, areDuplicates } from './compare.ts'
import { sameValue, statementsOf } from './statements.ts'

const states = (text: string): readonly string[] =>
  statementsOf(text).map(({ type, subject, attribute, value }) => `${type}: ${subject} | ${attribute} | ${value}`)

describe('statements', () => {
  it('are found in sentences about oneself and others', () => {
    const expected: Readonly<Record<string, string>> = {
      'My name is Ada Lovelace.': 'user_profile: me | name | Ada Lovelace',
      'I live in Leeds now, by the way.': 'user_profile: me | lives in | Leeds',
      'I just moved to Porto because of the weather.': 'user_profile: me | lives in | Porto',
      'I work at Acme Steel.': 'user_profile: me | works at | Acme Steel',
      'Petra works for Siemens.': 'fact: petra | works at | Siemens',
      'My sister lives in Rome.': 'fact: my sister | lives in | Rome',
      "Petra's birthday is on 3 May.": 'fact: petra | birthday | 3 May',
      'My favourite colour is green.': 'preference: me | favourite colour | green',
      'I prefer tea.': 'preference: me | prefers | tea',
      "I really don't like mushrooms.": 'preference: me | does not like | mushrooms',
      'I’m allergic to nuts.': 'user_profile: me | allergic to | nuts',
      'I don’t like tea at all.': 'preference: me | does not like | tea at all',
      'Petra’s birthday is on 3 May.': 'fact: petra | birthday | 3 May',
      'Petra does not eat meat.': 'preference: petra | does not like | meat',
      "I can't stand loud music.": 'preference: me | does not like | loud music',
      'Please always answer in German.': 'preference: me | always | Please always answer in German',
      'We decided to sell the boat.': 'decision: me | decided | sell the boat',
      '제 이름은 민수입니다.': 'user_profile: me | name | 민수',
      '저는 부산에 살아요.': 'user_profile: me | lives in | 부산',
      '나는 커피를 좋아해.': 'preference: me | likes | 커피',
    }
    for (const [said, statement] of Object.entries(expected)) assert.deepEqual(states(said), [statement], said)
  })

  it('are not found in questions, suppositions and generic sentences', () => {
    for (const said of [
      'Do I live in Leeds?',
      'If I live in Leeds, it is cold.',
      'Maybe I live in Leeds.',
      'It works at night.',
      'They live in Leeds.',
      "I don't know how to mend this.",
      'I do not think that it works.',
      "Docker doesn't start on my machine.",
      'Nice to meet you all here.',
    ])
      assert.deepEqual(states(said), [], said)
  })

  it('never throw and are limited, for any text', () => {
    const text = fc
      .array(fc.oneof(fc.string(), fc.constantFrom('I live in ', 'My name is ', '. ', 'Petra ', ' works at ', '저는 ', '에 살아')))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (said) =>
        assert.ok(statementsOf(said).every(({ value, text: sentence }) => value.length <= 200 && sentence.length <= 300)),
      ),
    )
  })

  it('take a moment for ten megabytes of one line', () => {
    assert.ok(statementsOf('I live in Leeds '.repeat(650_000)).length <= 4)
  })

  it('have the same value when only articles, case and marks differ', () => {
    assert.ok(sameValue('the Red Boat!', 'red boat'))
    assert.ok(!sameValue('Leeds', 'York'))
  })
})

describe('likeness', () => {
  const of = (text: string) => comparable(text, text)

  it('is the Jaccard similarity of two sets', () => {
    const set = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 12 }).map((letters) => new Set(letters))
    fc.assert(
      fc.property(set, set, fc.constantFrom(0.5, 0.8, 1), (a, b, least) => {
        const shared = [...a].filter((letter) => b.has(letter)).length
        assert.equal(areAlike(a, b, least), shared > 0 && shared / new Set([...a, ...b]).size >= least)
      }),
    )
  })

  it('is computed in batches', async () => {
    const entry = { labels: [], kind: 'note', protection: 'none', tags: [], validTo: null }
    const known = Array.from({ length: 500 }, (_, i) => ({
      ...of(`ox ${i}`),
      entry: { ...entry, id: `n${i}`, createdAt: i },
      statement: null,
    }))
    let [rounds, isOver] = [0, false]
    const counting = (): void => void setImmediate(() => ++rounds && !isOver && counting())
    counting()
    assert.deepEqual(await mergeDuplicates(known as never, 0), [])
    isOver = true
    assert.ok(rounds >= 50, String(rounds))
  })

  it('distinguishes numbers, negations and names', () => {
    const said = 'The key to the boat shed hangs behind the blue door in the hall'
    assert.ok(areDuplicates(of(`${said}.`), of(`${said}!`)))
    assert.ok(!areDuplicates(of(`${said} 12.`), of(`${said} 13.`)))
    assert.ok(
      !areDuplicates(
        of('The key to the boat shed is not behind the blue door in the hall'),
        of('The key to the boat shed is behind the blue door in the hall'),
      ),
    )
    for (const [one, other] of [
      ['did open the old gate behind the boat shed', 'didn’t open the old gate behind the boat shed'],
      ['could open the old gate behind the boat shed', 'cannot open the old gate behind the boat shed'],
      ['hängt hinter der blauen Tür im Flur', 'hängt nicht hinter der blauen Tür im Flur'],
      ['висит за синей дверью в коридоре', 'не висит за синей дверью в коридоре'],
    ] as const) {
      const both = [one, other].map((end) => of(`${said}, and the second one that Petra had made last year ${end}`))
      assert.ok(!areDuplicates(both[0]!, both[1]!), other)
    }
    const near = new Float32Array([1, 0])
    assert.ok(
      !areDuplicates({ ...of('We met Petra at the old harbour'), vector: near }, { ...of('We met Lena at the old harbour'), vector: near }),
    )
  })
})
